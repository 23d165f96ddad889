# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Four eyes: none of these may pass by accident."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.approval import (
    Approval,
    Granted,
    Person,
    Run,
    judge_run,
    judge_variables,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.runs import run_from
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ALICE, BOB, ROOT = Person(1, "alice"), Person(2, "bob"), Person(3, "root")
IDENTITY = "sha256:" + "ab" * 32
APPROVED = Approval("approve-production", "successful", False, BOB, NOW - timedelta(hours=1))
RUN = Run(7, ALICE, (APPROVED,), {"m": IDENTITY}, NOW - timedelta(hours=2))
LONGEST = timedelta(hours=24)


def judged(run: Run, identity: str = IDENTITY) -> Granted:
    return judge_run(run, "m", identity, NOW, LONGEST)


def test_a_second_person_approves() -> None:
    assert judged(RUN) == Granted("alice", "bob", "2026-11-01T11:00:00+00:00")
    assert judged(RUN._replace(approvals=(APPROVED._replace(by=ROOT),))).approved_by == "root"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"launched_by": BOB}, "bob has launched the workflow and approved it"),
        ({"launched_by": Person(2, "another name")}, "another name has launched the workflow and approved it"),
        ({"launched_by": None}, "no person launched the workflow"),
        ({"approvals": ()}, "workflow job 7 has no approval"),
        ({"approvals": (APPROVED, APPROVED._replace(by=ALICE))}, "alice has launched the workflow and approved it"),
        ({"approvals": (APPROVED, APPROVED._replace(status="failed"))}, "was denied"),
        ({"approvals": (APPROVED._replace(status="pending", at=None, by=None),)}, "is still open"),
        ({"approvals": (APPROVED._replace(status="canceled"),)}, "is canceled"),
        ({"approvals": (APPROVED._replace(status="failed", timed_out=True, by=None),)}, "has timed out"),
        ({"approvals": (APPROVED._replace(timed_out=True),)}, "has timed out"),
        ({"approvals": (APPROVED._replace(by=None),)}, "nobody can be named"),
        ({"approvals": (APPROVED._replace(at=None),)}, "nobody can be named"),
        ({"approvals": (APPROVED._replace(at=NOW - timedelta(hours=25)),)}, r"is 25.0 h old, and may be 24.0 h"),
        ({"evidence": {}}, "nothing was shown of m"),
        ({"evidence": {"other": IDENTITY}}, "nothing was shown of m"),
        ({"evidence": {"m": "sha256:other"}}, r"is not what was approved \(sha256:other\)"),
        ({"shown_at": None}, "nothing was shown of m"),
        ({"shown_at": NOW}, "was shown after the approval"),
    ],
)
def test_anything_else_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(InferenceError, match=f"^The change is not approved: .*{why}"):
        judged(RUN._replace(**change))


@pytest.mark.parametrize(
    ("approved", "reason", "why"),
    [
        (IDENTITY, "a good reason", ""),
        ("", "a good reason", f"set approval_identity={IDENTITY}"),
        ("sha256:other", "a good reason", "is not what was approved"),
        (IDENTITY, "", "approval_reason is not set"),
        (IDENTITY, "  short   ", "approval_reason is not set"),
    ],
)
def test_variables(approved: str, reason: str, why: str) -> None:
    if not why:
        judge_variables("m", IDENTITY, approved, reason)
        return
    with pytest.raises(InferenceError, match=why):
        judge_variables("m", IDENTITY, approved, reason)


WORKFLOW: dict[str, Any] = {"id": 7, "launched_by": {"id": 1, "name": "alice", "type": "user"}}
ANSWER: dict[str, Any] = {
    "name": "approve-production",
    "status": "successful",
    "timed_out": False,
    "finished": "2026-11-01T11:00:00Z",
    "summary_fields": {"approved_or_denied_by": {"id": 2, "username": "bob"}},
}
JOB: dict[str, Any] = {"finished": "2026-11-01T10:00:00Z", "artifacts": {"inference_evidence": {"m": IDENTITY}}}


def test_what_a_controller_tells() -> None:
    assert run_from(WORKFLOW, [ANSWER], [JOB, {"artifacts": {}}, {}]) == RUN
    assert judged(run_from(WORKFLOW, [ANSWER], [JOB])).approved_by == "bob"


@pytest.mark.parametrize(
    ("workflow", "approval", "job"),
    [
        ({"launched_by": {"id": 5, "name": "nightly", "type": "schedule"}}, {}, {}),
        ({"launched_by": {}}, {}, {}),
        ({"launched_by": None}, {}, {}),
        ({}, {"summary_fields": {}}, {}),
        ({}, {"summary_fields": {"approved_or_denied_by": None}}, {}),
        ({}, {"finished": None}, {}),
        ({}, {"status": None}, {}),
        ({}, {}, {"finished": None}),
        ({}, {}, {"artifacts": None}),
        ({}, {}, {"artifacts": {"inference_evidence": "m"}}),
    ],
)
def test_what_is_missing_in_its_answer_approves_nothing(
    workflow: dict[str, Any], approval: dict[str, Any], job: dict[str, Any]
) -> None:
    run = run_from({**WORKFLOW, **workflow}, [{**ANSWER, **approval}], [{**JOB, **job}])
    with pytest.raises(InferenceError, match="The change is not approved"):
        judged(run)


PEOPLE = st.one_of(st.none(), st.builds(Person, st.integers(1, 3), st.sampled_from("abc")))
APPROVALS = st.builds(
    Approval,
    st.just("a"),
    st.sampled_from(["successful", "failed", "pending", "canceled", "new", ""]),
    st.booleans(),
    PEOPLE,
    st.one_of(st.none(), st.datetimes(datetime(2026, 10, 30), datetime(2026, 11, 1, 11), timezones=st.just(UTC))),
)


@given(PEOPLE, st.lists(APPROVALS, max_size=3))
def test_what_passes_was_approved_by_somebody_else_and_by_nobody_who_launched_it(
    launched_by: Person | None, approvals: list[Approval]
) -> None:
    run = RUN._replace(launched_by=launched_by, approvals=tuple(approvals), shown_at=NOW - timedelta(days=9))
    try:
        judged(run)
    except InferenceError:
        return
    assert launched_by
    assert approvals
    for each in approvals:
        assert (each.status, each.timed_out) == ("successful", False)
        assert each.by
        assert each.at
        assert each.by.number != launched_by.number
