# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a model once: the release in its cluster, then what its servers answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.cluster import (
    Cluster,
    ForbiddenError,
    UnreachableError,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Connect, Server, probe
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import PERMANENT, Verdict
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.rollout import judge_workload
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.serving import judge_probe


@dataclass(frozen=True)
class Question:
    """What is asked of each server: its exact name, by which API, with which headers, in how many seconds."""

    model: str
    api: str = "completions"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    deadline: float = 30.0

    def put_to(self, connect: Connect, base_path: str = "") -> Verdict:
        """Ask one server."""
        return judge_probe(
            probe(Server(connect, base_path, self.headers, self.deadline), self.model, self.api), self.model
        )


def url_observer(connect: Connect, base_path: str, question: Question) -> Callable[[], Verdict]:
    """Return what looks at the server behind a URL."""
    return lambda: question.put_to(connect, base_path)


def release_observer(
    cluster: Cluster, release: str, question: Question, each_replica: bool = False
) -> Callable[[], Verdict]:
    """Return what looks at a release: its rollout first, then one of its pods, or each of them."""

    def observe() -> Verdict:
        try:
            workload = cluster.workload(release)
        except ForbiddenError as error:
            return Verdict(False, "forbidden", error.message, PERMANENT)
        except UnreachableError as error:
            return Verdict(False, "api_unreachable", error.message)
        verdict = judge_workload(workload)
        if verdict:
            return verdict
        pods = [pod for pod in workload.pods if not pod.terminating]
        for pod in pods if each_replica else pods[:1]:
            verdict = question.put_to(cluster.connect_to(pod))
            if not verdict.ready:
                return verdict
        return verdict or Verdict(False, "rollout", "All pods of the newest revision are ending")

    return observe
