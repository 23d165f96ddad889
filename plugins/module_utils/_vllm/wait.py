# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a verdict: the clock, the deadline, and the seconds that each phase took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import (
    FAILS_AT_ONCE,
    PHASES,
    Verdict,
)

# One success may be an engine's last: a server can die right after the token that it generated.
SUCCESSES_IN_A_ROW = 2


class Clock(Protocol):
    """Where the time comes from, so that tests need not wait."""

    def now(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Return after this many seconds."""


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after this many seconds."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Patience:
    """How long to wait: `timeout` and `interval` in seconds, `fail_fast` as in FAILS_AT_ONCE, `once` to look once."""

    timeout: float
    interval: float
    fail_fast: str
    once: bool = False


@dataclass
class Outcome:
    """How a wait ended. `phases` are seconds by phase, `timed_out` says whether only the deadline ended it."""

    verdict: Verdict
    phases: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    observations: int = 0
    timed_out: bool = False


def wait(
    observe: Callable[[], Verdict], patience: Patience, clock: Clock, tell: Callable[[float, Verdict], None]
) -> Outcome:
    """Observe until the model is ready, can no longer become ready, or the time is over.

    Args:
        observe: looks at the model once.
        patience: when to give up.
        clock: where the time comes from.
        tell: called with the seconds so far and the verdict, each time that the verdict changes.
    """
    begin = clock.now()
    outcome = Outcome(Verdict(False, None, "Nothing was observed"))
    successes = 0
    while True:
        verdict = observe()
        now = clock.now() - begin
        if (verdict.reason, verdict.msg) != (outcome.verdict.reason, outcome.verdict.msg):
            tell(now, verdict)
        outcome.verdict, outcome.seconds, outcome.observations = verdict, now, outcome.observations + 1
        record_phase(outcome.phases, verdict.phase, now)
        successes = successes + 1 if verdict.ready else 0
        if successes >= SUCCESSES_IN_A_ROW or patience.once or verdict.severity in FAILS_AT_ONCE[patience.fail_fast]:
            return outcome
        if verdict.ready:
            continue
        if now >= patience.timeout:
            outcome.timed_out = True
            return outcome
        clock.sleep(min(patience.interval, patience.timeout - now))


def record_phase(phases: dict[str, float], passed: str | None, now: float) -> None:
    """Give each phase that has newly been passed the seconds since the one before it."""
    if passed is None:
        return
    for name in PHASES[: PHASES.index(passed) + 1]:
        if name not in phases:
            phases[name] = round(now - sum(phases.values()), 3)
