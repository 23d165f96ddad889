# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the API server about one pod, however often it takes."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar

from tests.lab.kubelet.api import Api, ApiError
from tests.lab.kubelet.status import View, build_status

Json = dict[str, Any]
T = TypeVar("T")

RETRY_SECONDS = 0.5
GONE = (404, 409)
"""The pod is not there any more, or another one has its name."""
REFUSED = (400, 403, 422)
"""Repeating does not mend these either: its namespace is going, or this kubelet has a defect."""


class Node(Protocol):
    """What a pod asks its node."""

    address: str
    reachable: asyncio.Event


def tell_failure(complain: Callable[[BaseException], None], task: asyncio.Task[None]) -> None:
    """For a task that nobody waits for: what ended it must be seen. To be given to add_done_callback."""
    if not task.cancelled() and (error := task.exception()):
        complain(error)


class Reporter:
    """Writes the status whenever it differs from what was written last."""

    def __init__(self, api: Api, node: Node, view: View) -> None:
        self.api, self.node, self.view = api, node, view
        meta = view.pod["metadata"]
        self.name, self.uid = f"{meta['namespace']}/{meta['name']}", meta["uid"]
        self.path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        self.dirty = asyncio.Event()
        self._written: Json = {}
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.dirty.wait()
            await self.flush()

    async def flush(self) -> None:
        """Write now what is not written yet."""
        async with self._writing:
            self.dirty.clear()
            status = build_status(self.view, time.time())
            if status == self._written:
                return
            body = {"metadata": {"uid": self.uid}, "status": status}
            if await self._reach("PATCH", f"{self.path}/status", body):
                self._written = status

    async def delete(self) -> None:
        """Let the pod go."""
        await self._reach("DELETE", self.path, {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}})

    async def _reach(self, method: str, path: str, body: Json) -> bool:
        """Write as soon as the node can be reached; False if the pod is not there any more."""

        async def write() -> bool:
            await self.node.reachable.wait()
            await self.api.call(method, path, body)
            return True

        return bool(await self.persist(write))

    async def persist(self, action: Callable[[], Awaitable[T]]) -> T | None:
        """Repeat until the API server has answered. None when it will never agree."""
        while True:
            try:
                return await action()
            except ApiError as error:
                if error.status in GONE:
                    return None
                self.complain(error)
                if error.status in REFUSED:
                    return None
                await asyncio.sleep(RETRY_SECONDS)

    def complain(self, error: BaseException) -> None:
        """Trouble that is not the pod's own."""
        print(f"kubelet: pod {self.name}: {error!r}", file=sys.stderr, flush=True)
        if not isinstance(error, ApiError):
            traceback.print_exception(error)

    def start(self, action: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the pod's own course."""
        task = asyncio.create_task(action)
        task.add_done_callback(partial(tell_failure, self.complain))
        return task
