# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a release's rollout complete, and if not, why? Pure decisions on what the Kubernetes API says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import (
    HEALS,
    PERMANENT,
    PHASES,
    SUSPECT,
    Pod,
    Verdict,
    Workload,
)


def judge_workload(workload: Workload) -> Verdict | None:
    """Say what keeps the rollout from being complete, or None if nothing does."""
    if not workload.found:
        return Verdict(False, "not_found", "No Deployment carries the label of this release", PERMANENT)
    if workload.blocked:
        severity = HEALS if "exceeded quota" in workload.blocked else PERMANENT
        reason = "quota" if severity == HEALS else "admission_denied"
        return Verdict(False, reason, f"Kubernetes makes no pod: {workload.blocked}", severity)
    if workload.desired == 0:
        return Verdict(False, "scaled_to_zero", "The Deployment is scaled to 0 replicas", PERMANENT)
    if not workload.observed or not workload.pods:
        return Verdict(False, "rollout", "The Deployment's controller has not acted on the newest revision yet")
    for pod in workload.pods:
        trouble = judge_pod(pod, workload.oversized)
        if trouble:
            return trouble
    return judge_rollout(workload)


def judge_rollout(workload: Workload) -> Verdict | None:
    """Say which replicas are missing, once no pod shows a cause of its own."""
    counts = (workload.updated, workload.ready, workload.available)
    if min(counts) < workload.desired or workload.total > workload.desired:
        told = f"{counts[0]} updated, {counts[1]} ready, {counts[2]} available of {workload.desired}"
        return Verdict(False, "rollout", f"Rollout incomplete: {told}; {workload.total} pods in all", phase="started")
    return None


def judge_pod(pod: Pod, oversized: str) -> Verdict | None:
    """Say what keeps one pod from being Ready, or None if it is Ready."""
    if pod.ready:
        return None
    if not pod.scheduled:
        return judge_scheduling(pod, oversized)
    if pod.waiting in WAITING:
        reason, severity, told = WAITING[pod.waiting]
        if reason == "image_pull":
            reason, severity = judge_pull(pod.message)
        if reason == "crash" and pod.exit_reason == "OOMKilled":
            reason = "oom_killed"
        return Verdict(False, reason, f"Pod {pod.name}: {told}: {crash_cause(pod)}", severity, pod_phase(pod))
    if pod.running and not pod.started:
        told = f"Pod {pod.name} runs and its startup probe has not passed yet: the model is loading"
        return Verdict(False, "loading", told, phase="started")
    if pod.running:
        told = f"Pod {pod.name} has started but its readiness probe fails"
        return Verdict(False, "probe_failing", told, phase="loaded")
    return Verdict(False, "starting", f"Pod {pod.name} is being started: {pod.waiting or 'Pending'}", phase="scheduled")


def judge_scheduling(pod: Pod, oversized: str) -> Verdict:
    """A pod without a node: nothing heals a request that exceeds every node, while a busy GPU may free."""
    if oversized:
        return Verdict(False, "unschedulable", f"Pod {pod.name} can never be scheduled: {oversized}", PERMANENT)
    if pod.unschedulable:
        return Verdict(False, "unschedulable", f"Pod {pod.name} waits for a node: {pod.unschedulable}")
    return Verdict(False, "scheduling", f"Pod {pod.name} has not been scheduled yet")


# The kubelet's words for a container that waits: our reason, its severity, what to tell.
WAITING = {
    "ErrImageNeverPull": ("image_never_present", PERMANENT, "its image is not on the node and may not be pulled"),
    "InvalidImageName": ("image_name_invalid", PERMANENT, "its image name is not valid"),
    "ErrImagePull": ("image_pull", HEALS, "its image cannot be pulled"),
    "ImagePullBackOff": ("image_pull", HEALS, "its image cannot be pulled"),
    "CreateContainerConfigError": ("config_missing", PERMANENT, "something that its container refers to is missing"),
    "CreateContainerError": ("container_error", SUSPECT, "its container cannot be created"),
    "RunContainerError": ("container_error", SUSPECT, "its container cannot be run"),
    "CrashLoopBackOff": ("crash", SUSPECT, "its container keeps ending"),
}


def judge_pull(message: str) -> tuple[str, str]:
    """A flaky registry heals; an image that is not there, or not for us, does not."""
    text = message.lower()
    if any(word in text for word in ("unauthorized", "authentication required", "403 forbidden", "access denied")):
        return "image_unauthorized", PERMANENT
    if any(word in text for word in ("not found", "manifest unknown", "repository does not exist")):
        return "image_not_found", PERMANENT
    return "image_pull", HEALS


def crash_cause(pod: Pod) -> str:
    """What is known of why a container waits: its message, and how it last ended."""
    if pod.exit_code is None:
        return pod.message or pod.waiting
    ended = f"it last ended with exit code {pod.exit_code} ({pod.exit_reason or 'Error'})"
    return f"{ended} after {pod.restarts} restarts; {pod.message}".rstrip("; ")


def pod_phase(pod: Pod) -> str | None:
    """The last phase that a pod has passed, or None before it has a node."""
    passed = (pod.scheduled, pod.pulled, pod.running or pod.restarts > 0, pod.ready or pod.started)
    done = [name for name, reached in zip(PHASES, passed, strict=False) if reached]
    return done[-1] if done else None


def oversized_request(requests: Mapping[str, Decimal], nodes: Sequence[Mapping[str, Decimal]]) -> str:
    """Say which of a pod's requests no node can ever meet, or return an empty text.

    Args:
        requests: what the pod requests, by resource.
        nodes: the allocatable amounts of each node, by resource.
    """
    for resource, wanted in sorted(requests.items()):
        most = max((node.get(resource, Decimal(0)) for node in nodes), default=Decimal(0))
        if nodes and wanted > most:
            return f"it requests {resource}: {wanted:f}, and no node of {len(nodes)} has more than {most:f} of it"
    return ""
