# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes may take a pod."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.placement import kept_away

from tests.unit.capacity.makers import GPU, Json, node, spec

TAINT = {"key": GPU, "value": "present", "effect": "NoSchedule"}
NUMBER = {"key": GPU, "value": "5", "effect": "NoSchedule"}
CORDONED = {"unschedulable": True, "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}
ALL: Json = {"operator": "Exists"}


@pytest.mark.parametrize(
    ("more", "tolerations", "told"),
    [
        ({}, [], ""),
        ({"spec": {"unschedulable": True}}, [], "cordoned"),
        ({"spec": CORDONED}, [{"key": GPU, **ALL}], "cordoned"),
        ({"spec": CORDONED}, [ALL], ""),
        ({"ready": "False"}, [ALL], "not ready"),
        ({"ready": "Unknown"}, [], "not ready"),
        ({"spec": {"taints": [TAINT]}}, [], "taint nvidia.com/gpu=present:NoSchedule"),
        ({"spec": {"taints": [{**TAINT, "effect": "PreferNoSchedule"}]}}, [], ""),
        ({"spec": {"taints": [{**TAINT, "effect": "NoExecute"}]}}, [], "taint"),
        ({"spec": {"taints": [TAINT]}}, [ALL], ""),
        ({"spec": {"taints": [TAINT]}}, [{"key": GPU, **ALL}], ""),
        ({"spec": {"taints": [TAINT]}}, [{"key": "other", **ALL}], "taint"),
        ({"spec": {"taints": [TAINT]}}, [{"key": GPU, "value": "present"}], ""),
        ({"spec": {"taints": [TAINT]}}, [{"key": GPU, "operator": "Equal", "value": "present"}], ""),
        ({"spec": {"taints": [TAINT]}}, [{"key": GPU, "value": "other"}], "taint"),
        ({"spec": {"taints": [TAINT]}}, [{"key": GPU, **ALL, "effect": "NoExecute"}], "taint"),
        ({"spec": {"taints": [TAINT, {**TAINT, "key": "other"}]}}, [{"key": GPU, **ALL}], "taint other"),
        ({"spec": {"taints": [NUMBER]}}, [{"key": GPU, "operator": "Gt", "value": "4"}], ""),
        ({"spec": {"taints": [NUMBER]}}, [{"key": GPU, "operator": "Gt", "value": "5"}], "taint"),
        ({"spec": {"taints": [NUMBER]}}, [{"key": GPU, "operator": "Lt", "value": "6"}], ""),
        ({"spec": {"taints": [NUMBER]}}, [{"key": GPU, "operator": "Lt", "value": "5"}], "taint"),
        ({"spec": {"taints": [TAINT]}}, [{"key": GPU, "operator": "Gt", "value": "4"}], "taint"),
    ],
)
def test_nodes_and_tolerations(more: Json, tolerations: list[Json], told: str) -> None:
    found = kept_away(node(**more), spec(tolerations=tolerations))
    assert (told in found) if told else found == ""


@pytest.mark.parametrize(
    ("selector", "told"),
    [({"zone": "a"}, ""), ({"zone": "b"}, "label zone is a, not b"), ({"disk": "ssd"}, "label disk is missing")],
)
def test_node_selector(selector: Json, told: str) -> None:
    found = kept_away(node(), spec(nodeSelector=selector))
    assert (told in found) if told else found == ""


def affinity(*terms: Json) -> Json:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": required}}


def expression(key: str, operator: str, *values: str) -> Json:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def both(*terms: Json) -> Json:
    return {"matchExpressions": [each for term in terms for each in term["matchExpressions"]]}


def field(operator: str, *names: str) -> Json:
    return {"matchFields": [{"key": "metadata.name", "operator": operator, "values": list(names)}]}


@pytest.mark.parametrize(
    ("terms", "fits"),
    [
        ([expression("zone", "In", "a", "b")], True),
        ([expression("zone", "In", "b")], False),
        ([expression("zone", "NotIn", "b")], True),
        ([expression("disk", "NotIn", "b")], True),
        ([expression("zone", "NotIn", "a")], False),
        ([expression("zone", "Exists")], True),
        ([expression("disk", "Exists")], False),
        ([expression("disk", "DoesNotExist")], True),
        ([expression("zone", "DoesNotExist")], False),
        ([expression("size", "Gt", "4")], True),
        ([expression("size", "Gt", "5")], False),
        ([expression("size", "Lt", "6")], True),
        ([expression("zone", "Gt", "4")], False),
        ([expression("disk", "Lt", "4")], False),
        ([expression("size", "Near", "5")], False),
        ([expression("zone", "In", "b"), expression("size", "Exists")], True),
        ([both(expression("zone", "In", "a"), expression("size", "Exists"))], True),
        ([both(expression("zone", "In", "b"), expression("size", "Exists"))], False),
        ([field("In", "n")], True),
        ([field("In", "m")], False),
        ([field("NotIn", "m")], True),
        ([{**field("In", "n"), **expression("zone", "In", "b")}], False),
        ([{}], False),
        ([{}, expression("zone", "In", "a")], True),
    ],
)
def test_required_affinity(terms: list[Json], fits: bool) -> None:
    assert (kept_away(node(), spec(**affinity(*terms))) == "") is fits


def test_preferred_affinity_keeps_no_pod_away() -> None:
    preferred: dict[str, Any] = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}]}
    assert kept_away(node(), spec(affinity={"nodeAffinity": preferred})) == ""
