# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What GPUs a cluster has."""

from __future__ import annotations

from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.fleet import devices, fleet
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.guard import Cluster

from tests.unit.capacity.makers import GPU, Json, node, pod

MIG = "nvidia.com/mig-1g.10gb"


def row(name: str, allocatable: int, used: int, free: int, why: str = "", resource: str = GPU) -> Json:
    numbers = {"allocatable": allocatable, "used": used, "free": free}
    return {"node": name, "resource": resource, **numbers, "why": why}


def test_devices_of_a_cluster() -> None:
    found = devices(Cluster([node("b", "4"), node("a", "0")], [pod("b"), pod("b", uid="y"), pod("b", phase="Failed")]))
    assert list(found) == [row("b", 4, 2, 2)]


def test_nothing_is_free_of_a_node_that_takes_no_pods() -> None:
    taint = [{"key": GPU, "effect": "NoSchedule"}]
    nodes = [
        node("a", "4", ready="False"),
        node("b", "4", spec={"unschedulable": True}),
        node("c", "4", spec={"taints": taint}),
    ]
    why = ["it is not ready", "it is cordoned", ""]
    assert [(each["free"], each["why"]) for each in devices(Cluster(nodes, []))] == [
        (4 if not told else 0, told) for told in why
    ]


def test_a_device_that_has_failed_is_seen() -> None:
    capacity = {GPU: "4"}
    nodes = [node("a", "1", capacity=capacity), node("b", "0", capacity=capacity)]
    found = devices(Cluster(nodes, [pod("a", gpu="2")]))
    assert list(found) == [row("a", 1, 2, 0), row("b", 0, 0, 0)]


def test_the_fleet_in_numbers() -> None:
    cluster = Cluster([node("a", "2", allocatable={MIG: "7"}), node("b", "4")], [pod("a"), pod("b", gpu="3")])
    found = fleet(cluster, None)
    assert found["totals"] == {
        GPU: {"allocatable": 6, "used": 4, "free": 2},
        MIG: {"allocatable": 7, "used": 0, "free": 7},
    }
    assert found["msg"] == f"{GPU}: 2 of 6 free on 2 nodes. {MIG}: 7 of 7 free on 1 nodes."
    assert fleet(cluster, MIG)["devices"] == [row("a", 7, 0, 7, resource=MIG)]
    assert fleet(cluster, "amd.com/gpu") == {"devices": [], "totals": {}, "msg": "No node has amd.com/gpu."}
    assert fleet(Cluster([], []), None)["msg"] == "No node has a device."
