# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done to a release, by its status, its values and its objects."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.client import Helm, Release, read_release
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.plan import (
    desired_values,
    index,
    keeps_serving,
    plan,
    replaced,
)
from hypothesis import given
from hypothesis import strategies as st

VALUES = {"a": 1}
SAME = {"Deployment x": {"replicas": 1}}
OTHER = {"Deployment x": {"replicas": 2}}


def release(status: str = "deployed", values: dict[str, Any] | None = None) -> Release:
    return Release(status, 3, VALUES if values is None else values, "", "yesterday")


@pytest.mark.parametrize(
    ("current", "wanted", "after", "action", "why", "deploy_id"),
    [
        (None, VALUES, SAME, "install", "no such release", None),
        (release("uninstalled"), VALUES, SAME, "install", "no such release", None),
        (release(), VALUES, SAME, "none", "", None),
        (release(), {"a": 2}, SAME, "upgrade", "values differ", None),
        (release(), VALUES, OTHER, "upgrade", "Deployment x differs", "after-3"),
        (release(), VALUES, {}, "upgrade", "Deployment x differs", "after-3"),
        (release(), VALUES, {**SAME, "Service y": {}}, "upgrade", "Service y differs", "after-3"),
        (release("failed"), VALUES, SAME, "upgrade", "status is failed", "after-3"),
        (release("superseded"), VALUES, SAME, "upgrade", "status is superseded", "after-3"),
        (release("failed"), {"a": 2}, OTHER, "upgrade", "status is failed", None),
    ],
)
def test_plan(
    current: Release | None, wanted: dict[str, Any], after: dict[str, Any], action: str, why: str, deploy_id: str | None
) -> None:
    decided = plan(current, release("pending-upgrade", wanted), (SAME if current else {}, after))
    assert decided.action == action
    assert why in "; ".join(decided.why)
    assert decided.values.get("deployId") == deploy_id


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade", "pending-rollback", "uninstalling"])
def test_a_release_that_an_operation_holds_is_to_be_freed(status: str) -> None:
    decided = plan(release(status), release(), (SAME, SAME))
    assert (decided.action, decided.why) == ("recover", (f"its status is {status}",))


@given(st.dictionaries(st.sampled_from(["a", "b", "deployId"]), st.text(max_size=3)), st.booleans())
def test_once_done_nothing_is_left_to_do(wanted: dict[str, str], failed: bool) -> None:
    before = release("failed" if failed else "deployed", {"a": 1})
    first = plan(before, release(values=desired_values(before, wanted)), (SAME, OTHER))
    now = Release("deployed", 4, first.values, "")
    again = plan(now, release(values=desired_values(now, wanted)), (OTHER, OTHER))
    assert (first.action, again.action) == ("upgrade", "none")


def test_secrets_are_compared_but_never_shown() -> None:
    def secret(word: str) -> dict[str, Any]:
        return index([{"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": word}}, None])

    assert secret("one") == secret("one")
    assert secret("one") != secret("two")
    assert "one" not in str(secret("one"))


def helm(code: int, output: str = "", errors: str = "") -> Helm:
    return Helm(lambda words, content: (code, output, errors), "helm", "r", "n")


def test_no_release_is_no_error() -> None:
    assert helm(1, errors="Error: release: not found\n").status() is None


def test_a_cluster_that_does_not_answer_is_one() -> None:
    with pytest.raises(InferenceError, match="Helm cannot read release r in namespace n: dial tcp: refused"):
        helm(1, errors="WARNING: x\nError: dial tcp: refused\n").status()


def test_what_the_chart_refuses_is_told() -> None:
    with pytest.raises(InferenceError, match=r"refuses to deploy release r.*values don't meet.*Nothing was changed"):
        helm(1, errors="Error: values don't meet\nthe specification\n").render("chart", {})


def test_a_release_without_values_of_its_own() -> None:
    assert read_release({"info": {"status": "deployed"}, "version": 1}) == Release("deployed", 1, {}, "")


def deployment(replicas: int | None = 1, most: object = 0, kind: str = "RollingUpdate") -> dict[str, Any]:
    rolling = {"rollingUpdate": {"maxUnavailable": most}} if kind == "RollingUpdate" else {}
    number = {} if replicas is None else {"replicas": replicas}
    return {"kind": "Deployment", "spec": {**number, "strategy": {"type": kind, **rolling}}}


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ((deployment(),), True),
        ((deployment(kind="Recreate"),), False),
        ((deployment(1, 1),), False),
        ((deployment(2, 1),), True),
        ((deployment(2, 2),), False),
        ((deployment(None, 0),), True),
        ((deployment(None, 1),), False),
        ((deployment(4, "25%"),), False),
        ((deployment(0, 0),), False),
        (({"kind": "Deployment", "spec": {}},), False),
        ((deployment(), deployment(kind="Recreate")), False),
        (({"kind": "Service", "spec": {}},), False),
        ((), False),
    ],
)
def test_whether_a_pod_serves_at_each_moment(objects: tuple[dict[str, Any], ...], expected: bool) -> None:
    after = {str(number): each for number, each in enumerate(objects)}
    assert keeps_serving({}, after) is expected
    assert keeps_serving(after, after) is expected


def selecting(selector: dict[str, str]) -> dict[str, Any]:
    found = deployment()
    return {**found, "metadata": {"name": "r"}, "spec": {**found["spec"], "selector": {"matchLabels": selector}}}


@pytest.mark.parametrize(
    ("before", "after", "names", "serves"),
    [
        ({"Deployment r": selecting({"a": "1"})}, {"Deployment r": selecting({"a": "1"})}, [], True),
        ({"Deployment r": selecting({"a": "1"})}, {"Deployment r": selecting({"a": "2"})}, ["r"], False),
        ({"Deployment r": selecting({"a": "1"})}, {"Deployment s": selecting({"a": "1"})}, [], False),
        ({"Service r": {"kind": "Service"}}, {"Deployment r": selecting({"a": "1"})}, [], True),
        ({}, {"Deployment r": selecting({"a": "1"})}, [], True),
        ({"Deployment r": selecting({"a": "1"})}, {}, [], False),
    ],
)
def test_a_workload_of_another_chart(
    before: dict[str, Any], after: dict[str, Any], names: list[str], serves: bool
) -> None:
    assert replaced(before, after) == names
    assert keeps_serving(before, after) is serves
