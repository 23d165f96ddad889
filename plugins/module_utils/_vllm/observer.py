# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a model once: the release in its cluster, then what its servers answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Session
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.diagnosis import judge_crash
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.inspector import Inspector
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ApiError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import (
    Pod,
    Question,
    Verdict,
    Workload,
    not_ready,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.probing import complete, probe
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.release import INSTANCE_LABEL, Releases
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.rollout import judge_workload
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.serving import judge_completion, judge_probe
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import Tls, api_proxy, port_forward
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import Look

# What the API server is not asked again for; budgets are looked at, and what was read of a pod in trouble ages.
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_GENERATE = 1.0
# Until it is worth a word that a release has not been read yet.
SECONDS_TO_READ = 2.0


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
    """How the pods of a release are reached.

    Args:
        transport: port_forward or api_proxy.
        authorise: makes the headers that their servers want; may have to ask the API server.
        tls: how their certificates are verified, or None without TLS.
        deadline: as a Session has it.
    """

    transport: str = "port_forward"
    authorise: Callable[[], Mapping[str, str]] = dict
    tls: Tls | None = None
    deadline: float = math.inf

    def session(self, releases: Releases, pod: Pod) -> Session:
        kube, namespace = releases.kube, releases.namespace
        if self.transport == "api_proxy":
            connect, base_path = api_proxy(kube, namespace, pod.name, pod.port, self.tls)
            return Session(connect, base_path, {**self.authorise(), **kube.credentials()}, self.deadline)
        connect = port_forward(kube, namespace, pod.name, pod.port, self.tls)
        return Session(connect, "", self.authorise(), self.deadline)


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
        self.begin = time.monotonic()
        self.asked = Verdict(False, None, "")
        self.next_question = 0.0
        # In check mode nobody looks a second time.
        self.complete = releases.once

    def look(self) -> Look:
        if not self.releases.known():
            silence = time.monotonic() - self.begin
            if silence < SECONDS_TO_READ:
                return Look(not_ready("rollout", "The release is being read"), SECONDS_BETWEEN_LOOKS)
            told = f"The Kubernetes API cannot be reached: it has been silent for {silence:.0f} s"
            return Look(not_ready("api_unreachable", told), SECONDS_BETWEEN_LOOKS)
        try:
            return self.look_at(self.releases.workload(self.name))
        except ApiError as error:
            return Look(not_ready(error.reason, error.message), SECONDS_BETWEEN_LOOKS)

    def look_at(self, workload: Workload) -> Look:
        verdict = self.judge(workload)
        if verdict:
            return Look(verdict, SECONDS_BETWEEN_LOOKS)
        if not self.complete:
            self.complete = True
            return Look(not_ready("verifying", "The rollout is complete", "loaded"))
        return self.ask(workload)

    def judge(self, workload: Workload) -> Verdict | None:
        """Say what keeps the rollout from being complete, or None. More is read of a pod that is in trouble."""
        verdict = judge_workload(workload)
        if verdict is None:
            return None
        if verdict.reason == "not_found":
            namespace = self.releases.namespace
            return replace(verdict, msg=f"{verdict.msg}: {INSTANCE_LABEL}={self.name} in namespace {namespace}")
        return judge_workload(self.inspector.inspect(workload)) or verdict

    def ask(self, workload: Workload) -> Look:
        """Ask the pods, unless they were asked a moment ago and were not ready."""
        pods = [pod for pod in workload.pods if pod.ready and not pod.terminating]
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
        verdict = self.judge_since(pods, verdict) or verdict
        self.asked = replace(verdict, proof=" ".join(f"{pod.uid}/{pod.restarts}" for pod in pods))
        return Look(self.asked, max(0.0, self.next_question - time.monotonic()))

    def judge_since(self, asked: Sequence[Pod], answer: Verdict) -> Verdict | None:
        """What has become of the release while its pods were asked, if that says more than they did."""
        if answer.ready:
            return self.judge(self.releases.workload(self.name))
        try:
            workload = self.releases.workload(self.name)
        except ApiError:
            return None
        restarts = {pod.uid: pod.restarts for pod in asked}
        for pod in workload.pods:
            if pod.restarts > restarts.get(pod.uid, pod.restarts):
                reason, severity, told = judge_crash(pod, self.inspector.autopsy(pod))
                return not_ready(reason, f"Pod {pod.name} was asked, and {told}", "serving", severity)
        return self.judge(workload)

    def put_to(self, pod: Pod) -> Verdict:
        """Ask one pod's server."""
        with self.route.session(self.releases, pod) as session, self.releases.told_of_end(pod.uid, session.abandon):
            verdict = judge_probe(probe(session, self.question, time.sleep), self.question)
        return verdict if verdict.ready else replace(verdict, msg=f"Pod {pod.name}: {verdict.msg}")

    def generates(self, pod: Pod) -> bool:
        """Whether a pod that is not Ready generates all the same, soon: nothing else is seen meanwhile."""
        question = self.question
        with self.route.session(self.releases, pod) as session:
            answer = complete(session, question.names[0], question.api, min(SECONDS_TO_GENERATE, question.seconds))
        return judge_completion(answer) is None
