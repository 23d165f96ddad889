# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts to wait on, and a clock that is a number."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Verdict, not_ready
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import Look, Outcome, Patience, wait

READY = Verdict(True, None, "generates", phase="verified", proof="a/0")
READY_B = replace(READY, proof="b/0")
READY_URL = replace(READY, proof="")
SCHEDULING = not_ready("scheduling", "waits for a node")
STARTING = not_ready("starting", "is made", "scheduled")
LOADING = not_ready("loading", "loads", "started")
CRASH = not_ready("crash", "ends", "started")
WRONG = not_ready("wrong_name", "serves others", "loaded")
SILENT = not_ready("not_generating", "says nothing", "serving")

# Sums of these are exact.
LOOK_SECONDS = 0.125
PAUSE = 0.5


class NumberClock:
    def __init__(self, change_after: float = float("inf")) -> None:
        self.time = 100.0
        self.change_after = change_after
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.time += min(seconds, self.change_after)


class Script:
    """Gives these verdicts, one a look and the last for ever; each look takes an eighth of a second."""

    def __init__(self, verdicts: Sequence[Verdict], clock: NumberClock | None = None, pause: float = PAUSE) -> None:
        self.verdicts: Iterable[Verdict] = iter(itertools.chain(verdicts, itertools.repeat(verdicts[-1])))
        self.clock = clock or NumberClock()
        self.pause = pause
        self.told: list[tuple[float, str]] = []

    def observe(self) -> Look:
        self.clock.time += LOOK_SECONDS
        assert self.clock.time < 1000, "it waits for ever"
        return Look(next(iter(self.verdicts)), self.pause)

    def tell(self, seconds: float, verdict: Verdict) -> None:
        self.told.append((round(seconds, 3), verdict.msg))

    def run(self, patience: Patience) -> Outcome:
        return wait(self.observe, patience, self.clock, self.tell)


def run(
    verdicts: Sequence[Verdict],
    timeout: float = 10,
    fail_fast: str = "permanent",
    once: bool = False,
    budgets: Mapping[str, float] | None = None,
) -> Outcome:
    return Script(verdicts).run(Patience(timeout, fail_fast, budgets or {}, once))
