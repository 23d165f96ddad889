# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until the servers of a release work on no request, as their own gauges say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Session
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Metrics
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.probing import sample
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reading import has_ended, read_pod
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.release import INSTANCE_LABEL
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import Tls, port_forward
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import Clock

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_FOR_METRICS = 5.0

Json = dict[str, Any]


class Idleness(NamedTuple):
    """Whether nothing was worked on for long enough, after how many seconds, and how many requests were left.

    `requests` is None where a server did not say.
    """

    idle: bool
    seconds: float
    requests: int | None


def requests_of(samples: Iterable[Metrics]) -> int | None:
    """How many requests run or wait in all, or None if a server does not say."""
    found = [(each.running, each.waiting) for each in samples]
    if any(running is None for running, _unused in found):
        return None
    return round(sum((running or 0) + (waiting or 0) for running, waiting in found))


def wait_idle(look: Callable[[], int | None], quiet: float, timeout: float, clock: Clock, *, once: bool) -> Idleness:
    """Look until there was no request for a while, or the time is over.

    Args:
        look: how many requests there are, or None if it cannot be said.
        quiet: seconds for which there has to be none.
        timeout: seconds in all.
        clock: what tells the time and waits.
        once: to look once.
    """
    began = clock.now()
    quiet_since: float | None = None
    while True:
        requests = look()
        now = clock.now()
        quiet_since = (now if quiet_since is None else quiet_since) if requests == 0 else None
        is_idle = quiet_since is not None and (once or now - quiet_since >= quiet)
        if is_idle or once or now - began >= timeout:
            return Idleness(is_idle, round(now - began, 3), requests)
        clock.sleep(SECONDS_BETWEEN_LOOKS)


class Servers:
    """The serving pods of a release.

    Args:
        kube: the API server.
        namespace: of the release.
        release: its name.
        tls: how the servers' certificates are verified, or None without TLS.
    """

    def __init__(self, kube: Kube, namespace: str, release: str, tls: Tls | None) -> None:
        self.kube, self.namespace, self.release, self.tls = kube, namespace, release, tls

    def requests(self) -> int | None:
        """How many requests they work on, as requests_of has it."""
        return requests_of(self.sample(pod) for pod in self.pods())

    def pods(self) -> Sequence[Json]:
        """Those that can have work."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        found = self.kube.items(path, labelSelector=f"{INSTANCE_LABEL}={self.release}")
        return [each for each in found if read_pod(each).running and not has_ended(each)]

    def sample(self, pod: Json) -> Metrics:
        """What one says of itself, for which no server wants a key. Each has its own connection: a pod may end."""
        port = read_pod(pod).port
        connect = port_forward(self.kube, self.namespace, pod["metadata"]["name"], port, self.tls)
        with Session(connect) as session:
            return sample(session, SECONDS_FOR_METRICS)
