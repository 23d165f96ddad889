# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One round over the entries that are due: checked side by side, and written as soon as it is known what came of them.

What fails is held back until all have been checked: only then it shows whether the checker itself is cut off.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._health.judge import Quorum
from ansible_collections.ai_aas.inference.plugins.module_utils._health.outcome import Outcome
from ansible_collections.ai_aas.inference.plugins.module_utils._health.store import Checked, Store
from ansible_collections.ai_aas.inference.plugins.module_utils._health.target import Claimed
from ansible_collections.ai_aas.inference.plugins.module_utils._health.workers import Workers

BATCH = 500
SECONDS_TO_GATHER = 0.5
# What is under way with the database has so long when the process is told to end.
SECONDS_TO_END = 0.6

Result = tuple[Claimed, Outcome]
T = TypeVar("T")


class Pace(NamedTuple):
    """How many are checked at once, over how many seconds the first are spread, and when no failure is believed."""

    concurrency: int = 256
    jitter: float = 0.5
    quorum: Quorum = Quorum()


class Sweep:
    """One round.

    Args:
        store: the registry.
        database: the thread in which it is called.
        check: checks one entry.
        control: says why the checker is cut off, or nothing if it is not.
        pace: how fast.
    """

    def __init__(
        self,
        store: Store,
        database: Workers,
        check: Callable[[Claimed], Awaitable[Outcome]],
        control: Callable[[], Awaitable[str]],
        pace: Pace,
    ) -> None:
        self.store, self.database = store, database
        self.check, self.control, self.pace = check, control, pace
        self.claimed: Sequence[Claimed] = ()
        self.others = 0
        self.warnings: list[str] = []
        self.done: list[Checked] = []
        self.failing: list[Result] = []
        self.unknown: list[Result] = []
        self.cut_off = ""
        self.stopped = False
        self.error: InferenceError | None = None
        self.fresh: list[Result] = []
        self.outcomes: dict[str, Outcome] = {}
        self.full = asyncio.Event()
        self.over = False

    async def run(self, stop: asyncio.Event) -> None:
        """Claim, check and write, until all is done or until told to stop.

        Raises:
            InferenceError: nothing could be claimed.
        """
        claiming = asyncio.ensure_future(self.database.call(self.store.claim))
        stopping = asyncio.ensure_future(stop.wait())
        tasks: list[asyncio.Future[Any]] = [claiming, stopping]
        try:
            if not await first(claiming, stopping):
                self.stopped = True
                return
            claims = claiming.result()
            self.claimed, self.others = claims.entries, claims.others
            self.warnings += claims.warnings
            checking = asyncio.ensure_future(self.check_all())
            writing = asyncio.ensure_future(self.write_as_they_come())
            tasks += [checking, writing]
            self.stopped = not await first(checking, stopping)
            ending = asyncio.ensure_future(self.end(checking, writing))
            tasks.append(ending)
            if await first(ending, stopping) or await is_done(ending, SECONDS_TO_END):
                ending.result()
        finally:
            for task in tasks:
                task.cancel()

    async def check_all(self) -> None:
        """Check each entry, some at a time."""
        control = asyncio.ensure_future(self.control())
        left = iter(self.claimed)
        crew = [self.check_some(left) for _unused in range(min(self.pace.concurrency, len(self.claimed)))]
        try:
            await asyncio.gather(*crew)
            self.cut_off = await control
        finally:
            control.cancel()

    async def check_some(self, left: Iterator[Claimed]) -> None:
        await asyncio.sleep(random.uniform(0, self.pace.jitter))  # noqa: S311
        for entry in left:
            try:
                outcome = await self.check(entry)
            except Exception as error:
                # One strange answer must not keep the others from being checked.
                outcome = Outcome("unknown", "checker", f"unforeseen {type(error).__name__}")
            self.sort((entry, outcome))

    def sort(self, result: Result) -> None:
        """Put a result where it belongs."""
        entry, outcome = result
        self.outcomes[entry.model_name] = outcome
        kinds = {"failing": self.failing, "unknown": self.unknown}
        kinds.get(outcome.kind, self.fresh).append(result)
        if len(self.fresh) >= BATCH:
            self.full.set()

    async def write_as_they_come(self) -> None:
        """Write the models that generate, those of half a second together."""
        while not self.over or self.fresh:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.full.wait(), SECONDS_TO_GATHER)
            if not self.over:
                self.full.clear()
            batch, self.fresh = self.fresh[:BATCH], self.fresh[BATCH:]
            await self.write(batch)

    async def end(self, checking: asyncio.Future[None], writing: asyncio.Future[None]) -> None:
        """Write what is left, and give back what was not checked."""
        if self.stopped:
            checking.cancel()
        else:
            checking.result()
        self.over = True
        self.full.set()
        await writing
        if not self.stopped:
            self.judge_together()
            for start in range(0, len(self.failing), BATCH):
                await self.write(self.failing[start : start + BATCH])
        await self.give_back()

    def judge_together(self) -> None:
        """Believe no failure if too many ready models fail at once: then it is more likely that this checker does."""
        ready = [each for each in self.claimed if each.status == "ready"]
        kinds = [self.outcomes[each.model_name].kind for each in ready]
        failing, checked = kinds.count("failing"), len(kinds) - kinds.count("unknown")
        if not self.cut_off and self.pace.quorum.is_cut_off(failing, checked):
            self.cut_off = f"{failing} of {checked} ready models that were checked fail at once"
        if self.cut_off:
            self.unknown += [(entry, Outcome("unknown", "cut_off", outcome.msg)) for entry, outcome in self.failing]
            self.failing = []

    async def write(self, batch: Sequence[Result]) -> None:
        """Write some results, then clear the cache of them. An error is kept, and the rest goes on."""
        if not batch:
            return
        try:
            made = await self.database.call(lambda: self.store.write(batch))
            self.done += made
            self.warnings += await self.database.call(lambda: self.store.clear_cache(made))
        except InferenceError as error:
            self.error = error

    async def give_back(self) -> None:
        """Make what was not checked due again."""
        written = {each.entry.model_name for each in self.done}
        kept = {entry.model_name for entry, _unused in self.failing} if not self.stopped else set()
        rest = [each for each in self.claimed if each.model_name not in written | kept]
        try:
            if rest and self.error is None:
                await self.database.call(lambda: self.store.release(rest))
        except InferenceError as error:
            self.error = error


async def first(task: asyncio.Future[Any], other: asyncio.Future[Any]) -> bool:
    """Wait for either, and tell whether the first is done."""
    await asyncio.wait({task, other}, return_when=asyncio.FIRST_COMPLETED)
    return task.done()


async def unless_stopped(work: Awaitable[T], stop: asyncio.Event, otherwise: T) -> T:
    """What comes of it, or something else as soon as it is told to stop."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        return working.result() if await first(working, stopping) else otherwise
    finally:
        working.cancel()
        stopping.cancel()


async def is_done(task: asyncio.Future[Any], seconds: float) -> bool:
    """Whether it is done within these seconds."""
    await asyncio.wait({task}, timeout=seconds)
    return task.done()
