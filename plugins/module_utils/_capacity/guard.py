# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can a release's new pods start beside the old ones, in their place, or not at all? Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.limit_ranges import bounding, with_defaults
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.placement import kept_away, room_on
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.quota import gives_back, limits_on, scopes_of
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.resources import (
    ZERO,
    Resources,
    is_device,
    requests_of,
    shown,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.telling import (
    INSTALL,
    RECREATE,
    REFUSE,
    SURGE,
    Fit,
    Rollout,
    message,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.wanted import Wanted, not_counted
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reading import has_ended

Json = Mapping[str, Any]


class Cluster(NamedTuple):
    """What is there: nodes, the pods of all namespaces, and the quotas and limit ranges of the release's.

    Without the right to read limit ranges they are None.
    """

    nodes: Sequence[Json]
    pods: Sequence[Json]
    quotas: Sequence[Json] = ()
    limit_ranges: Sequence[Json] | None = ()


def decide(cluster: Cluster, wanted: Wanted, old: Sequence[Json]) -> dict[str, Any]:
    """Decide, and return the module's result.

    Args:
        cluster: what is there.
        wanted: the new pods.
        old: the release's pods that are there.
    """
    spec = with_defaults(wanted.spec, cluster.limit_ranges or ())
    needed = {**requests_of(spec), "pods": Decimal(1)}
    gone = {pod["metadata"]["uid"] for pod in old}
    others = [each for each in cluster.pods if each["metadata"]["uid"] not in gone]
    live = [each for each in old if each["spec"].get("nodeName") and "deletionTimestamp" not in each["metadata"]]
    rollout = Rollout(
        max(1, len(live)) if wanted.replicas is None else wanted.replicas,
        needed,
        fit(cluster, spec, needed, ()),
        fit(cluster._replace(pods=others), spec, needed, old),
        len(live),
        bool(old),
        all(exchangeable(cluster, spec, needed, each) for each in live),
        wanted.can_surge,
    )
    aside = {*not_counted(wanted.spec), *not_counted_around(cluster, spec, needed, others)}
    return {**result(rollout), "not_counted": sorted(aside)}


def fit(cluster: Cluster, spec: Json, needed: Resources, leaving: Sequence[Json]) -> Fit:
    """For how many pods of a kind there is room now."""
    held = by_node(cluster.pods)
    rooms = [room_on(node, held.get(node["metadata"]["name"], ()), spec, needed) for node in cluster.nodes]
    return Fit(rooms, limits_on(cluster.quotas, spec, leaving))


def by_node(pods: Iterable[Json]) -> dict[str, list[Json]]:
    """The pods that hold something of each node, those that are being ended among them."""
    held: dict[str, list[Json]] = {}
    for pod in pods:
        if pod["spec"].get("nodeName") and not has_ended(pod):
            held.setdefault(pod["spec"]["nodeName"], []).append(pod)
    return held


def exchangeable(cluster: Cluster, spec: Json, needed: Resources, old: Json) -> bool:
    """Whether the end of an old pod always makes room for a new one: where it is, and in the quotas."""
    held = requests_of(old["spec"]) | {"pods": Decimal(1)}
    here = any(
        each["metadata"]["name"] == old["spec"]["nodeName"] and not kept_away(each, spec) for each in cluster.nodes
    )
    is_large = all(held.get(name, ZERO) >= amount for name, amount in needed.items())
    return here and is_large and gives_back(cluster.quotas, spec, old["spec"])


def decision_for(rollout: Rollout) -> str:
    """Choose by how many of the new pods there is room for now, and once the old ones are gone."""
    beside, replicas = rollout.beside.pods, rollout.replicas
    if not rollout.there:
        return INSTALL if beside >= replicas else REFUSE
    if rollout.after.pods < replicas:
        return REFUSE
    flows = beside >= replicas or (beside >= rollout.ahead and rollout.exchangeable)
    return SURGE if rollout.can_surge and flows else RECREATE


def result(rollout: Rollout) -> dict[str, Any]:
    """What is decided, as the module returns it."""
    decision = decision_for(rollout)
    return {
        "decision": decision,
        "replicas": rollout.replicas,
        "fits_beside": rollout.beside.pods,
        "fits_after_replacing": rollout.after.pods,
        "needed": {name: shown(name, amount) for name, amount in sorted(rollout.needed.items())},
        "nodes": [
            {
                "name": now.node,
                "pods_beside": now.pods,
                "pods_after_replacing": then.pods,
                "why": now.why,
                "resources": now.numbers,
            }
            for now, then in zip(rollout.beside.rooms, rollout.after.rooms, strict=True)
        ],
        "quota": [limit.shown for limit in rollout.beside.limits],
        "msg": message(decision, rollout),
    }


def not_counted_around(cluster: Cluster, spec: Json, needed: Resources, others: Sequence[Json]) -> Iterator[str]:
    """What around a pod could change the answer."""
    if cluster.limit_ranges is None:
        yield "limit ranges, which this account may not list"
    yield from (f"bounds of limit range {name}" for name in bounding(cluster.limit_ranges or ()))
    for each in cluster.quotas:
        by_class = any(scope["scopeName"] == "PriorityClass" for scope in scopes_of(each))
        if by_class and not spec.get("priorityClassName"):
            yield f"a default priority class, for quota {each['metadata']['name']}"
    devices = {name for name, amount in needed.items() if is_device(name) and amount}
    waiting = [each for each in others if waits(each) and devices & set(requests_of(each["spec"]))]
    if waiting:
        yield f"{len(waiting)} other pods that wait for {', '.join(sorted(devices))}"


def waits(pod: Json) -> bool:
    """Whether a pod waits for a node, and takes what gets free."""
    gone = has_ended(pod) or "deletionTimestamp" in pod["metadata"]
    return not (pod["spec"].get("nodeName") or pod["spec"].get("schedulingGates") or gone)
