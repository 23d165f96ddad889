# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a container's probes for as long as one run of it lasts."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from tests.lab.kubelet.probe_io import run_probe
from tests.lab.kubelet.probes import Health, Kind, Probe, Result

if TYPE_CHECKING:
    from tests.lab.kubelet.container import Container

Json = dict[str, Any]


class Prober:
    """One task for each probe; the decisions are Health's."""

    def __init__(self, container: Container, spec: Json) -> None:
        self.container = container
        self.health = Health(spec, time.monotonic(), container.pod.origin)
        self._moved = asyncio.Event()
        self._report()
        self._start = container.pod.reporter.start
        self._tasks = [self._start(self._follow(probe)) for probe in self.health.probes.values()]
        self._kill: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """The run is over."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, probe: Probe) -> None:
        if probe.kind is not Kind.STARTUP and self.health.is_gated(probe.kind):
            await self._moved.wait()
        due = self.health.first_due(probe.kind, time.monotonic())
        await self._sleep_until(due)
        while not self.health.is_gated(probe.kind):
            await self._observe(probe)
            due = max(due + probe.setting("periodSeconds"), time.monotonic())
            await self._sleep_until(due)

    async def _sleep_until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - time.monotonic()))

    async def _observe(self, probe: Probe) -> None:
        if self.container.target is None:
            return
        result, message = await run_probe(probe.spec, self.container.target, probe.setting("timeoutSeconds"))
        if self.health.is_gated(probe.kind):
            return
        if result is not Result.SUCCESS:
            verb = "failed" if result is Result.FAILURE else "errored and resulted in unknown state"
            self.container.emit("Unhealthy", f"{probe.kind.value} probe {verb}: {message}", warning=True)
        change = self.health.observe(probe.kind, result)
        if change.status:
            self._report()
            self._moved.set()
        if change.kill:
            self.container.killed_by_probe = True
            text = f"Container {self.container.record.name} failed {probe.kind.value.lower()} probe"
            self._kill = self._start(self.container.stop(self._grace(probe), f"{text}, will be restarted"))

    def _grace(self, probe: Probe) -> float:
        return float(probe.spec.get("terminationGracePeriodSeconds") or self.container.pod.grace_period)

    def _report(self) -> None:
        record = self.container.record
        record.started, record.ready = self.health.started, self.health.ready
        self.container.pod.changed()
