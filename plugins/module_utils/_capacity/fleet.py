# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What GPUs and other devices a cluster has, used and free. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.guard import Cluster, by_node
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.placement import kept_away
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.resources import (
    ZERO,
    is_device,
    quantity,
    used_by,
)

Json = Mapping[str, Any]

# A pod that no taint keeps away.
TOLERANT: Json = {"tolerations": [{"operator": "Exists"}]}


def fleet(cluster: Cluster, resource: str | None) -> dict[str, Any]:
    """What each node has of each device, or of one, as the module returns it."""
    found = list(devices(cluster, resource))
    totals: dict[str, dict[str, int]] = {}
    for each in found:
        total = totals.setdefault(each["resource"], dict.fromkeys(("allocatable", "used", "free"), 0))
        for key in total:
            total[key] += each[key]
    return {"devices": found, "totals": totals, "msg": told(found, totals, resource)}


def devices(cluster: Cluster, resource: str | None = None) -> Iterator[dict[str, Any]]:
    """What each node has of each device. Nothing is free of a node that takes no pods."""
    held = by_node(cluster.pods)
    for node in sorted(cluster.nodes, key=lambda each: str(each["metadata"]["name"])):
        name, status = node["metadata"]["name"], node.get("status") or {}
        used = used_by(held.get(name, ()))
        allocatable, capacity = status.get("allocatable") or {}, status.get("capacity") or {}
        closed = "it is cordoned" if node["spec"].get("unschedulable") else kept_away(node, TOLERANT)
        for device in sorted({*allocatable, *capacity}):
            total, most = (int(quantity(each.get(device, 0))) for each in (allocatable, capacity))
            if not is_device(device) or resource not in (None, device) or not (total or most):
                continue
            taken = int(used.get(device, ZERO))
            free = 0 if closed else max(0, total - taken)
            numbers = {"allocatable": total, "used": taken, "free": free}
            yield {"node": name, "resource": device, **numbers, "why": closed}


def told(found: Sequence[Json], totals: Mapping[str, Mapping[str, int]], resource: str | None) -> str:
    """The fleet in one sentence for each resource."""
    if not found:
        return f"No node has {resource or 'a device'}."
    nodes = {name: sum(each["resource"] == name for each in found) for name in totals}
    return " ".join(
        f"{name}: {total['free']} of {total['allocatable']} free on {nodes[name]} nodes."
        for name, total in totals.items()
    )
