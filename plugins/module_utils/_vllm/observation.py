# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was observed of a model's workload and server, and the verdict that is reached on it: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import HEALS, REASONS
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.text import LONGEST_MESSAGE, readable

PHASES = ("scheduled", "pulled", "started", "loaded", "serving", "verified")


@dataclass(frozen=True)
class Answer:
    """What came of one HTTP request: a status with its body, or the kind of failure that replaced them.

    `error` is one of refused, reset, timeout, closed, resolve, tls, malformed, too_large, forbidden, or None. `text` is
    a body that is no JSON.
    """

    status: int | None = None
    payload: Any = None
    error: str | None = None
    detail: str = ""
    text: str = field(default="", repr=False)


@dataclass(frozen=True)
class Metrics:
    """What a server's /metrics say. Tokens are those read and written; None is what it does not say."""

    tokens: float | None = None
    running: float | None = None
    waiting: float | None = None
    asleep: bool = False
    started_at: float | None = None


@dataclass(frozen=True)
class Question:
    """What is asked of each server.

    Args:
        names: the exact names that must be listed and generate: the model's, then aliases and adapters.
        api: completions or chat.
        wants_text: whether eight tokens are asked for, and have to hold some text.
        started_after: the moment (seconds since 1970) after which the server must have been started.
        seconds: for each completion in all.
    """

    names: tuple[str, ...]
    api: str = "completions"
    wants_text: bool = False
    started_after: float | None = None
    seconds: float = 30.0


@dataclass(frozen=True)
class Probe:
    """The answers of one round: the list of models, a completion for each name in turn, and /health after them.

    `metrics` are two samples a moment apart where a completion got no answer, or one where they were asked for.
    """

    models: Answer
    completions: tuple[tuple[str, Answer], ...] = ()
    health: Answer | None = None
    metrics: tuple[Metrics, ...] = ()


@dataclass(frozen=True)
class Event:
    """An event of a pod."""

    reason: str
    message: str


@dataclass(frozen=True)
class Details:
    """What is only read of a pod that is in trouble.

    `missing` says what may not be read. `settled` is not so while an event may still tell why the container ended.
    """

    events: tuple[Event, ...] = ()
    log: tuple[str, ...] = ()
    oversized: str = ""
    holders: str = ""
    serves: bool = False
    missing: str = ""
    settled: bool = True


@dataclass(frozen=True)
class Pod:
    """What the Kubernetes API says of one pod of the newest revision, and of the container that it waits for."""

    name: str
    uid: str = ""
    node: str = ""
    phase: str = ""
    status_reason: str = ""
    status_message: str = ""
    unschedulable: str = ""
    gated: str = ""
    requests: tuple[tuple[str, str], ...] = ()
    container: str = ""
    initialises: bool = False
    pulled: bool = False
    running: bool = False
    started: bool = False
    ready: bool = False
    terminating: bool = False
    restarts: int = 0
    waiting: str = ""
    message: str = ""
    exit_code: int | None = None
    exit_reason: str = ""
    exit_message: str = ""
    port: int = 8000
    probe_patience: float = 0.0

    @property
    def scheduled(self) -> bool:
        return bool(self.node)


@dataclass(frozen=True)
class Workload:
    """What the Kubernetes API says of a release's Deployment.

    `blocked` is the cause why no pod could be made, `overdue` whether its progress deadline has passed, `details`
    holds what was read of pods in trouble, by name.
    """

    found: bool = False
    observed: bool = False
    paused: bool = False
    desired: int = 1
    updated: int = 0
    ready: int = 0
    available: int = 0
    total: int = 0
    blocked: str = ""
    overdue: bool = False
    pods: tuple[Pod, ...] = ()
    details: Mapping[str, Details] = field(default_factory=dict)

    def details_of(self, pod: Pod) -> Details:
        return self.details.get(pod.name, Details())


@dataclass(frozen=True)
class Verdict:
    """`reason` is None when ready, otherwise one of REASONS. `phase` is the last one that was passed, `proof` says who
    has answered."""

    ready: bool
    reason: str | None
    msg: str
    severity: str = HEALS
    phase: str | None = None
    served_models: tuple[str, ...] = ()
    proof: str = ""


def not_ready(
    reason: str, msg: str, phase: str | None = None, severity: str | None = None, served: tuple[str, ...] = ()
) -> Verdict:
    """The verdict for a reason, with the severity that it usually has unless another is known.

    Raises:
        KeyError: the reason is not a documented one.
    """
    return Verdict(False, reason, readable(msg, LONGEST_MESSAGE), severity or REASONS[reason].severity, phase, served)
