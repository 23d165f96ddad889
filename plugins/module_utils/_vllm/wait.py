# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a verdict: the clock, the deadlines, and the seconds that each phase took."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import PHASES, Verdict, not_ready
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import FAILS_AT_ONCE

# One success may be an engine's last: a server can die right after the token that it generated, and some of its
# parts outlive it by 0.1 s (vLLM 0.32.0).
SECONDS_BETWEEN_SUCCESSES = 0.15
# Seconds after the timeout for what became ready just before it.
LAST_CHANCE = 1.0


class Clock(Protocol):
    """Where the time comes from, so that tests need not wait."""

    def now(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Return after this many seconds, or as soon as something changed."""


class SystemClock:
    """The machine's monotonic clock. `change` ends a sleep early."""

    def __init__(self, change: threading.Event | None = None) -> None:
        self.change = change or threading.Event()

    def now(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after this many seconds, or as soon as something changed."""
        self.change.wait(seconds)
        self.change.clear()


@dataclass(frozen=True)
class Patience:
    """How long to wait.

    Args:
        timeout: seconds in all.
        fail_fast: which severities end the wait at once, as in FAILS_AT_ONCE.
        budgets: seconds for each phase; one that is not named has as many as there are.
        once: to look once.
    """

    timeout: float
    fail_fast: str = "permanent"
    budgets: Mapping[str, float] = field(default_factory=dict)
    once: bool = False


class Look(NamedTuple):
    """A verdict, and the seconds after which to look again if nothing changes before."""

    verdict: Verdict
    pause: float = 0.0


@dataclass
class Outcome:
    """How a wait ended.

    Args:
        verdict: the last one.
        timeline: the phases.
        seconds: of the wait.
        observations: how many there were.
        exhausted: `timeout`, the phase whose budget was used up, or empty.
        ready_since: the second since which the same pods have been ready.
    """

    verdict: Verdict
    timeline: Timeline
    seconds: float = 0.0
    observations: int = 0
    exhausted: str = ""
    ready_since: float = 0.0

    def note(self, verdict: Verdict, now: float, tell: Callable[[float, Verdict], None]) -> None:
        """Take in what was seen at this moment, and tell it if it is something new."""
        if (verdict.reason, verdict.msg) != (self.verdict.reason, self.verdict.msg):
            tell(now, verdict)
        if not self.verdict.ready or self.verdict.proof != verdict.proof:
            self.ready_since = now
        self.verdict, self.seconds, self.observations = verdict, now, self.observations + 1
        self.timeline.take(verdict, now)


class Timeline:
    """The seconds that each phase took, and what it waited for."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self.waits: dict[str, dict[str, float]] = {}
        self.messages: dict[tuple[str, str], str] = {}
        self.last: tuple[float, Verdict] | None = None

    @property
    def current(self) -> str | None:
        """The phase that is not passed yet."""
        return next((name for name in PHASES if name not in self.phases), None)

    def take(self, verdict: Verdict, now: float) -> None:
        """Note what was seen at this moment. The time before it was spent on what had been seen until then."""
        since, earlier = self.last or (0.0, verdict)
        phase, reason = self.current, earlier.reason or "ready"
        if phase:
            spent = self.waits.setdefault(phase, {})
            spent[reason] = spent.get(reason, 0.0) + now - since
            self.messages[phase, reason] = earlier.msg
        self.last = now, verdict
        for name in PHASES[: PHASES.index(verdict.phase) + 1] if verdict.phase else ():
            if name not in self.phases:
                self.phases[name] = round(max(0.0, now - sum(self.phases.values())), 3)

    def remaining(self, budgets: Mapping[str, float], now: float) -> float:
        """The seconds that are left of the current phase's budget."""
        budget = budgets.get(self.current or "", float("inf"))
        return budget - (now - sum(self.phases.values()))

    def slowest(self, now: float) -> dict[str, object] | None:
        """The phase that took longest, as far as it went, and what it waited for longest."""
        lasting = {self.current: now - sum(self.phases.values())} if self.current else {}
        took = {**self.phases, **{name: seconds for name, seconds in lasting.items() if name}}
        phase = max(took, key=lambda name: took[name], default=None)
        if phase is None:
            return None
        waits = self.waits.get(phase, {})
        reason = max(waits, key=lambda name: waits[name], default="")
        told = self.messages.get((phase, reason), "") if reason != "ready" else ""
        return {"phase": phase, "seconds": round(took[phase], 3), "waited_for": told}


def wait(
    observe: Callable[[], Look], patience: Patience, clock: Clock, tell: Callable[[float, Verdict], None]
) -> Outcome:
    """Observe until the model is ready, can no longer become ready, or the time is over.

    Args:
        observe: looks at the model once.
        patience: when to give up.
        clock: where the time comes from.
        tell: called with the seconds so far and the verdict, each time that the verdict changes.
    """
    begin = clock.now()
    outcome = Outcome(Verdict(False, None, "Nothing was observed"), Timeline())
    while True:
        verdict, pause = observe()
        now = clock.now() - begin
        outcome.note(verdict, now, tell)
        if patience.once or is_hopeless(verdict, patience):
            return outcome
        if verdict.ready and now < patience.timeout + LAST_CHANCE:
            missing = SECONDS_BETWEEN_SUCCESSES - (now - outcome.ready_since)
            if missing <= 0:
                return outcome
            clock.sleep(missing)
            continue
        left = outcome.timeline.remaining(patience.budgets, now)
        if now >= patience.timeout or left <= 0:
            return exhausted(outcome, patience, now)
        clock.sleep(min(pause, patience.timeout - now, left))


def is_hopeless(verdict: Verdict, patience: Patience) -> bool:
    return not verdict.ready and verdict.severity in FAILS_AT_ONCE[patience.fail_fast]


def exhausted(outcome: Outcome, patience: Patience, now: float) -> Outcome:
    """Say which time was used up."""
    if outcome.verdict.ready:
        outcome.verdict = not_ready("rollout", "Pods are replaced again and again as soon as they have answered")
    if now >= patience.timeout:
        outcome.exhausted = "timeout"
        return outcome
    outcome.exhausted = outcome.timeline.current or "timeout"
    told = f"The phase {outcome.exhausted} has used up its {patience.budgets[outcome.exhausted]:g} s"
    outcome.verdict = replace(outcome.verdict, msg=f"{told}: {outcome.verdict.msg}")
    return outcome
