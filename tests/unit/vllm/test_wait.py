# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a wait ends, and how."""

from __future__ import annotations

import itertools
import threading
import time

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import PHASES, Verdict
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import FAILS_AT_ONCE
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import Patience, SystemClock
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vllm.looks import (
    CRASH,
    LOADING,
    LOOK_SECONDS,
    PAUSE,
    READY,
    READY_B,
    READY_URL,
    SCHEDULING,
    SILENT,
    STARTING,
    WRONG,
    NumberClock,
    Script,
    run,
)

ALL = [READY, READY_B, READY_URL, SCHEDULING, STARTING, LOADING, CRASH, WRONG, SILENT]


@pytest.mark.parametrize(
    ("verdicts", "fail_fast", "reason", "looks", "exhausted"),
    [
        ([READY], "permanent", None, 2, ""),
        ([LOADING, READY], "permanent", None, 3, ""),
        ([READY, LOADING, READY], "permanent", None, 4, ""),
        ([READY, READY_B], "permanent", None, 3, ""),
        ([READY, READY_B, READY], "permanent", None, 4, ""),
        ([READY_URL], "permanent", None, 2, ""),
        ([LOADING, READY_URL], "permanent", None, 3, ""),
        ([READY_URL, LOADING, READY_URL], "permanent", None, 4, ""),
        ([READY, READY_URL, LOADING], "permanent", "loading", 18, "timeout"),
        ([READY, WRONG], "permanent", "wrong_name", 2, ""),
        ([LOADING], "permanent", "loading", 17, "timeout"),
        ([WRONG], "permanent", "wrong_name", 1, ""),
        ([WRONG], "suspect", "wrong_name", 1, ""),
        ([WRONG], "never", "wrong_name", 17, "timeout"),
        ([CRASH], "never", "crash", 17, "timeout"),
        ([CRASH], "permanent", "crash", 17, "timeout"),
        ([CRASH], "suspect", "crash", 1, ""),
        ([CRASH, READY], "permanent", None, 3, ""),
        ([LOADING], "suspect", "loading", 17, "timeout"),
    ],
)
def test_end(verdicts: list[Verdict], fail_fast: str, reason: str | None, looks: int, exhausted: str) -> None:
    outcome = run(verdicts, fail_fast=fail_fast)
    assert (outcome.verdict.reason, outcome.observations, outcome.exhausted) == (reason, looks, exhausted)


@pytest.mark.parametrize("verdict", ALL)
def test_once_looks_once(verdict: Verdict) -> None:
    outcome = run([verdict], once=True)
    assert (outcome.verdict, outcome.observations, outcome.exhausted) == (verdict, 1, "")


@pytest.mark.parametrize("timeout", [0, 0.05, LOOK_SECONDS])
def test_a_timeout_that_is_over_still_looks(timeout: float) -> None:
    outcome = run([LOADING], timeout=timeout)
    assert (outcome.observations, outcome.exhausted) == (1, "timeout")
    assert outcome.verdict == LOADING


def test_what_became_ready_at_the_last_moment_is_looked_at_twice() -> None:
    outcome = run([READY], timeout=LOOK_SECONDS)
    assert (outcome.verdict.ready, outcome.observations) == (True, 2)


@pytest.mark.parametrize(
    ("verdicts", "budgets", "exhausted", "seconds", "told"),
    [
        ([SCHEDULING], {"scheduled": 2}, "scheduled", 2.0, "The phase scheduled has used up its 2 s: waits for a node"),
        ([LOADING], {"loaded": 3}, "loaded", 3.25, "The phase loaded has used up its 3 s: loads"),
        ([SCHEDULING, LOADING], {"loaded": 3}, "loaded", 3.875, "The phase loaded has used up its 3 s: loads"),
        ([SILENT], {"verified": 0.5}, "verified", 0.75, "The phase verified has used up its 0.5 s: says nothing"),
        ([LOADING], {"scheduled": 2, "pulled": 2, "started": 2}, "timeout", 10.125, "loads"),
        ([LOADING], {"loaded": 30}, "timeout", 10.125, "loads"),
        ([LOADING], {"serving": 0, "verified": 0}, "timeout", 10.125, "loads"),
        ([STARTING], {"pulled": 0}, "pulled", 0.125, "The phase pulled has used up its 0 s: is made"),
    ],
)
def test_budgets(verdicts: list[Verdict], budgets: dict[str, float], exhausted: str, seconds: float, told: str) -> None:
    outcome = run(verdicts, budgets=budgets)
    assert (outcome.exhausted, outcome.verdict.msg) == (exhausted, told)
    assert outcome.seconds == seconds
    assert outcome.verdict.reason == verdicts[-1].reason


def test_a_cause_that_never_passes_counts_before_a_budget() -> None:
    assert run([WRONG], budgets={"serving": 0}).exhausted == ""


def test_a_change_ends_a_sleep() -> None:
    script = Script([LOADING, LOADING, READY], NumberClock(change_after=0.01))
    assert script.run(Patience(10)).seconds == pytest.approx(5 * LOOK_SECONDS + 4 * 0.01)


def test_successes_that_follow_too_soon_are_one() -> None:
    """Parts of a server outlive its engine for a moment."""
    script = Script([LOADING, READY], NumberClock(change_after=0.01))
    outcome = script.run(Patience(10))
    assert outcome.observations == 4
    assert script.clock.slept == pytest.approx([PAUSE, 0.15, 0.15 - LOOK_SECONDS - 0.01])


def test_no_sleep_is_longer_than_what_is_left() -> None:
    script = Script([LOADING], pause=60)
    outcome = script.run(Patience(10, budgets={"loaded": 4}))
    assert script.clock.slept == [pytest.approx(4)]
    assert outcome.exhausted == "loaded"
    script = Script([LOADING], pause=60)
    script.run(Patience(3))
    assert script.clock.slept == [pytest.approx(3 - LOOK_SECONDS)]


def test_only_changes_are_told() -> None:
    script = Script([SCHEDULING, SCHEDULING, LOADING, CRASH, LOADING, READY])
    script.run(Patience(60))
    assert [msg for _seconds, msg in script.told] == ["waits for a node", "loads", "ends", "loads", "generates"]
    assert [seconds for seconds, _msg in script.told] == [0.125, 1.375, 2.0, 2.625, 3.25]


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=8), st.sampled_from(list(FAILS_AT_ONCE)))
def test_how_any_wait_ends(verdicts: list[Verdict], fail_fast: str) -> None:
    script = Script(verdicts)
    outcome = script.run(Patience(4, fail_fast))
    seen = (verdicts + [verdicts[-1]] * outcome.observations)[: outcome.observations]
    assert outcome.verdict == seen[-1]
    assert outcome.seconds <= 4 + 9 * LOOK_SECONDS
    if outcome.verdict.ready:
        assert seen[-2:] in ([READY, READY], [READY_B, READY_B], [READY_URL, READY_URL])
    elif outcome.exhausted:
        assert outcome.seconds >= 4
    else:
        assert outcome.verdict.severity in FAILS_AT_ONCE[fail_fast]
    assert not any(each.severity in FAILS_AT_ONCE[fail_fast] for each in seen[:-1] if not each.ready)
    assert all(first != second for first, second in itertools.pairwise(msg for _seconds, msg in script.told))


@given(
    st.lists(st.sampled_from([SCHEDULING, STARTING, LOADING, SILENT]), min_size=1, max_size=5),
    st.dictionaries(st.sampled_from(PHASES), st.floats(0, 9), max_size=3),
)
def test_no_phase_takes_much_longer_than_its_budget(verdicts: list[Verdict], budgets: dict[str, float]) -> None:
    outcome = run(verdicts, timeout=20, budgets=budgets)
    spent = sum(outcome.timeline.phases.values())
    if outcome.exhausted == "timeout":
        assert outcome.seconds >= 20
    else:
        assert outcome.exhausted == outcome.timeline.current
        assert budgets[outcome.exhausted] - 0.001 <= outcome.seconds - spent
    for phase, budget in budgets.items():
        took = outcome.timeline.phases.get(phase, outcome.seconds - spent if phase == outcome.exhausted else 0)
        assert took <= budget + PAUSE + LOOK_SECONDS + 0.001


def test_the_system_clock() -> None:
    change = threading.Event()
    clock = SystemClock(change)
    begin = clock.now()
    clock.sleep(0.01)
    assert begin < clock.now() <= time.monotonic()
    change.set()
    clock.sleep(60)
    assert not change.is_set()
    threading.Timer(0.01, change.set).start()
    clock.sleep(60)
    assert clock.now() - begin < 30
    SystemClock().sleep(0.001)
