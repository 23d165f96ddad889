# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks models from outside of their cluster, through the API server's port-forward to a pod of their Service."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._health.outcome import Outcome, outcome_of
from ansible_collections.ai_aas.inference.plugins.module_utils._health.target import Claimed, Question
from ansible_collections.ai_aas.inference.plugins.module_utils._health.workers import Once, Workers
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import parse_endpoint
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Session
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Answer, Metrics
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.probing import two_samples
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import Tls, port_forward

SERVICE_LABEL = "kubernetes.io/service-name"
# Beyond the question's own, to look at the counters of a server that does not answer.
SECONDS_FOR_METRICS = 3.0

Json = Mapping[str, Any]


class Backend(NamedTuple):
    """A pod behind a Service, and the port on which it serves."""

    pod: str
    port: int
    ready: bool


def backends_of(slices: Sequence[Json], service: str) -> list[Backend] | None:
    """The pods behind a Service, or None where the namespace has no such Service. Pure.

    Args:
        slices: the EndpointSlices of the namespace.
        service: its name.
    """
    mine = [each for each in slices if each["metadata"].get("labels", {}).get(SERVICE_LABEL) == service]
    found: dict[str, Backend] = {}
    for each in mine:
        ports = [port for port in each.get("ports") or () if port.get("port")]
        named = [port for port in ports if port.get("name") == "http"] or ports
        for endpoint in each.get("endpoints") or ():
            target = endpoint.get("targetRef") or {}
            if target.get("kind") == "Pod" and named:
                # By its definition one that does not say counts as ready.
                ready = endpoint.get("conditions", {}).get("ready") is not False
                found[target["name"]] = Backend(target["name"], int(named[0]["port"]), ready)
    return list(found.values()) if mine else None


class Forwarder:
    """Checks one pod of each Service. The API server's answers are kept for one sweep.

    Args:
        kube: the API server.
        workers: threads in which it is spoken to.
        question: what is asked.
        tls: how the servers' certificates are verified, or None without TLS.
    """

    def __init__(self, kube: Kube, workers: Workers, question: Question, tls: Tls | None) -> None:
        self.kube, self.workers, self.question, self.tls = kube, workers, question, tls
        self.slices = Once(workers, self.read_slices)

    async def probe(self, model: Claimed, headers: Mapping[str, str]) -> Outcome:
        """Ask once, within the question's seconds and those for the counters."""
        try:
            endpoint = parse_endpoint(model.endpoint)
            backends = backends_of(await self.slices.get(endpoint.namespace), endpoint.service)
        except InvalidInputError as error:
            return Outcome("unknown", "endpoint", error.message)
        except InferenceError as error:
            return Outcome("unknown", "kubernetes", error.message)
        if backends is None:
            told = f"Namespace {endpoint.namespace} has no Service {endpoint.service}: is this the right cluster?"
            return Outcome("unknown", "unresolved", told)
        ready = [each for each in backends if each.ready]
        if not ready:
            return Outcome("failing", "not_serving", f"Service {endpoint.service} has no ready pod")
        return await self.workers.call(lambda: self.ask(endpoint.namespace, ready[0], model.model_name, headers))

    def read_slices(self, namespace: str) -> list[dict[str, Any]]:
        """The EndpointSlices of a namespace; blocks."""
        return self.kube.items(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")

    def ask(self, namespace: str, backend: Backend, model: str, headers: Mapping[str, str]) -> Outcome:
        """Ask one pod; blocks."""
        question, seconds = self.question, self.question.seconds
        connect = port_forward(self.kube, namespace, backend.pod, backend.port, self.tls)
        deadline = time.monotonic() + seconds + SECONDS_FOR_METRICS
        with Session(connect, "", headers, deadline) as session:
            body = question.body(model)
            answer = session.ask("GET" if body is None else "POST", question.path, seconds, body)
            metrics: tuple[Metrics, ...] = ()
            if answer.error == "timeout" and question.probe != "health":
                metrics = two_samples(session, SECONDS_FOR_METRICS / 3, time.sleep)
        return outcome_of(of_the_pod(answer), metrics, question.probe)


def of_the_pod(answer: Answer) -> Answer:
    """An answer, where a port-forward that may not be opened is this account's fault."""
    return Answer(error="checker", detail=answer.detail) if answer.error == "forbidden" else answer
