# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a wait ends, and what it says it waited for. The clock is a number."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Verdict
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import Outcome, Patience, wait
from hypothesis import given
from hypothesis import strategies as st

READY = Verdict(True, None, "generates", phase="verified")
LOADING = Verdict(False, "loading", "loads", phase="started")
CRASH = Verdict(False, "crash", "ends", "suspect", phase="started")
WRONG = Verdict(False, "wrong_name", "serves others", "permanent", phase="loaded")


class NumberClock:
    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.time += seconds


def run(verdicts: list[Verdict], timeout: float = 10, fail_fast: str = "permanent", once: bool = False) -> Outcome:
    """Wait on these verdicts, one a look, the last for ever; each look takes 0.1 s."""
    clock = NumberClock()
    script = iter(verdicts)
    told: list[str] = []

    def observe() -> Verdict:
        clock.time += 0.1
        return next(script, verdicts[-1])

    outcome = wait(
        observe, Patience(timeout, 0.5, fail_fast, once), clock, lambda _unused, verdict: told.append(verdict.msg)
    )
    assert all(first != second for first, second in itertools.pairwise(told))
    return outcome


@pytest.mark.parametrize(
    ("verdicts", "fail_fast", "once", "reason", "looks", "timed_out"),
    [
        ([READY], "permanent", False, None, 2, False),
        ([LOADING, READY], "permanent", False, None, 3, False),
        ([READY, LOADING, READY], "permanent", False, None, 4, False),
        ([LOADING], "permanent", False, "loading", 18, True),
        ([WRONG], "permanent", False, "wrong_name", 1, False),
        ([WRONG], "never", False, "wrong_name", 18, True),
        ([CRASH], "permanent", False, "crash", 18, True),
        ([CRASH], "suspect", False, "crash", 1, False),
        ([CRASH, READY], "permanent", False, None, 3, False),
        ([LOADING], "permanent", True, "loading", 1, False),
    ],
)
def test_end(
    verdicts: list[Verdict], fail_fast: str, once: bool, reason: str | None, looks: int, timed_out: bool
) -> None:
    outcome = run(verdicts, fail_fast=fail_fast, once=once)
    assert (outcome.verdict.reason, outcome.observations, outcome.timed_out) == (reason, looks, timed_out)


def test_phases_add_up_to_the_time_of_the_last_one() -> None:
    outcome = run([LOADING, LOADING, READY])
    assert outcome.phases == {
        "scheduled": pytest.approx(0.1),
        "pulled": 0,
        "started": 0,
        "loaded": pytest.approx(1.2),
        "serving": 0,
        "verified": 0,
    }


@given(st.lists(st.sampled_from([READY, LOADING, CRASH, WRONG]), min_size=1), st.sampled_from(["never", "permanent"]))
def test_ready_is_said_only_after_two_in_a_row(verdicts: list[Verdict], fail_fast: str) -> None:
    outcome = run(verdicts, timeout=60, fail_fast=fail_fast)
    seen = (verdicts + [verdicts[-1]] * outcome.observations)[: outcome.observations]
    if outcome.verdict.ready:
        assert seen[-2:] == [READY, READY]
    assert outcome.seconds <= 60 + 0.7
