# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One round over a registry that remembers what it was told: in batches, bounded, and ended in good order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._health import sweep as sweeping
from ansible_collections.ai_aas.inference.plugins.module_utils._health.judge import Quorum
from ansible_collections.ai_aas.inference.plugins.module_utils._health.outcome import Outcome
from ansible_collections.ai_aas.inference.plugins.module_utils._health.store import Checked, Claims
from ansible_collections.ai_aas.inference.plugins.module_utils._health.sweep import Pace, Result, Sweep
from ansible_collections.ai_aas.inference.plugins.module_utils._health.target import Claimed
from ansible_collections.ai_aas.inference.plugins.module_utils._health.workers import Workers

Check = Callable[[Claimed], Awaitable[Outcome]]
HEALTHY, FAILING = Outcome("healthy"), Outcome("failing", "timeout")


class Registry:
    """In place of the store."""

    def __init__(self, count: int = 3, delay: float = 0.0, failing_writes: int = 0) -> None:
        self.entries = [Claimed(f"m{number}", f"m{number}.a:1", "a", "ready", None, "now") for number in range(count)]
        self.delay, self.failing_writes = delay, failing_writes
        self.batches: list[list[str]] = []
        self.released: list[str] = []

    def claim(self) -> Claims:
        return Claims(self.entries, 4)

    def write(self, batch: Sequence[Result]) -> list[Checked]:
        time.sleep(self.delay)
        if self.failing_writes:
            self.failing_writes -= 1
            raise InferenceError("The database is away")
        self.batches.append([entry.model_name for entry, _unused in batch])
        return [Checked(entry, outcome, entry.status) for entry, outcome in batch]

    def clear_cache(self, _made: Sequence[Checked]) -> list[str]:
        return []

    def release(self, entries: Sequence[Claimed]) -> None:
        self.released += [each.model_name for each in entries]

    @property
    def written(self) -> list[str]:
        return [name for batch in self.batches for name in batch]


def run(registry: Registry, check: Check, *, stop_after: float | None = None, **pace: Any) -> Sweep:
    """A sweep over it, ended or stopped."""

    async def control() -> str:
        return ""

    async def work() -> Sweep:
        database, stop = Workers("registry"), asyncio.Event()
        store: Any = registry
        sweep = Sweep(store, database, check, control, Pace(**{"jitter": 0.0, **pace}))
        if stop_after is not None:
            asyncio.get_running_loop().call_later(stop_after, stop.set)
        try:
            await sweep.run(stop)
        finally:
            database.end()
        return sweep

    return asyncio.run(work())


def always(outcome: Outcome) -> Check:
    async def check(_entry: Claimed) -> Outcome:
        return outcome

    return check


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "SECONDS_TO_GATHER", 0.02)
    monkeypatch.setattr(sweeping, "SECONDS_TO_END", 0.2)


def test_nothing_to_check() -> None:
    sweep = run(Registry(0), always(HEALTHY))
    assert (sweep.done, sweep.others, sweep.stopped) == ([], 4, False)


def test_batches_are_bounded() -> None:
    registry = Registry(1201)
    run(registry, always(HEALTHY))
    assert len(registry.written) == len(set(registry.written)) == 1201
    assert max(map(len, registry.batches)) == sweeping.BATCH
    assert len(registry.batches) <= 4


def test_failures_are_bounded_batches_too() -> None:
    registry = Registry(1201)
    run(registry, always(FAILING), quorum=Quorum(1.0))
    assert [len(batch) for batch in registry.batches] == [500, 500, 201]


def test_no_more_than_so_many_at_once() -> None:
    now, most = 0, 0

    async def check(_entry: Claimed) -> Outcome:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return HEALTHY

    run(Registry(50), check, concurrency=7)
    assert most == 7


def test_healthy_ones_are_written_before_the_last_has_answered() -> None:
    registry = Registry(3)
    early: list[list[str]] = []

    async def check(entry: Claimed) -> Outcome:
        if entry.model_name != "m0":
            return HEALTHY
        await asyncio.sleep(0.1)
        early.append(registry.written)
        return FAILING

    run(registry, check)
    assert early == [["m1", "m2"]]
    assert registry.written == ["m1", "m2", "m0"]


def test_no_failure_is_believed_when_too_many_fail() -> None:
    registry = Registry(3)

    async def check(entry: Claimed) -> Outcome:
        return HEALTHY if entry.model_name == "m0" else FAILING

    sweep = run(registry, check)
    assert sweep.cut_off == "2 of 3 ready models that were checked fail at once"
    assert (registry.written, sorted(registry.released)) == (["m0"], ["m1", "m2"])
    assert {outcome.reason for _unused, outcome in sweep.unknown} == {"cut_off"}


def test_those_that_are_degraded_already_do_not_count() -> None:
    registry = Registry(3)
    registry.entries = [
        each._replace(status="degraded" if each.model_name != "m0" else "ready") for each in registry.entries
    ]
    sweep = run(registry, always(FAILING))
    assert (sweep.cut_off, len(registry.written)) == ("", 3)


def test_a_strange_answer_keeps_no_other_from_being_checked() -> None:
    registry = Registry(3)

    async def check(entry: Claimed) -> Outcome:
        if entry.model_name == "m1":
            raise ZeroDivisionError
        return HEALTHY

    sweep = run(registry, check)
    assert (sorted(registry.written), registry.released) == (["m0", "m2"], ["m1"])
    assert sweep.unknown[0][1] == Outcome("unknown", "checker", "unforeseen ZeroDivisionError")


def test_a_write_that_fails_does_not_end_the_others() -> None:
    registry = Registry(1000, failing_writes=1)
    sweep = run(registry, always(HEALTHY))
    assert sweep.error is not None
    assert len(registry.written) == 500


def test_told_to_end_it_writes_what_is_known_and_gives_the_rest_back() -> None:
    registry = Registry(4)

    async def check(entry: Claimed) -> Outcome:
        if entry.model_name in ("m0", "m1"):
            return HEALTHY if entry.model_name == "m0" else FAILING
        await asyncio.sleep(60)
        return HEALTHY

    begin = time.monotonic()
    sweep = run(registry, check, stop_after=0.1)
    assert time.monotonic() - begin < 1
    assert sweep.stopped
    # Whether a failure is to be believed is only known at the end.
    assert (registry.written, sorted(registry.released)) == (["m0"], ["m1", "m2", "m3"])


def test_told_to_end_it_does_not_wait_for_a_database_that_hangs() -> None:
    begin = time.monotonic()
    sweep = run(Registry(3, delay=2.0), always(HEALTHY), stop_after=0.1)
    assert time.monotonic() - begin < 1
    assert sweep.stopped is False
    assert sweep.done == []
