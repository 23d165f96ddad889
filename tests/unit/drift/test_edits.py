# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a live object is not as it was deployed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.edits import edits, was_touched
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, Any]

CONTAINER: Json = {
    "name": "vllm",
    "image": "vllm:1",
    "env": [{"name": "A", "value": "a"}, {"name": "B", "value": "b"}],
    "ports": [{"name": "http", "containerPort": 8000}],
    "resources": {"limits": {"cpu": 4, "memory": "0.5Gi"}},
}
MANIFEST: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "r"},
    "spec": {"replicas": 1, "template": {"spec": {"containers": [CONTAINER], "nodeSelector": {}}}},
}
BY_NAME = 'k:{"name":"vllm"}'


def deployed(**fields: Json) -> Json:
    """The object as the API server keeps it: with defaults, and its own way to write quantities.

    Args:
        fields: by manager, what it wrote last.
    """
    live = copy.deepcopy(MANIFEST)
    live["status"] = {"replicas": 1}
    live["spec"]["progressDeadlineSeconds"] = 600
    container = live["spec"]["template"]["spec"]["containers"][0]
    container["ports"][0]["protocol"] = "TCP"
    container["resources"]["limits"] = {"cpu": "4", "memory": "512Mi"}
    entries = {"helm": {"f:spec": {"f:replicas": {}}}, "kube-controller-manager": {"f:spec": {"f:x": {}}}, **fields}
    live["metadata"]["managedFields"] = [{"manager": name, "fieldsV1": each} for name, each in entries.items()]
    return live


def within(**below: Any) -> Json:
    """Fields of the container."""
    return {"f:spec": {"f:template": {"f:spec": {"f:containers": {BY_NAME: {".": {}, **below}}}}}}


def container_of(live: Json) -> Json:
    found: Json = live["spec"]["template"]["spec"]["containers"][0]
    return found


def test_what_kubernetes_fills_in_is_no_edit() -> None:
    assert edits(MANIFEST, deployed()) == []


def test_a_number_is_shown() -> None:
    live = deployed(kubectl={"f:spec": {"f:replicas": {}}})
    live["spec"]["replicas"] = 3
    assert edits(MANIFEST, live) == ["spec.replicas is 3, not 1 by kubectl"]


def test_a_text_is_not_shown() -> None:
    live = deployed(**{"kubectl-set": within(**{"f:image": {}})})
    container_of(live)["image"] = "s3cret"
    assert edits(MANIFEST, live) == ["spec.template.spec.containers[vllm].image was changed by kubectl-set"]


def test_items_are_told_by_their_names() -> None:
    live = deployed()
    container_of(live)["env"] = [{"name": "C", "value": "c"}, {"name": "B", "value": "b"}]
    path = "spec.template.spec.containers[vllm].env"
    assert edits(MANIFEST, live) == [f"{path}[A] was removed", f"{path}[C] was added"]


def test_an_added_item_is_told_once_with_who_added_it() -> None:
    added = within(**{"f:env": {'k:{"name":"C"}': {".": {}, "f:name": {}, "f:value": {}}}})
    live = deployed(**{"kubectl-edit": added})
    container_of(live)["env"].append({"name": "C", "value": "c"})
    assert edits(MANIFEST, live) == ["spec.template.spec.containers[vllm].env[C] was added by kubectl-edit"]


def test_an_added_field_is_told_by_who_wrote_it() -> None:
    fields: Json = {"f:spec": {"f:template": {"f:spec": {"f:nodeSelector": {"f:zone": {}}}}, "f:paused": {}}}
    live = deployed(**{"kubectl-patch": fields})
    live["spec"]["paused"] = True
    live["spec"]["template"]["spec"]["nodeSelector"] = {"zone": "a"}
    assert edits(MANIFEST, live) == [
        "spec.paused was added by kubectl-patch",
        "spec.template.spec.nodeSelector.zone was added by kubectl-patch",
    ]


def test_a_field_that_was_taken_over_with_its_value_is_no_edit() -> None:
    fields = within(
        **{"f:image": {}, "f:ports": {'k:{"containerPort":8000,"protocol":"TCP"}': {"f:containerPort": {}}}}
    )
    assert edits(MANIFEST, deployed(argocd=fields)) == []


def test_what_a_status_says_is_no_edit() -> None:
    live = deployed()
    live["metadata"]["managedFields"].append(
        {"manager": "autoscaler", "subresource": "scale", "fieldsV1": {"f:spec": {"f:y": {}}}}
    )
    assert edits(MANIFEST, live) == []


def test_a_restart_is_no_edit() -> None:
    annotation: Json = {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}
    live = deployed(**{"kubectl-rollout": {"f:spec": {"f:template": {"f:metadata": annotation}}}})
    assert edits(MANIFEST, live) == []


def test_a_program_may_be_allowed_to_change_its_fields() -> None:
    live = deployed(keda={"f:spec": {"f:replicas": {}, "f:paused": {}}})
    live["spec"] |= {"replicas": 3, "paused": True}
    assert len(edits(MANIFEST, live)) == 2
    assert edits(MANIFEST, live, ["keda"]) == []


def test_an_allowed_program_excuses_nothing_else() -> None:
    live = deployed(keda={"f:spec": {"f:replicas": {}}})
    container_of(live)["image"] = "other"
    assert edits(MANIFEST, live, ["keda"]) == ["spec.template.spec.containers[vllm].image was changed"]


@pytest.mark.parametrize(
    ("wanted", "live", "differ"),
    [
        (4, "4", False),
        ("0.5", "500m", False),
        ("1Gi", "1024Mi", False),
        ("1Gi", "1000Mi", True),
        (True, True, False),
        (True, False, True),
        (1, True, True),
        ("a", "b", True),
        ("1a", "1b", True),
        ("x", None, True),
        (None, None, False),
        (None, "x", False),
        ("", None, False),
        ({}, None, False),
        ([], None, False),
        ([], [1], True),
        ({"a": 1}, None, True),
        ([1, 2], [1, 2], False),
        ([1, 2], [2, 1], True),
        ([1], [1, 2], True),
        ([{"ip": 1}], [{"ip": 1, "x": 2}], False),
    ],
)
def test_values(wanted: object, live: object, differ: bool) -> None:
    assert bool(edits({"spec": {"x": wanted}}, {"spec": {"x": live}})) is differ


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where plain values stand."""
    if isinstance(value, dict):
        return [found for key, below in value.items() for found in paths(below, (*path, key))]
    if isinstance(value, list):
        return [found for number, below in enumerate(value) for found in paths(below, (*path, number))]
    return [path]


@given(st.sampled_from(paths(MANIFEST["spec"])), st.one_of(st.text(min_size=1), st.integers(), st.booleans()))
def test_no_changed_value_is_missed(path: tuple[Any, ...], value: Any) -> None:
    live = deployed()
    place = live["spec"]
    for step in path[:-1]:
        place = place[step]
    before = place[path[-1]]
    place[path[-1]] = value
    if str(value) == str(before) and not isinstance(value, bool):
        assert edits(MANIFEST, live) == []
    else:
        assert edits(MANIFEST, live) != []


REPLICAS: Json = {"fieldsV1": {"f:spec": {"f:replicas": {}}}}


@pytest.mark.parametrize(
    ("entries", "spec", "touched"),
    [
        ([{"manager": "helm"}], {}, False),
        ([{"manager": "helm"}, {"manager": "kube-controller-manager", "subresource": "status"}], {}, False),
        ([{"manager": "helm"}, {"manager": "kubelet", "subresource": "status"}], {}, False),
        ([{"manager": "helm"}, {"manager": "kubectl-edit"}], {}, True),
        ([{"manager": "helm"}, {"manager": "someone", "subresource": "status"}], {}, False),
        ([{"manager": "helm"}, {"manager": "keda"}], {}, False),
        ([{"manager": "helm", **REPLICAS}], {"replicas": 1}, False),
        # As after `kubectl scale`, which leaves no name.
        ([{"manager": "helm", "fieldsV1": {"f:spec": {"f:selector": {}}}}], {"replicas": 0}, True),
        ([{"manager": "kube-controller-manager", "subresource": "status"}], {}, True),
        ([], {}, True),
    ],
)
def test_whether_anybody_has_written_an_object(entries: list[Json], spec: Json, touched: bool) -> None:
    assert was_touched({"metadata": {"managedFields": entries}, "spec": spec}, ["keda"]) is touched
    assert was_touched({"metadata": {}}) is True
