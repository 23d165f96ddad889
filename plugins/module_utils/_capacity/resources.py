# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods ask for, in the scheduler's arithmetic. Pure.

After Kubernetes' documents on resource management, on the requests of init and sidecar containers, and on resources of
whole pods. A resize of a running pod that is not done yet is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

Json = Mapping[str, Any]
Resources = dict[str, Decimal]

ZERO = Decimal(0)
MIB = Decimal(1024) ** 2
GIB = Decimal(1024) ** 3
BYTES = ("memory", "ephemeral-storage", "hugepages-")
# What can be said of a whole pod, besides huge pages.
OF_POD = ("cpu", "memory")


def quantity(value: object) -> Decimal:
    """A quantity of Kubernetes as a number.

    Raises:
        InvalidInputError: it is none.
    """
    # Its package imports every API, which takes a second.
    from kubernetes.utils.quantity import parse_quantity

    try:
        # As text: a float from YAML would bring its binary rest with it.
        number = Decimal(parse_quantity(str(value)))
        if number.is_finite():
            return number
        why = "it is not finite"
    except (ValueError, ArithmeticError) as error:
        why = str(error)
    raise InvalidInputError(f"Invalid quantity: {str(value)[:40]!r}", why, "Correct it.")


def is_device(name: str) -> bool:
    """Whether a resource is one that device plugins offer, such as nvidia.com/mig-1g.10gb."""
    return "/" in name and "kubernetes.io/" not in name


def shown(name: str, amount: Decimal) -> str:
    """An amount as people read it: bytes in Gi, or in Mi where those are uneven; CPUs and devices as numbers."""
    if name.removeprefix("requests.").removeprefix("limits.").startswith(BYTES):
        return f"{amount / GIB:.0f}Gi" if amount % GIB == 0 else f"{amount / MIB:.0f}Mi"
    return f"{amount.normalize():f}"


def added(*parts: Mapping[str, Decimal]) -> Resources:
    """The sum of several amounts, resource by resource."""
    total: Resources = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, ZERO) + amount
    return total


def greater(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> Resources:
    """The greater of two amounts, resource by resource."""
    return {name: max(one.get(name, ZERO), other.get(name, ZERO)) for name in {*one, *other}}


def requests_of(spec: Json) -> Resources:
    """What a pod asks its node for. What has a limit and no request requests its limit, as the API server has it."""
    total = _of_containers(spec, lambda resources: {**_part(resources, "limits"), **_part(resources, "requests")})
    total = {**_of_pod(spec, "limits"), **total, **_of_pod(spec, "requests")}
    return added(total, _amounts(spec.get("overhead") or {}))


def limits_of(spec: Json) -> Resources:
    """What a pod may use at most, as a quota counts it."""
    total = _of_containers(spec, lambda resources: _part(resources, "limits"))
    total |= _of_pod(spec, "limits")
    overhead = _amounts(spec.get("overhead") or {})
    return added(total, {name: amount for name, amount in overhead.items() if total.get(name)})


def used_by(pods: Iterable[Json]) -> Resources:
    """What pods hold of their node, the places for pods among it."""
    return added(*({**requests_of(pod["spec"]), "pods": Decimal(1)} for pod in pods))


def _of_containers(spec: Json, kind: Callable[[Json], Json]) -> Resources:
    """The amounts of all containers together, or more if an init container needs more before they start.

    An init container that restarts always is a sidecar: it goes on beside those that start after it.
    """
    sidecars: Resources = {}
    peak: Resources = {}
    for container in spec.get("initContainers") or ():
        own = _amounts(kind(container.get("resources") or {}))
        if container.get("restartPolicy") == "Always":
            sidecars = added(sidecars, own)
            own = {}
        peak = greater(peak, added(sidecars, own))
    own_of_each = (_amounts(kind(container.get("resources") or {})) for container in spec["containers"])
    return greater(added(sidecars, *own_of_each), peak)


def _of_pod(spec: Json, kind: str) -> Resources:
    """What is said of a pod as a whole: it counts in place of what its containers say."""
    said = _part(spec.get("resources") or {}, kind)
    return _amounts({name: value for name, value in said.items() if name in OF_POD or name.startswith("hugepages-")})


def _part(resources: Json, kind: str) -> Json:
    return resources.get(kind) or {}


def _amounts(given: Json) -> Resources:
    return {name: quantity(value) for name, value in given.items()}
