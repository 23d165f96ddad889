# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads for calls that block: a name server, the database, a port-forward. None keeps the process from ending."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import threads

T = TypeVar("T")
Job = tuple[Callable[[], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]


class Workers:
    """As many threads as there are calls at once, up to `most`.

    asyncio's own are joined when the process ends, which would wait for a name server.
    """

    def __init__(self, name: str, most: int = 1) -> None:
        self.name = name
        self.most = most
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.started = 0
        self.waiting = 0

    async def call(self, work: Callable[[], T]) -> T:
        """The result of a call, made in one of the threads."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self.jobs.put((work, future, loop))
        self.waiting += 1
        if self.started < min(self.most, self.waiting):
            self.started += 1
            threads.start(self.work, self.name)
        try:
            return await future
        finally:
            self.waiting -= 1

    def work(self) -> None:
        while (job := self.jobs.get()) is not None:
            work, future, loop = job
            result, error = None, None
            try:
                result = None if future.cancelled() else work()
            except Exception as failure:
                error = failure
            # Nobody waits any more where the loop is closed.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, future, result, error)

    def end(self) -> None:
        """Let the threads end, each after the call that it makes."""
        for _unused in range(self.started):
            self.jobs.put(None)


class Once(Generic[T]):
    """Results of calls by a name, each made once however many wait for it.

    Args:
        workers: threads in which they are made.
        work: makes the one of a name; blocks.
    """

    def __init__(self, workers: Workers, work: Callable[[str], T]) -> None:
        self.workers, self.work = workers, work
        self.known: dict[str, asyncio.Future[T]] = {}

    async def get(self, name: str) -> T:
        if name not in self.known:
            self.known[name] = asyncio.ensure_future(self.workers.call(lambda: self.work(name)))
        # Who is cancelled meanwhile does not take it from the others.
        return await asyncio.shield(self.known[name])


def settle(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    """Hand a result or an error to whoever waits for it, if they still do."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
