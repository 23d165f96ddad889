# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check makes of an entry: a table of cases, and random sequences."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._health.judge import (
    NOTHING,
    SELF,
    Health,
    Quorum,
    Rule,
    decide,
    health_from,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._health.outcome import Kind, Outcome
from hypothesis import given
from hypothesis import strategies as st

NOW = "2026-01-31T12:00:00Z"
RULE = Rule(2, 2)
FAILED_ONCE = Health(1, 0, "timeout", NOW)
DEGRADED = Health(2, 0, "timeout", NOW, SELF)
BY_ANOTHER = Health(2, 0, "timeout", NOW)

CASES: list[tuple[str, Health, Kind, str, Health]] = [
    ("ready", NOTHING, "healthy", "ready", NOTHING),
    ("ready", NOTHING, "busy", "ready", NOTHING),
    ("ready", NOTHING, "unknown", "ready", NOTHING),
    ("ready", NOTHING, "failing", "ready", FAILED_ONCE),
    ("ready", FAILED_ONCE, "failing", "degraded", DEGRADED),
    ("ready", FAILED_ONCE, "healthy", "ready", NOTHING),
    ("ready", FAILED_ONCE, "busy", "ready", NOTHING),
    ("ready", FAILED_ONCE, "unknown", "ready", FAILED_ONCE),
    # Somebody else made it ready, so the row begins anew.
    ("ready", DEGRADED, "failing", "ready", FAILED_ONCE),
    ("ready", DEGRADED, "healthy", "ready", NOTHING),
    # Numbers that nobody counted.
    ("ready", Health(failures=-7), "failing", "ready", FAILED_ONCE),
    ("ready", Health(10**9, 0, "timeout", NOW), "failing", "degraded", DEGRADED),
    ("degraded", DEGRADED, "healthy", "degraded", DEGRADED._replace(successes=1)),
    ("degraded", DEGRADED._replace(successes=1), "healthy", "ready", NOTHING),
    ("degraded", DEGRADED._replace(successes=1), "failing", "degraded", DEGRADED),
    ("degraded", DEGRADED._replace(successes=1), "busy", "degraded", DEGRADED._replace(successes=1)),
    ("degraded", DEGRADED._replace(successes=1), "unknown", "degraded", DEGRADED._replace(successes=1)),
    ("degraded", NOTHING, "healthy", "degraded", NOTHING),
    # A row of failures ends whoever degraded it.
    ("degraded", BY_ANOTHER, "healthy", "degraded", NOTHING),
    ("degraded", BY_ANOTHER, "busy", "degraded", NOTHING),
    ("degraded", BY_ANOTHER, "unknown", "degraded", BY_ANOTHER),
    ("degraded", BY_ANOTHER, "failing", "degraded", BY_ANOTHER),
    ("degraded", DEGRADED._replace(degraded_by="alice"), "healthy", "degraded", DEGRADED._replace(degraded_by="alice")),
    ("disabled", DEGRADED._replace(successes=1), "healthy", "disabled", DEGRADED._replace(successes=1)),
    ("deploying", FAILED_ONCE, "failing", "deploying", FAILED_ONCE),
    ("", NOTHING, "failing", "", NOTHING),
]


@pytest.mark.parametrize(("status", "health", "kind", "status_after", "health_after"), CASES)
def test_decide(status: str, health: Health, kind: Kind, status_after: str, health_after: Health) -> None:
    decision = decide(status, health, Outcome(kind, "timeout"), RULE, NOW)
    assert decision == (status_after, health_after)


def test_one_failure_is_enough_where_told_so() -> None:
    decision = decide("ready", NOTHING, Outcome("failing", "timeout"), Rule(1, 1), NOW)
    assert decision.status == "degraded"
    assert decide(*decision, Outcome("healthy"), Rule(1, 1), NOW) == ("ready", NOTHING)


@pytest.mark.parametrize(
    ("metadata", "health"),
    [
        (None, NOTHING),
        ({}, NOTHING),
        ([1], NOTHING),
        ({"health": "bad"}, NOTHING),
        ({"health": {"failures": "1", "reason": 7, "since": None, "other": 1}}, NOTHING),
        ({"health": {"failures": True}}, NOTHING),
        ({"health": DEGRADED.as_json(), "team": "x"}, DEGRADED),
    ],
)
def test_what_is_remembered(metadata: Any, health: Health) -> None:
    assert health_from(metadata) == health


def test_nothing_to_remember_is_not_stored() -> None:
    assert NOTHING.as_json() is None
    assert health_from({"health": FAILED_ONCE.as_json()}) == FAILED_ONCE


@pytest.mark.parametrize(
    ("share", "least", "failing", "checked", "cut_off"),
    [
        (0.5, 2, 0, 0, False),
        (0.5, 2, 1, 1, False),
        (0.5, 2, 2, 2, True),
        (0.5, 2, 2, 4, False),
        (0.5, 2, 3, 5, True),
        (0.5, 3, 2, 2, False),
        (0.0, 1, 1, 100, True),
        (1.0, 1, 100, 100, False),
    ],
)
def test_quorum(share: float, least: int, failing: int, checked: int, cut_off: bool) -> None:
    assert Quorum(share, least).is_cut_off(failing, checked) is cut_off


KINDS: list[Kind] = ["healthy", "busy", "failing", "unknown"]
# What a person or another tool does between two checks.
OTHERS = [*["none"] * 20, "disable", "enable", "degrade", "deploy"]
OFTEN: list[Kind] = ["healthy", "healthy", "healthy", "failing", "failing", "failing", "busy", "unknown"]
STATUS_AFTER = {"disable": "disabled", "enable": "ready", "degrade": "degraded", "deploy": "deploying"}


@given(
    st.lists(st.tuples(st.sampled_from(OTHERS), st.sampled_from(OFTEN)), min_size=20, max_size=40),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_random_sequences(steps: list[tuple[str, Kind]], failures: int, successes: int) -> None:
    """The state changes only after as many in a row as the rule says, and only what health did is undone."""
    rule, status, health = Rule(failures, successes), "ready", NOTHING
    # Ours is what health degraded and nobody touched since, marked what it degraded and has not seen ready since.
    ours, marked, failing, succeeding = False, False, 0, 0
    for other, kind in steps:
        # One that health degraded and that another degrades anew, between two checks, cannot be told apart.
        if other != "none" and not (other == "degrade" and marked):
            ours, status = ours and status == STATUS_AFTER[other], STATUS_AFTER[other]
        before, (status, health) = status, decide(status, health, Outcome(kind, "x"), rule, NOW)
        if before == "ready":
            failing = 0 if marked and kind != "unknown" else failing
            failing = {"failing": failing + 1, "unknown": failing}.get(kind, 0)
            marked = marked and kind == "unknown"
        succeeding = {"healthy": succeeding + 1, "failing": 0}.get(kind, succeeding) if ours else 0
        if before not in ("ready", "degraded"):
            assert status == before
        elif before == "ready":
            assert (status == "degraded") == (kind == "failing" and failing >= failures)
            ours, marked = status == "degraded", marked or status == "degraded"
        else:
            assert (status == "ready") == (ours and kind == "healthy" and succeeding >= successes)
            failing = failing if not ours and kind in ("failing", "unknown") else 0
            ours, marked = ours and status == "degraded", marked and status == "degraded"


@given(st.lists(st.sampled_from(KINDS), max_size=200), st.integers(1, 5), st.integers(1, 5))
def test_flapping_changes_the_state_at_most_as_the_rule_says(kinds: list[Kind], failures: int, successes: int) -> None:
    rule, status, health, changes = Rule(failures, successes), "ready", NOTHING, 0
    for kind in kinds:
        after, health = decide(status, health, Outcome(kind, "x"), rule, NOW)
        changes, status = changes + (after != status), after
    assert changes <= 2 * (len(kinds) // (failures + successes)) + 1
    assert (status == "degraded") == (health.degraded_by == SELF)


@given(st.sampled_from(["healthy", "busy", "unknown"]), st.integers(1, 50))
def test_without_a_failure_nothing_ever_changes(kind: Kind, count: int) -> None:
    status, health = "ready", NOTHING
    for _unused in range(count):
        status, health = decide(status, health, Outcome(kind), RULE, NOW)
    assert (status, health) == ("ready", NOTHING)
