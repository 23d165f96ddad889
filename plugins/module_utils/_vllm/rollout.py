# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a release's rollout complete, and if not, why? Pure decisions on what the Kubernetes API says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.diagnosis import (
    is_node_lost,
    judge_crash,
    judge_pull,
    judge_volume,
    unhealthy,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import (
    PHASES,
    Details,
    Pod,
    Verdict,
    Workload,
    not_ready,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import HEALS, PERMANENT

# Reasons that say no more than that it goes on.
ADVANCING = ("rollout", "scheduling", "starting", "loading")
# Refusals of a pod that do not concern the pod itself.
PASSING = re.compile(
    r"failed calling webhook|^(etcdserver|Timeout):|object has been modified|service ?account .*not found", re.I
)
CLAIM = re.compile(r"persistentvolumeclaim", re.IGNORECASE)
# The kubelet's words for a container that waits: our reason, and what to tell.
WAITING = {
    "ErrImageNeverPull": ("image_never_present", "its image is not on the node and may not be pulled"),
    "InvalidImageName": ("image_name_invalid", "its image name is not valid"),
    "ErrImagePull": ("image_pull", "its image cannot be pulled"),
    "ImagePullBackOff": ("image_pull", "its image cannot be pulled"),
    "CreateContainerConfigError": ("config_missing", "something that its container refers to is missing"),
    "CreateContainerError": ("container_error", "its container cannot be created"),
    "RunContainerError": ("container_error", "its container cannot be run"),
}


def judge_workload(workload: Workload) -> Verdict | None:
    """Say what keeps the rollout from being complete, or None if nothing does."""
    verdict = judge_deployment(workload) or judge_pods(workload) or judge_replicas(workload)
    if verdict and workload.overdue and verdict.reason in ADVANCING:
        return replace(verdict, reason="slow", msg=f"The progress deadline has passed. {verdict.msg}")
    return verdict


def judge_deployment(workload: Workload) -> Verdict | None:
    """Say what keeps the Deployment from making pods, or None."""
    if not workload.found:
        return not_ready("not_found", "No Deployment carries the label of this release")
    if workload.blocked:
        reason = "quota" if "exceeded quota" in workload.blocked else "admission_denied"
        severity = HEALS if PASSING.search(workload.blocked) else None
        return not_ready(reason, f"Kubernetes makes no pod: {workload.blocked}", severity=severity)
    if workload.desired == 0:
        return not_ready("scaled_to_zero", "The Deployment is scaled to 0 replicas")
    if workload.paused and min(workload.updated, workload.ready) < workload.desired:
        return not_ready("paused", "The Deployment's rollout is paused")
    if not workload.observed or not workload.pods:
        return not_ready("rollout", "The Deployment's controller has not acted on the newest revision yet")
    return None


def judge_pods(workload: Workload) -> Verdict | None:
    """Say what keeps the pods from being Ready, of the one that is furthest behind; None if all are."""
    # A node gives up a pod for good, and its successor takes its place.
    lasting = [pod for pod in workload.pods if not pod.terminating and pod.phase != "Failed"]
    given_up = [pod for pod in workload.pods if not pod.terminating and pod.phase == "Failed"]
    if not lasting and given_up:
        return judge_given_up(given_up)
    verdicts = [judge_pod(pod, workload.details_of(pod)) for pod in lasting]
    troubles = [verdict for verdict in verdicts if verdict]
    if not troubles:
        return None
    worst = {PERMANENT: 0, HEALS: 2}
    return min(troubles, key=lambda each: (worst.get(each.severity, 1), place(each.phase)))


def place(phase: str | None) -> int:
    """How far a phase lies on the way; -1 before the first."""
    return PHASES.index(phase) if phase else -1


def judge_replicas(workload: Workload) -> Verdict | None:
    """Say which replicas are missing, once no pod shows a cause of its own."""
    counts = (workload.updated, workload.ready, workload.available)
    if min(counts) < workload.desired or workload.total > workload.desired:
        told = f"{counts[0]} updated, {counts[1]} ready, {counts[2]} available of {workload.desired}"
        return not_ready("rollout", f"Rollout incomplete: {told}; {workload.total} pods in all", "started")
    return None


def judge_pod(pod: Pod, details: Details) -> Verdict | None:
    """Say what keeps one pod from being Ready, or None if it is Ready."""
    if pod.ready:
        return None
    if not pod.scheduled:
        return judge_scheduling(pod, details)
    if is_node_lost(details.events):
        return not_ready("node_lost", f"Pod {pod.name}: its node {pod.node} does not report", pod_phase(pod))
    if pod.waiting in WAITING:
        return judge_waiting(pod)
    if pod.exit_code is not None:
        return judge_ended(pod, details)
    return judge_running(pod, details) if pod.running else judge_start(pod, details)


def judge_given_up(pods: Sequence[Pod]) -> Verdict:
    """Pods that their nodes have given up. Once may be an eviction, whose successor is about to come."""
    pod = pods[-1]
    told = f"Pod {pod.name} was given up by its node: {pod.status_reason or 'Failed'}: {pod.status_message}".rstrip(
        ": "
    )
    if len(pods) == 1:
        return not_ready("rollout", told)
    return not_ready("pod_rejected", f"{told}, as were {len(pods) - 1} before it")


def judge_scheduling(pod: Pod, details: Details) -> Verdict:
    """A pod without a node: nothing heals a request that exceeds every node, while a busy GPU may free."""
    if details.oversized:
        told = f"Pod {pod.name} can never be scheduled: {details.oversized}"
        return not_ready("unschedulable", told, severity=PERMANENT)
    if CLAIM.search(pod.unschedulable):
        return not_ready("volume", f"Pod {pod.name} waits for a volume: {pod.unschedulable}")
    if pod.unschedulable:
        told = f"Pod {pod.name} waits for a node: {pod.unschedulable} {details.holders}".rstrip()
        return not_ready("unschedulable", told + unseen(details))
    gated = f": {pod.gated}" if pod.gated else ""
    return not_ready("scheduling", f"Pod {pod.name} has not been scheduled yet{gated}")


def judge_waiting(pod: Pod) -> Verdict:
    """A container that cannot be made."""
    reason, told = WAITING[pod.waiting]
    severity = None
    if reason == "image_pull":
        reason, severity = judge_pull(pod.message)
    return not_ready(reason, f"Pod {pod.name}: {told}: {pod.message or pod.waiting}", pod_phase(pod), severity)


def judge_ended(pod: Pod, details: Details) -> Verdict:
    """A container that has ended. Where it runs again, only what never passes counts for more than that."""
    reason, severity, told = judge_crash(pod, details)
    if pod.running and severity != PERMANENT:
        running = judge_running(pod, details)
        return replace(running, msg=f"{running.msg}. Before, {told}")
    return not_ready(reason, f"Pod {pod.name}: {told}", pod_phase(pod), severity)


def judge_running(pod: Pod, details: Details) -> Verdict:
    """A container that runs and is not Ready."""
    if pod.initialises:
        return not_ready("starting", f"Pod {pod.name}: its init container {pod.container} runs", pod_phase(pod))
    if details.serves:
        told = f"Pod {pod.name} generates, but a probe of it fails{unhealthy(details.events)}"
        return not_ready("probe_misconfigured", told, "started", PERMANENT)
    if not pod.started:
        told = f"Pod {pod.name} runs and its startup probe has not passed yet: the model is loading"
        return not_ready("loading", told, "started")
    told = f"Pod {pod.name} has started but its readiness probe fails{unhealthy(details.events)}"
    return not_ready("probe_failing", told, "loaded")


def judge_start(pod: Pod, details: Details) -> Verdict:
    """A container that is being made."""
    volume = judge_volume(details.events)
    if volume:
        return not_ready(volume[0], f"Pod {pod.name}: {volume[1]}", "scheduled")
    told = f"Pod {pod.name} is being started: {pod.waiting or 'Pending'} {pod.container}".rstrip()
    return not_ready("starting", told + unseen(details), pod_phase(pod))


def unseen(details: Details) -> str:
    """What may not be read and might say more."""
    return f" ({details.missing})" if details.missing else ""


def pod_phase(pod: Pod) -> str | None:
    """The last phase that a pod has passed, or None before it has a node."""
    runs = not pod.initialises and (pod.running or pod.restarts > 0)
    passed = (pod.scheduled, pod.pulled and not pod.initialises, runs, runs and (pod.ready or pod.started))
    done = [name for name, reached in zip(PHASES, passed, strict=False) if reached]
    return done[-1] if done else None
