# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks one model over the network: one request, and two looks at its counters where no answer comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from ansible_collections.ai_aas.inference.plugins.module_utils._health.exchange import Exchange, Place, request_of
from ansible_collections.ai_aas.inference.plugins.module_utils._health.outcome import Outcome, outcome_of
from ansible_collections.ai_aas.inference.plugins.module_utils._health.target import Claimed, Question, place_of
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Metrics
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.probing import read_metrics

# Checks a model, with the headers that its server wants.
Probe = Callable[[Claimed, Mapping[str, str]], Awaitable[Outcome]]


class Prober:
    """Checks models straight from here.

    Args:
        exchange: makes requests.
        question: what is asked.
        endpoint_map: where an endpoint is reached, if not at itself.
    """

    def __init__(self, exchange: Exchange, question: Question, endpoint_map: Mapping[str, str]) -> None:
        self.exchange = exchange
        self.question = question
        self.endpoint_map = endpoint_map

    async def probe(self, model: Claimed, headers: Mapping[str, str]) -> Outcome:
        """Ask once. All of it ends when the question's seconds are over."""
        place = place_of(model.endpoint, self.endpoint_map)
        if place is None:
            return Outcome("unknown", "endpoint", f"The endpoint {model.endpoint[:100]!r} is no host and port")
        seconds = self.question.seconds
        request = self.question.request(place, model.model_name, headers)
        loop, samples = asyncio.get_running_loop(), list[Metrics]()
        watching: list[asyncio.Task[None]] = []
        timer = loop.call_later(
            seconds / 2, lambda: watching.append(loop.create_task(self.watch(place, headers, samples)))
        )
        try:
            answer = await self.exchange.ask(place, request, seconds)
        finally:
            timer.cancel()
            for task in watching:
                task.cancel()
        return outcome_of(answer, samples, self.question.probe)

    async def watch(self, place: Place, headers: Mapping[str, str], samples: list[Metrics]) -> None:
        """Sample the counters twice within the second half of the time, while the answer may still come."""
        part = self.question.seconds / 8
        request = request_of("GET", "/metrics", place, headers)
        samples.append(await self.sample(place, request, part))
        if samples[0].tokens is not None:
            await asyncio.sleep(part)
            samples.append(await self.sample(place, request, 1.5 * part))

    async def sample(self, place: Place, request: bytes, seconds: float) -> Metrics:
        answer = await self.exchange.ask(place, request, seconds)
        return read_metrics(answer.text) if answer.status == 200 else Metrics()
