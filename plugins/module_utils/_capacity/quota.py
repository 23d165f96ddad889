# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many pods of one kind the quotas of a namespace still allow. Pure.

After the API server's admission: a quota counts a pod that all its scopes match, and one that limits CPU or memory
admits no container that does not state it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.placement import UNBOUNDED, meets
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.resources import (
    ZERO,
    Resources,
    added,
    limits_of,
    quantity,
    requests_of,
    shown,
)

Json = Mapping[str, Any]

# What each container has to state where a quota limits it.
TO_BE_STATED = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
OWN_NAMES = ("cpu", "memory", "ephemeral-storage")


class Limit(NamedTuple):
    """What a quota has of one resource, and for how many pods; `unstated` names containers that do not state it."""

    quota: str
    resource: str
    hard: Decimal
    used: Decimal
    needed: Decimal
    pods: int
    unstated: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        if self.unstated:
            return f"quota {self.quota}: {self.resource} has to be stated for {', '.join(self.unstated)}"
        left = max(ZERO, self.hard - self.used)
        of = f"{shown(self.resource, left)} left of {shown(self.resource, self.hard)}"
        return f"quota {self.quota}: {self.resource} {of}"

    @property
    def shown(self) -> dict[str, Any]:
        """As the module returns it."""
        numbers = {"hard": self.hard, "used": self.used, "needed": self.needed}
        texts = {key: shown(self.resource, amount) for key, amount in numbers.items()}
        return {"name": self.quota, "resource": self.resource, **texts, "pods": self.pods, "why": self.why}


def limits_on(quotas: Iterable[Json], spec: Json, leaving: Sequence[Json] = ()) -> list[Limit]:
    """What the quotas say to pods of one kind, the tightest first.

    Args:
        quotas: of the namespace.
        spec: of the pods.
        leaving: pods that will be gone.
    """
    needed = counted(spec)
    found: list[Limit] = []
    for each in quotas:
        if covers(each, spec):
            back = added(*(counted(pod["spec"]) for pod in leaving if covers(each, pod["spec"])))
            found += _limits_of(each, spec, needed, back)
    return sorted(found, key=lambda limit: limit.pods)


def allowed(limits: Sequence[Limit]) -> int:
    """For how many pods there is quota."""
    return limits[0].pods if limits else UNBOUNDED


def gives_back(quotas: Iterable[Json], spec: Json, old: Json) -> bool:
    """Whether the end of an old pod frees at least what a new one counts for, in each quota."""
    needed, back = counted(spec), counted(old)
    return all(
        covers(each, old) and back.get(name, ZERO) >= needed.get(name, ZERO)
        for each in quotas
        if covers(each, spec)
        for name in hard_of(each)
        if name in needed
    )


def counted(spec: Json) -> Resources:
    """What a pod counts for, under the names that quotas have."""
    requests, limits = requests_of(spec), limits_of(spec)
    found = {f"requests.{name}": amount for name, amount in requests.items()}
    found |= {f"limits.{name}": amount for name, amount in limits.items()}
    found |= {name: amount for name, amount in requests.items() if name.startswith(("hugepages-", *OWN_NAMES))}
    return {**found, "pods": Decimal(1), "count/pods": Decimal(1)}


def hard_of(item: Json) -> Json:
    """A quota's bounds, from its spec as long as nobody has counted for it yet."""
    return (item.get("status") or {}).get("hard") or item["spec"].get("hard") or {}


def covers(item: Json, spec: Json) -> bool:
    """Whether a quota counts a pod: all its scopes match it."""
    return all(in_scope(each, spec) for each in scopes_of(item))


def scopes_of(item: Json) -> list[Json]:
    """A quota's scopes, each as a selector."""
    plain = [{"scopeName": name, "operator": "Exists"} for name in item["spec"].get("scopes") or ()]
    return [*plain, *((item["spec"].get("scopeSelector") or {}).get("matchExpressions") or ())]


def in_scope(selector: Json, spec: Json) -> bool:
    """Whether one scope matches a pod. Scopes of other objects match none."""
    kind = selector["scopeName"]
    if kind == "PriorityClass":
        name = spec.get("priorityClassName")
        return meets({**selector, "key": kind}, {kind: name} if name else {})
    has_deadline = spec.get("activeDeadlineSeconds") is not None
    states = any(name in OWN_NAMES[:2] and amount for name, amount in (requests_of(spec) | limits_of(spec)).items())
    crosses = any(term.get("namespaces") or "namespaceSelector" in term for term in _affinity_terms(spec))
    matching = {
        "Terminating": has_deadline,
        "NotTerminating": not has_deadline,
        "BestEffort": not states,
        "NotBestEffort": states,
        "CrossNamespacePodAffinity": crosses,
    }
    return matching.get(kind, False)


def _limits_of(item: Json, spec: Json, needed: Resources, back: Resources) -> Iterator[Limit]:
    name, counts = item["metadata"]["name"], (item.get("status") or {}).get("used") or {}
    for resource, hard in hard_of(item).items():
        unstated = tuple(_unstated(spec, resource))
        one = needed.get(resource, ZERO)
        if not unstated and one <= 0:
            continue
        used = max(ZERO, quantity(counts.get(resource, 0)) - back.get(resource, ZERO))
        pods = 0 if unstated else max(0, int((quantity(hard) - used) // one))
        yield Limit(name, resource, quantity(hard), used, one, pods, unstated)


def _unstated(spec: Json, resource: str) -> Iterator[str]:
    """The containers that do not state what a quota wants stated."""
    if resource not in TO_BE_STATED or spec.get("resources"):
        return
    kind, _unused, name = resource.rpartition(".")
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        resources = container.get("resources") or {}
        stated = {**(resources.get("limits") or {}), **({} if kind == "limits" else resources.get("requests") or {})}
        if name not in stated:
            yield str(container.get("name", "a container"))


def _affinity_terms(spec: Json) -> Iterator[Json]:
    for kind in ("podAffinity", "podAntiAffinity"):
        given = (spec.get("affinity") or {}).get(kind) or {}
        yield from given.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for each in given.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            yield each["podAffinityTerm"]
