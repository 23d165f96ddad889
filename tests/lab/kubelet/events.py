# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events about pods: equal ones are counted on one object, as a kubelet's recorder does."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from typing import Any

from tests.lab.kubelet.api import Api, ApiError
from tests.lab.kubelet.status import timestamp

Json = dict[str, Any]
Key = tuple[str, str, str, str, str]

REMEMBERED = 4096
# Those of one pod are written one after the other. One writer for all would be seconds late where writing is slow.
WRITERS = 4


class Recorder:
    """Takes events at once and writes them behind the scenes; what comes meanwhile is counted together."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.known: dict[Key, Json] = {}
        self.pending: list[asyncio.Queue[Key]] = [asyncio.Queue() for _writer in range(WRITERS)]
        self.waiting: set[Key] = set()
        self._numbers = itertools.count(time.time_ns())

    def emit(self, pod: Json, reason: str, message: str, field: str = "", warning: bool = False) -> None:
        """One thing that happened to a pod, or to the container that `field` names."""
        key = (pod["metadata"]["uid"], field, reason, message, "Warning" if warning else "Normal")
        now = timestamp(time.time())
        if key not in self.known:
            if len(self.known) >= REMEMBERED:
                self.known.pop(next(iter(self.known)))
            self.known[key] = self._new(pod, key, now)
        event = self.known[key]
        event["count"] += 1
        event["lastTimestamp"] = now
        if key not in self.waiting:
            self.waiting.add(key)
            self.pending[hash(key[0]) % WRITERS].put_nowait(key)

    async def run(self) -> None:
        """Write for ever."""
        await asyncio.gather(*map(self._empty, self.pending))

    async def _empty(self, pending: asyncio.Queue[Key]) -> None:
        while True:
            key = await pending.get()
            self.waiting.discard(key)
            event = self.known.get(key)
            if event is None:
                continue
            try:
                await self._write(event)
            except ApiError as error:
                if "being terminated" in str(error):
                    continue  # with its namespace; there is nowhere else to put it
                print(f"kubelet: event {key[2]} lost: {error}", file=sys.stderr, flush=True)

    async def _write(self, event: Json) -> None:
        path = f"/api/v1/namespaces/{event['metadata']['namespace']}/events"
        if event["count"] > 1:
            change = {"count": event["count"], "lastTimestamp": event["lastTimestamp"]}
            try:
                await self.api.call("PATCH", f"{path}/{event['metadata']['name']}", change)
            except ApiError as error:
                if error.status != 404:
                    raise
            else:
                return
        await self.api.call("POST", path, event)

    def _new(self, pod: Json, key: Key, now: str) -> Json:
        meta, node = pod["metadata"], pod["spec"]["nodeName"]
        _unused, field, reason, message, kind = key
        return {
            "metadata": {"name": f"{meta['name']}.{next(self._numbers):x}", "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
                **({"fieldPath": field} if field else {}),
            },
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": "kubelet", "host": node},
            "reportingComponent": "kubelet",
            "reportingInstance": node,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 0,
        }
