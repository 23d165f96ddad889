# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided, for every state and every entry."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import (
    SERVING_STATUSES,
    STATUSES,
    Desired,
    Entry,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.plan import (
    merged_metadata,
    plan,
    same,
)
from hypothesis import given
from hypothesis import strategies as st

OLD = "old.system.svc.cluster.local:8000"
NEW = "new.system.svc.cluster.local:8000"
ELSEWHERE = "new.other.svc.cluster.local:8000"
READY = Entry("demo", "staging", OLD, "system", "ready", metadata={})
ASKED = Desired("demo", "staging")
DEFAULTS = {"revision": 3, "deployment_target": "self_hosted", "metadata": {}}


@pytest.mark.parametrize(
    ("current", "asked", "actions", "after"),
    [
        (None, {"endpoint": NEW}, ["insert"], {"status": "ready", "endpoint": NEW, "namespace": "system"}),
        (None, {"endpoint": NEW, "status": "pending"}, ["insert"], {"status": "pending", "revision": 3}),
        (None, {"endpoint": NEW, "revision": 9}, ["insert"], {"revision": 9, "deployment_target": "self_hosted"}),
        (None, {"endpoint": NEW, "state": "enabled", "status": "failed"}, ["insert"], {"status": "ready"}),
        ({}, {}, [], {"status": "ready", "endpoint": OLD}),
        ({}, {"endpoint": ELSEWHERE}, ["update:endpoint", "update:namespace"], {"namespace": "other"}),
        ({}, {"status": "degraded"}, ["update:status"], {"status": "degraded"}),
        ({"status": "failed"}, {"state": "enabled"}, ["enable"], {"status": "ready"}),
        ({"status": "deploying"}, {}, ["update:status"], {"status": "ready"}),
        ({"status": None}, {}, ["update:status"], {"status": "ready"}),
        ({"status": "disabled"}, {"status": "deploying"}, [], {"status": "disabled"}),
        ({"status": "disabled"}, {"metadata": {"a": 1}}, ["update:metadata"], {"status": "disabled"}),
        ({"status": "disabled"}, {"state": "enabled"}, ["enable"], {"status": "ready"}),
        ({}, {"state": "disabled"}, ["disable"], {"status": "disabled"}),
        ({}, {"state": "disabled", "endpoint": NEW, "metadata": {"a": 1}}, ["disable"], {"endpoint": OLD}),
        ({}, {"state": "absent", "endpoint": NEW}, ["disable"], {"status": "disabled", "endpoint": OLD}),
        ({"status": "disabled"}, {"state": "absent"}, [], {"status": "disabled"}),
        ({"namespace": None}, {}, ["update:namespace"], {"namespace": "system"}),
        ({"namespace": "wrong"}, {}, [], {"namespace": "wrong"}),
        ({"namespace": "wrong"}, {"endpoint": OLD}, ["update:namespace"], {"namespace": "system"}),
        ({"endpoint": "not ours"}, {"namespace": "system"}, [], {"endpoint": "not ours"}),
        ({"metadata": {"a": 1}}, {"metadata": {"a": True}}, ["update:metadata"], {"metadata": {"a": True}}),
        ({"metadata": {"a": 1}}, {"metadata": {"a": 1.0}}, [], {}),
        ({"metadata": {"a": 1}}, {"metadata": {}, "metadata_mode": "replace"}, ["update:metadata"], {"metadata": {}}),
        ({"metadata": [1]}, {"metadata": {"a": 1}}, ["update:metadata"], {"metadata": {"a": 1}}),
        ({"metadata": None}, {"metadata": {"a": 1}}, ["update:metadata"], {"metadata": {"a": 1}}),
    ],
)
def test_decisions(
    current: dict[str, Any] | None, asked: dict[str, Any], actions: list[str], after: dict[str, Any]
) -> None:
    decided = plan(None if current is None else READY._replace(**current), ASKED._replace(**asked), DEFAULTS)
    assert list(decided.actions) == actions
    assert decided.changed is bool(actions)
    assert decided.after is not None
    assert {name: getattr(decided.after, name) for name in after} == after
    kept = current is not None and current.get("status") == "disabled" and asked.get("state", "present") == "present"
    assert decided.kept_disabled is kept


@pytest.mark.parametrize(
    ("status", "referring", "actions", "after"),
    [
        ("ready", [], ["delete"], None),
        ("disabled", [], ["delete"], None),
        ("ready", ["usage_events"], ["disable"], "disabled"),
        ("disabled", ["usage_events"], [], "disabled"),
    ],
)
def test_purge_deletes_what_nothing_refers_to(
    status: str, referring: list[str], actions: list[str], after: str | None
) -> None:
    decided = plan(READY._replace(status=status), ASKED._replace(state="absent", purge=True), referring=referring)
    assert list(decided.actions) == actions
    assert (decided.after.status if decided.after else None) == after
    assert list(decided.referenced_by) == referring
    assert decided.withdraws is (status == "ready")


def test_absent_stays_absent() -> None:
    decided = plan(None, ASKED._replace(state="absent"))
    assert (decided.before, decided.after, decided.actions) == (None, None, ())
    assert decided.diff() == {"before": {}, "after": {}, "before_header": "", "after_header": ""}


@pytest.mark.parametrize(
    ("current", "asked", "message"),
    [
        (None, {}, "There is no entry for model 'demo' in environment 'staging'"),
        (None, {"state": "disabled", "endpoint": NEW}, "There is no entry for model 'demo' in environment 'staging'"),
        (None, {"state": "enabled"}, "Register it"),
        ({"endpoint": None}, {}, "has no endpoint. Give endpoint as"),
        ({"endpoint": None}, {"state": "enabled"}, "has no endpoint"),
        ({}, {"namespace": "other"}, "The registered endpoint old.system.svc.cluster.local:8000 lies in"),
    ],
)
def test_refusals(current: dict[str, Any] | None, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InferenceError) as caught:
        plan(None if current is None else READY._replace(**current), ASKED._replace(**asked))
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("current", "asked", "withdraws"),
    [
        (None, {"endpoint": NEW}, False),
        ({}, {}, False),
        ({}, {"metadata": {"a": 1}}, False),
        ({}, {"status": "deploying"}, True),
        ({}, {"state": "disabled"}, True),
        ({}, {"endpoint": NEW}, True),
        ({"status": "deploying"}, {"endpoint": NEW}, False),
        ({"status": "disabled"}, {"state": "absent"}, False),
    ],
)
def test_when_a_route_is_taken_away(current: dict[str, Any] | None, asked: dict[str, Any], withdraws: bool) -> None:
    decided = plan(None if current is None else READY._replace(**current), ASKED._replace(**asked))
    assert decided.withdraws is withdraws


def test_diff_shows_declared_values_alone() -> None:
    decided = plan(READY._replace(id=3, updated_at="then"), ASKED._replace(endpoint=NEW))
    diff = decided.diff()
    assert diff["before_header"] == diff["after_header"] == "demo (staging)"
    assert diff["before"]["endpoint"] == OLD
    assert diff["after"]["endpoint"] == NEW
    assert not {"id", "updated_at"} & diff["after"].keys()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
metadata = st.dictionaries(st.text(max_size=2), json_values, max_size=3)
entries = st.builds(
    Entry,
    st.just("demo"),
    st.just("staging"),
    endpoint=st.sampled_from([None, OLD, ELSEWHERE, "someone else's"]),
    namespace=st.sampled_from([None, "system", "other"]),
    status=st.sampled_from([None, *STATUSES]),
    revision=st.sampled_from([1, 2]),
    metadata=st.none() | metadata,
)
wishes = st.builds(
    Desired,
    st.just("demo"),
    st.just("staging"),
    state=st.sampled_from(["present", "enabled", "disabled", "absent"]),
    status=st.sampled_from(SERVING_STATUSES),
    endpoint=st.sampled_from([None, NEW, ELSEWHERE]),
    namespace=st.none(),
    revision=st.sampled_from([None, 1, 2]),
    metadata=st.none() | metadata,
    metadata_mode=st.sampled_from(["merge", "replace"]),
    purge=st.just(False),
)


@given(st.none() | entries, wishes)
def test_what_is_done_need_not_be_done_again(current: Entry | None, desired: Desired) -> None:
    try:
        first = plan(current, desired, DEFAULTS)
    except InferenceError:
        return
    second = plan(first.after, desired, DEFAULTS)
    assert second.actions == ()
    assert second.after == first.after


@given(entries, wishes.map(lambda desired: desired._replace(state="present")))
def test_only_a_person_enables_and_disables(current: Entry, desired: Desired) -> None:
    try:
        after = plan(current, desired).after
    except InferenceError:
        return
    assert after is not None
    assert (after.status == "disabled") is (current.status == "disabled")


@given(entries, wishes)
def test_every_difference_is_an_action(current: Entry, desired: Desired) -> None:
    try:
        decided = plan(current, desired)
    except InferenceError:
        return
    assert decided.after is not None
    assert len(decided.actions) == len(decided.fields)
    assert decided.changed is not same(current.declared(), decided.after.declared())


@given(metadata, metadata)
def test_merging_twice_is_merging_once(current: dict[str, Any], given_metadata: dict[str, Any]) -> None:
    once = merged_metadata(current, given_metadata)
    assert same(merged_metadata(once, given_metadata), once)
    assert once.keys() == current.keys() | given_metadata.keys()


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1.0, True),
        (1, True, False),
        (None, None, True),
        (float("nan"), float("nan"), True),
        (float("nan"), 1.0, False),
        (1.0, float("nan"), False),
        ({"a": [1, 2]}, {"a": [1, 2.0]}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": 1}, {"b": 1}, False),
    ],
)
def test_same(left: object, right: object, expected: bool) -> None:
    assert same(left, right) is expected
