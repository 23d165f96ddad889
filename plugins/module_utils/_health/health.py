# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the entries of one environment, once or again and again until told to end."""

from __future__ import annotations

import asyncio
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._health.arguments import check_health_arguments
from ansible_collections.ai_aas.inference.plugins.module_utils._health.claims import Terms
from ansible_collections.ai_aas.inference.plugins.module_utils._health.judge import Rule
from ansible_collections.ai_aas.inference.plugins.module_utils._health.metrics import samples_of
from ansible_collections.ai_aas.inference.plugins.module_utils._health.reach import Reach
from ansible_collections.ai_aas.inference.plugins.module_utils._health.remedy import FROZEN
from ansible_collections.ai_aas.inference.plugins.module_utils._health.report import NAMED, Round, line_of, result_of
from ansible_collections.ai_aas.inference.plugins.module_utils._health.store import Store
from ansible_collections.ai_aas.inference.plugins.module_utils._health.sweep import Sweep, unless_stopped
from ansible_collections.ai_aas.inference.plugins.module_utils._health.workers import Workers
from ansible_collections.ai_aas.inference.plugins.module_utils._metrics import render, write
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.change import settings_from
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import Timings
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.lifeline import end_with_parent

# Beyond the longest check, before another checker takes over what this one has not reported of.
SECONDS_OF_GRACE = 10.0
JITTER_OF_INTERVAL = 0.05
REASON = "health check"

Log = Callable[[str], None]


def check_health(params: Mapping[str, Any], secrets: set[str], log: Log, *, check: bool) -> dict[str, Any]:
    """Check as often as the parameters say, and return the module's result, which is that of the last sweep.

    Args:
        params: the module's.
        secrets: learns each key that is read, so that it is masked.
        log: takes a line about each sweep.
        check: whether nothing is written.

    Raises:
        InferenceError: an option breaks a rule, or the registry refuses or cannot be reached.
    """
    check_health_arguments(params)
    checker = Checker(params, secrets, log, check=check)
    if threading.current_thread() is threading.main_thread():
        end_with_parent(None)
    try:
        return asyncio.run(checker.run())
    finally:
        checker.end()


class Restarts(NamedTuple):
    """The pods that were deleted, and why others were not."""

    pods: Sequence[str]
    warnings: Sequence[str]


class Checker:
    """All sweeps of one process. Between them it remembers what the table has no place for."""

    def __init__(self, params: Mapping[str, Any], secrets: set[str], log: Log, *, check: bool) -> None:
        self.params, self.log = params, log
        settings = settings_from({**params, "reason": params["reason"] or REASON}, check=check)
        self.timings = Timings()
        # Half an interval is left for schedules that are late or early.
        due_after = params["interval"] / 2
        lease = params["timeout"] + params["jitter"] + SECONDS_OF_GRACE
        terms = Terms(params["environment"], params["models"], due_after, lease)
        self.store = Store(settings, terms, Rule(params["failures"], params["successes"]), self.timings)
        self.database = Workers("registry")
        self.reach = Reach(params, secrets)
        self.sweeps = 0
        self.failed = 0
        self.changed = False

    async def run(self) -> dict[str, Any]:
        """Sweep until it is enough, or until told to end. The registry may be away meanwhile."""
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        begin, wanted = loop.time(), self.params["sweeps"]
        with told_to_end(loop, stop):
            while True:
                result, error = await self.attempt(stop)
                self.sweeps += 1
                if stop.is_set() or self.sweeps == wanted:
                    return self.ended(result, error, stopped=stop.is_set())
                begin = await self.pause(begin, stop)
                if stop.is_set():
                    return self.ended(result, error, stopped=True)

    async def attempt(self, stop: asyncio.Event) -> tuple[dict[str, Any], InferenceError | None]:
        """One sweep, its result as far as it came, and what went wrong with the registry."""
        self.timings.seconds.clear()
        sweep = Sweep(self.store, self.database, self.reach.checking(), self.reach.control, self.reach.pace)
        error, restarts = None, Restarts((), ())
        with self.timings.step("sweep"):
            try:
                await sweep.run(stop)
                restarts = await self.remedied(sweep, stop)
            except InferenceError as failure:
                error = failure
        error = error or sweep.error
        place, left = self.params["environment"], len(sweep.claimed)
        swept = Round(place, left, sweep.others, sweep.done, sweep.unknown, sweep.cut_off, sweep.stopped, restarts.pods)
        result = result_of(swept)
        self.failed += error is not None
        self.changed |= result["changed"]
        self.log((f"{error.message} " if error else "") + line_of(result))
        warnings = [*sweep.warnings, *([cut_off(sweep.cut_off)] if sweep.cut_off else []), *restarts.warnings]
        if error is None and not sweep.stopped:
            warnings += await self.publish(stop)
        return {**result, "warnings": list(dict.fromkeys(warnings)), "timings": dict(self.timings.seconds)}, error

    async def publish(self, stop: asyncio.Event) -> list[str]:
        """Leave the metrics of a sweep, and return the warning if that fails: the models were checked all the same."""
        file, seconds = self.params["metrics_file"], self.timings.seconds["sweep"]
        if not file or self.store.settings.check:
            return []

        def work() -> None:
            fleet = self.store.standings()
            write(Path(file), render(samples_of(self.params["environment"], fleet, seconds, time.time())))

        try:
            await unless_stopped(self.database.call(work), stop, None)
        except InferenceError as error:
            return [error.message]
        return []

    async def remedied(self, sweep: Sweep, stop: asyncio.Event) -> Restarts:
        """Restart what is frozen, if that is wanted and nobody told it to end."""
        frozen = [each.entry for each in sweep.done if each.is_ours and each.outcome.reason == FROZEN]
        if self.params["remediate"] == "none" or not frozen:
            return Restarts((), ())
        made = await unless_stopped(self.reach.remedy(frozen, check=self.store.settings.check), stop, [])
        kept = [f"Model {model.model_name} is frozen, and no pod of it was restarted: {each.why_not}."
                for model, each in zip(frozen, made, strict=False) if each.why_not]  # fmt: skip
        return Restarts([each.pod for each in made if each.pod], kept[:NAMED])

    async def pause(self, begin: float, stop: asyncio.Event) -> float:
        """Wait for the next sweep, and return when it was to begin."""
        interval, loop = float(self.params["interval"]), asyncio.get_running_loop()
        following = max(begin + interval, loop.time())
        shift = random.uniform(0, JITTER_OF_INTERVAL * interval)  # noqa: S311
        await asyncio.wait({asyncio.ensure_future(stop.wait())}, timeout=max(0.0, following + shift - loop.time()))
        return following

    def ended(self, result: dict[str, Any], error: InferenceError | None, *, stopped: bool) -> dict[str, Any]:
        """The result of all sweeps.

        Raises:
            InferenceError: the last one failed, and nobody told it to end.
        """
        whole = {**result, "changed": self.changed, "sweeps": self.sweeps, "failed_sweeps": self.failed}
        whole["stopped"] = stopped
        if error is None or stopped:
            return whole
        raise InferenceError(error.what, error.why, error.remedy, {**error.result, **whole})

    def end(self) -> None:
        """Let the threads end."""
        self.database.end()
        self.reach.end()


@contextmanager
def told_to_end(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Set the event on SIGTERM and on an interrupt, where this is the thread that gets them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def cut_off(why: str) -> str:
    """The warning about a sweep in which no failure was believed."""
    return (
        f"Nothing was degraded, and no failure was counted: {why}. More likely this checker is cut off than that all "
        "of them fail. See whether it reaches them; if they do fail, raise quorum, or disable them."
    )
