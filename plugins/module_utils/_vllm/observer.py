# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a model once: the release in its cluster, then what its servers answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Session
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.inspector import Inspector
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ApiError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import (
    Pod,
    Question,
    Verdict,
    Workload,
    not_ready,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.probing import probe
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.release import Releases
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.rollout import judge_workload
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.serving import judge_probe
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import Tls, api_proxy, port_forward
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import Look

# What the API server is not asked again for; budgets are looked at, and what was read of a pod in trouble ages.
SECONDS_BETWEEN_LOOKS = 1.0


class UrlObserver:
    """Looks at the server behind a URL, every `interval` seconds while it is not ready."""

    def __init__(self, session: Callable[[], Session], question: Question, interval: float) -> None:
        self.session = session
        self.question = question
        self.interval = interval

    def look(self) -> Look:
        with self.session() as session:
            verdict = judge_probe(probe(session, self.question, time.sleep), self.question)
        return Look(verdict, self.interval)


@dataclass(frozen=True)
class Route:
    """How the pods of a release are reached: by which transport, with which headers, and with TLS or without."""

    transport: str = "port_forward"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: Tls | None = None

    def session(self, releases: Releases, pod: Pod) -> Session:
        kube, namespace = releases.kube, releases.namespace
        if self.transport == "api_proxy":
            connect, base_path = api_proxy(kube, namespace, pod.name, pod.port, self.tls)
            return Session(connect, base_path, {**self.headers, **kube.credentials()})
        connect = port_forward(kube, namespace, pod.name, pod.port, self.tls)
        return Session(connect, "", self.headers)


class ReleaseObserver:
    """Looks at a release: its rollout first, then one of its pods, or each of them.

    Args:
        releases: those that are followed, this one among them.
        name: the release.
        question: put to its servers.
        route: leads to them.
        each_replica: whether all pods have to answer.
        interval: seconds between two questions to the same pod while it is not ready.
    """

    def __init__(
        self, releases: Releases, name: str, question: Question, route: Route, each_replica: bool, interval: float
    ) -> None:
        self.releases = releases
        self.name = name
        self.question = question
        self.route = route
        self.each_replica = each_replica
        self.interval = interval
        self.inspector = Inspector(releases.kube, releases.namespace, self.generates, time.monotonic)
        self.asked = Verdict(False, None, "")
        self.next_question = 0.0
        # In check mode nobody looks a second time.
        self.complete = releases.once

    def look(self) -> Look:
        if not self.releases.known():
            return Look(not_ready("rollout", "The release is being read"), SECONDS_BETWEEN_LOOKS)
        try:
            workload = self.releases.workload(self.name)
        except ApiError as error:
            return Look(not_ready(error.reason, error.message), SECONDS_BETWEEN_LOOKS)
        verdict = judge_workload(workload)
        if verdict:
            verdict = judge_workload(self.inspector.inspect(workload)) or verdict
            return Look(verdict, SECONDS_BETWEEN_LOOKS)
        if not self.complete:
            self.complete = True
            return Look(not_ready("verifying", "The rollout is complete", "loaded"))
        return self.ask(workload)

    def ask(self, workload: Workload) -> Look:
        """Ask the pods, unless they were asked a moment ago and were not ready."""
        pods = [pod for pod in workload.pods if not pod.terminating]
        pods = pods if self.each_replica else pods[:1]
        now = time.monotonic()
        if not self.asked.ready and now < self.next_question:
            return Look(self.asked, self.next_question - now)
        verdict = not_ready("rollout", "All pods of the newest revision are ending")
        for place, pod in enumerate(pods, start=1):
            verdict = self.put_to(pod)
            if not verdict.ready:
                # Half a request a second is left for the rest.
                self.next_question = time.monotonic() + self.interval * place
                break
        self.asked = replace(verdict, proof=" ".join(f"{pod.uid}/{pod.restarts}" for pod in pods))
        return Look(self.asked, max(0.0, self.next_question - time.monotonic()))

    def put_to(self, pod: Pod) -> Verdict:
        """Ask one pod's server."""
        with self.route.session(self.releases, pod) as session:
            verdict = judge_probe(probe(session, self.question, time.sleep), self.question)
        return verdict if verdict.ready else replace(verdict, msg=f"Pod {pod.name}: {verdict.msg}")

    def generates(self, pod: Pod) -> bool:
        return self.put_to(pod).ready
