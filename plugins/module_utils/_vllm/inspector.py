# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what tells why a pod does not get on: its events, its log, who holds what it asks for. Seldom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.diagnosis import (
    TOLD_TO_END,
    cause_of,
    holders_of,
    lacking,
    oversized_request,
    unhealthy,
    wanted_details,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ApiError, ForbiddenError, Kube
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Details, Pod, Workload
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reading import has_ended, read_events, requests_of

SECONDS_BETWEEN_READS = 2.5
# All nodes and pods of a cluster are much to read; a change of the pod comes before.
SECONDS_BETWEEN_SURVEYS = 30.0
LOG_LINES = 200


@dataclass
class Reading:
    """What was read of a pod, when, what the pod was like then, and since when its container has run or has ended."""

    pod: Pod
    moment: float
    since: float
    details: Details


class Inspector:
    """Of one release.

    Args:
        kube: the API server.
        namespace: of the release.
        serves: asks a pod's server whether it generates.
        now: the time in seconds.
    """

    def __init__(self, kube: Kube, namespace: str, serves: Callable[[Pod], bool], now: Callable[[], float]) -> None:
        self.kube = kube
        self.namespace = namespace
        self.serves = serves
        self.now = now
        self.readings: dict[str, Reading] = {}
        # By pod, with the run of its container, of which the startup and the readiness probe have a time each.
        self.serving_since: dict[str, tuple[tuple[int, bool], float]] = {}

    def inspect(self, workload: Workload) -> Workload:
        """The workload with the details of one pod that is in trouble; the others are mostly in the same."""
        for pod in workload.pods:
            if pod.ready:
                self.serving_since.pop(pod.uid, None)
        troubled = [pod for pod in workload.pods if not pod.terminating and wanted_details(pod)]
        if not troubled:
            return workload
        pod = min(troubled, key=lambda pod: (pod.exit_code is None, pod.running))
        return replace(workload, details={pod.name: self.details_of(pod)})

    def details_of(self, pod: Pod) -> Details:
        """What was read last, or is read now if the pod has changed or some time has passed."""
        last, now, wanted = self.readings.get(pod.uid), self.now(), wanted_details(pod)
        lasts = SECONDS_BETWEEN_SURVEYS if "resources" in wanted else SECONDS_BETWEEN_READS
        if last and last.pod == pod and now - last.moment < lasts:
            return last.details
        log, since = (last.details.log, last.since) if last and run_of(last.pod) == run_of(pod) else ((), now)
        settled = pod.exit_code not in TOLD_TO_END or now - since >= SECONDS_BETWEEN_READS
        details = replace(self.read(pod, wanted, log), settled=settled)
        self.readings[pod.uid] = Reading(pod, now, since, details)
        return details

    def autopsy(self, pod: Pod) -> Details:
        """What tells why a pod's container ended before the one that runs now."""
        return self.read(pod, frozenset({"events", "log"}))

    def read(self, pod: Pod, wanted: frozenset[str], log: tuple[str, ...] = ()) -> Details:
        """What is wanted. A log that was read before does not change any more."""
        details = Details(log=log if "log" in wanted else ())
        path = f"/api/v1/namespaces/{self.namespace}"
        if "events" in wanted:
            selector = f"involvedObject.uid={pod.uid}"
            found, missing = self.attempt(lambda: self.kube.items(f"{path}/events", fieldSelector=selector), [])
            details = replace(details, events=read_events(found), missing=missing)
        if "log" in wanted and not log:
            lines, missing = self.attempt(lambda: self.log(f"{path}/pods/{pod.name}/log", pod), [])
            details = replace(details, log=tuple(lines), missing=missing or details.missing)
        if "resources" in wanted:
            oversized, missing = self.attempt(lambda: self.oversized(pod), "")
            details = replace(details, oversized=oversized, holders=self.holders(pod), missing=missing)
        if "serving" in wanted and unhealthy(details.events):
            details = replace(details, serves=self.has_long_served(pod))
        return details

    def attempt(self, read: Callable[[], Any], otherwise: Any) -> tuple[Any, str]:
        """What is read, or what stands for it and why it could not be."""
        try:
            return read(), ""
        except ForbiddenError as error:
            return otherwise, error.why
        except ApiError:
            # Whoever follows the release learns of it, too.
            return otherwise, ""

    def log(self, path: str, pod: Pod) -> list[str]:
        """The last lines of the container that ended. The next one may have begun since, with a log of its own."""
        query = {"container": pod.container, "tailLines": LOG_LINES}
        lines = [] if pod.running else self.kube.log(path, **query, previous=None)
        if cause_of(lines):
            return lines
        try:
            return self.kube.log(path, **query, previous="true") + lines
        except ForbiddenError:
            raise
        except ApiError:
            # There was none before.
            return lines

    def oversized(self, pod: Pod) -> str:
        """Say which request of a pod exceeds every node."""
        from kubernetes.utils.quantity import parse_quantity

        allocatable = [node.get("status", {}).get("allocatable", {}) for node in self.kube.items("/api/v1/nodes")]
        nodes = [{name: parse_quantity(amount) for name, amount in each.items()} for each in allocatable]
        return oversized_request(total(pod.requests), nodes)

    def holders(self, pod: Pod) -> str:
        """Say who holds what the scheduler found too little of, in the cluster or as far as it may be read."""
        resources = lacking(pod.unschedulable)
        if not resources:
            return ""
        where, scope = "/api/v1/pods", ""
        found, missing = self.attempt(lambda: self.kube.items(where, fieldSelector="spec.nodeName!="), [])
        if missing:
            scope = f" (seen in namespace {self.namespace} alone)"
            where = f"/api/v1/namespaces/{self.namespace}/pods"
            found, _unused = self.attempt(lambda: self.kube.items(where, fieldSelector="spec.nodeName!="), [])
        return "; ".join(holders_of(resource, held_by(resource, found)) for resource in resources) + scope

    def has_long_served(self, pod: Pod) -> bool:
        """Whether a pod's server generates, and has for longer than its probes may take to notice."""
        if not self.serves(pod):
            self.serving_since.pop(pod.uid, None)
            return False
        run, now = (pod.restarts, pod.started), self.now()
        known, since = self.serving_since.get(pod.uid, (run, now))
        self.serving_since[pod.uid] = run, since if known == run else now
        return known == run and now - since > pod.probe_patience


def run_of(pod: Pod) -> tuple[int, bool, int | None]:
    """What is another one for each container of a pod, and for the end of each."""
    return pod.restarts, pod.running, pod.exit_code


def total(requests: tuple[tuple[str, str], ...]) -> dict[str, Decimal]:
    """The sum of requests by resource."""
    from kubernetes.utils.quantity import parse_quantity

    sums: dict[str, Decimal] = {}
    for resource, amount in requests:
        sums[resource] = sums.get(resource, Decimal(0)) + parse_quantity(amount)
    return sums


def held_by(resource: str, pods: list[dict[str, Any]]) -> dict[str, Decimal]:
    """What each pod on a node requests of a resource."""
    placed = [pod for pod in pods if not has_ended(pod)]
    return {
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}": total(tuple(requests_of(pod["spec"]))).get(
            resource, Decimal(0)
        )
        for pod in placed
    }
