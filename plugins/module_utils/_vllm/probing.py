# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One round of questions to a model server."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Session
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Answer, Metrics, Probe, Question

# For questions that cost a server nothing.
SECONDS_FOR_SMALL = 10.0
SECONDS_BETWEEN_METRICS = 1.0
# How a server that speaks TLS meets a plain request; by port-forward its end of a connection is not heard of.
STRANGE_TO_HTTP = ("closed", "reset", "timeout", "malformed")
SECONDS_FOR_TLS = 2.0
TOKENS_OF_A_TEXT = 8
COMPLETION_PATHS = {"completions": "/v1/completions", "chat": "/v1/chat/completions"}

# vLLM's counters and gauges; those of several engines are added up.
_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)")
_TOKENS = ("vllm:generation_tokens_total", "vllm:prompt_tokens_total")
_START = "process_start_time_seconds"
_SLEEP = "vllm:engine_sleep_state"


def probe(session: Session, question: Question, sleep: Callable[[float], None]) -> Probe:
    """Ask for the list of models, a completion of each name, and /health after them; stop at a failure.

    Where a completion gets no answer, two samples of /metrics tell whether the server works for others.
    """
    small = min(SECONDS_FOR_SMALL, question.seconds)
    models = session.ask("GET", "/v1/models", small)
    if models.error in STRANGE_TO_HTTP and session.meets_tls(min(SECONDS_FOR_TLS, small)):
        models = Answer(error="tls", detail="the server speaks TLS, and was asked without")
    if models.status != 200:
        return Probe(models)
    completions: list[tuple[str, Answer]] = []
    for name in question.names:
        answer = complete(session, name, question.api, question.seconds, question.wants_text)
        completions.append((name, answer))
        if answer.error == "timeout":
            return Probe(models, tuple(completions), metrics=two_samples(session, small, sleep))
        if answer.status != 200:
            return Probe(models, tuple(completions))
    metrics = (sample(session, small),) if question.started_after is not None else ()
    return Probe(models, tuple(completions), session.ask("GET", "/health", small), metrics)


def complete(session: Session, name: str, api: str, seconds: float, wants_text: bool = False) -> Answer:
    """Ask this model for one token, or for some text."""
    return session.ask("POST", COMPLETION_PATHS[api], seconds, completion_of(name, api, wants_text))


def completion_of(name: str, api: str, wants_text: bool) -> dict[str, Any]:
    """The JSON that asks for a completion.

    With the exact name: without one vLLM answers as its default model. Never streamed: a stream's 200 proves nothing.
    """
    request: dict[str, Any] = {"model": name, "max_tokens": TOKENS_OF_A_TEXT if wants_text else 1, "temperature": 0}
    if api == "chat":
        return {**request, "messages": [{"role": "user", "content": "Hi"}]}
    return {**request, "prompt": "Hi"}


def two_samples(session: Session, seconds: float, sleep: Callable[[float], None]) -> tuple[Metrics, ...]:
    """What /metrics say at two moments, or once if they say nothing."""
    first = sample(session, seconds)
    if first.tokens is None:
        return (first,)
    sleep(max(0.0, min(SECONDS_BETWEEN_METRICS, session.deadline - time.monotonic())))
    return first, sample(session, seconds)


def sample(session: Session, seconds: float) -> Metrics:
    """What /metrics say now; nothing where there are none."""
    answer = session.ask("GET", "/metrics", seconds)
    return read_metrics(answer.text) if answer.status == 200 else Metrics()


def read_metrics(text: str) -> Metrics:
    """Read Prometheus' text format, as far as it is vLLM's."""
    found: dict[str, float] = {}
    asleep = False
    for line in text.splitlines():
        matched = _SAMPLE.match(line)
        value = number(matched[3]) if matched else None
        if matched is None or value is None:
            continue
        known = found.get(matched[1])
        if matched[1] == _START:
            # Of several processes the oldest is in doubt.
            found[_START] = value if known is None else min(known, value)
        else:
            found[matched[1]] = value + (known or 0.0)
        asleep |= matched[1] == _SLEEP and value > 0 and 'sleep_state="awake"' not in (matched[2] or "")
    tokens = [found[name] for name in _TOKENS if name in found]
    return Metrics(
        tokens=sum(tokens) if tokens else None,
        running=found.get("vllm:num_requests_running"),
        waiting=found.get("vllm:num_requests_waiting"),
        asleep=asleep,
        started_at=found.get(_START),
    )


def number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
