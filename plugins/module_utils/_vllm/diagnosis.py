# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a container ended, or a pod does not get on: pure decisions on its log, its events and resources."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Details, Event, Pod
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import HEALS, PERMANENT, REASONS, SUSPECT
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.text import readable

LAST_LINES = 3
# A pattern can take a time that grows with the square of a line's length.
LONGEST_SEARCHED = 2000

# What the line of a log tells, the most specific first: a full GPU also ends with "Engine core initialization failed".
CAUSES = tuple(
    (reason, re.compile(pattern, re.IGNORECASE))
    for reason, pattern in (
        ("bad_flag", r"error: (unrecognized arguments|argument -|ambiguous option|the following arguments)"),
        ("model_gated", r"GatedRepoError|gated repo|Access to model .* is restricted|Invalid (username|user token)"),
        ("model_not_found", r"RepositoryNotFoundError|RevisionNotFoundError|HFValidationError|EntryNotFoundError: 404"),
        ("model_not_found", r"Invalid repository ID or local directory"),
        ("model_not_found", r"does not appear to have a file named|is not a local folder and is not a valid model"),
        ("hub_unreachable", r"LocalEntryNotFoundError|OfflineModeIsEnabled|HfHubHTTPError: 5\d\d"),
        ("hub_unreachable", r"(Failed to (resolve|establish)|Max retries|Temporary failure).*(huggingface|hf\.co)"),
        ("hub_unreachable", r"(couldn't connect|timed out|Connect(ion)?(Error|Timeout)).*(huggingface|hf\.co)"),
        ("weights_truncated", r"SafetensorError|MetadataIncompleteBuffer|HeaderTooLarge|invalid load key"),
        ("unsupported_architecture", r"architectures? .* (is|are) not supported|Transformers does not recognize this"),
        ("context_too_long", r"max seq len \(?\d+\)? is larger than the maximum|No available memory for"),
        ("context_too_long", r"KV cache is needed, which is larger than the available"),
        ("cuda_out_of_memory", r"CUDA out of memory|OutOfMemoryError|HIP out of memory|CUDA error: out of memory"),
        ("cuda_out_of_memory", r"Free memory on device .* is less than desired GPU memory utilization"),
        ("no_gpu", r"Failed to infer device type|No CUDA GPUs are available|no NVIDIA|Driver was not detected"),
        ("no_gpu", r"larger than the number of available GPUs|CUDA error: no CUDA-capable device"),
        ("port_in_use", r"\[?Errno 98\]?|Address already in use"),
        ("disk_full", r"\[?Errno 28\]?|No space left on device"),
        ("engine_died", r"EngineDeadError|EngineCore died"),
    )
)  # fmt: skip

# Events of the kubelet and the node controller that tell why a pod does not get on.
KILLED_BY_PROBE = re.compile(r"failed (startup|liveness) probe, will be restarted")
# How a container ends that is told to: by itself, by SIGKILL, by SIGTERM.
TOLD_TO_END = (0, 137, 143)
MISSING_SOURCE = re.compile(r"\b(secret|configmap)s? \"[^\"]+\" not found|references non-existent (secret|config) key")
VOLUME_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")


# A container that has not been made yet.
BEING_MADE = ("", "ContainerCreating", "PodInitializing")


def wanted_details(pod: Pod) -> frozenset[str]:
    """What else has to be read to say why a pod is not Ready: `resources`, `events`, `log`, `serving`."""
    if pod.ready or pod.phase == "Failed":
        return frozenset()
    if not pod.scheduled:
        return frozenset({"resources"} if pod.unschedulable else ())
    if pod.running:
        return frozenset({"events", "serving", "log"} if pod.exit_code is not None else {"events", "serving"})
    if pod.exit_code is not None:
        return frozenset({"events", "log"})
    return frozenset({"events"} if pod.waiting in BEING_MADE else ())


def cause_of(lines: Sequence[str]) -> tuple[str, str] | None:
    """The reason that a log tells of and the line that does, or None if it says nothing known."""
    for reason, pattern in CAUSES:
        for line in lines:
            if pattern.search(line[:LONGEST_SEARCHED]):
                return reason, readable(line)
    return None


def judge_crash(pod: Pod, details: Details) -> tuple[str, str, str]:
    """Why a container ended: reason, severity, and what to tell."""
    ended = f"container {pod.container} ended with exit code {pod.exit_code} ({pod.exit_reason or 'Error'})"
    ended += f", {pod.restarts} restarts so far"
    if pod.exit_reason == "OOMKilled":
        return "oom_killed", SUSPECT, ended
    found = cause_of([*details.log, *pod.exit_message.splitlines()])
    killed = next((event.message for event in reversed(details.events) if KILLED_BY_PROBE.search(event.message)), "")
    if killed and not found:
        return "probe_misconfigured", SUSPECT, f"{ended}: {killed}{unhealthy(details.events)}"
    if found:
        return found[0], REASONS[found[0]].severity, f"{ended}: {found[1]}"
    if not details.settled:
        return "crash", HEALS, f"{ended}; whether a probe had it ended is not known yet{last_words(pod, details)}"
    return "crash", SUSPECT, f"{ended}{last_words(pod, details)}"


def last_words(pod: Pod, details: Details) -> str:
    """The end of a container's log, as far as it may be read."""
    lines = [line for line in details.log or pod.exit_message.splitlines() if line.strip()]
    if lines:
        return f"; its last lines: {' | '.join(map(readable, lines[-LAST_LINES:]))}"
    return f"; {details.missing}" if details.missing else "; its log is empty"


def unhealthy(events: Sequence[Event]) -> str:
    """What a probe was last answered."""
    messages = [event.message for event in events if event.reason == "Unhealthy"]
    return f" ({readable(messages[-1])})" if messages else ""


def is_node_lost(events: Sequence[Event]) -> bool:
    """Whether the node's controller has given the pod's node up, and its kubelet has not been heard of since."""
    told = [event.reason for event in events if event.reason != "TaintManagerEviction"]
    return told[-1:] == ["NodeNotReady"]


def judge_volume(events: Sequence[Event]) -> tuple[str, str] | None:
    """Why the volumes of a pod cannot be mounted: reason and message, or None if nothing says so."""
    told = [event.message for event in events if event.reason in VOLUME_EVENTS]
    if not told:
        return None
    return ("config_missing" if MISSING_SOURCE.search(told[-1]) else "volume"), readable(told[-1])


def judge_pull(message: str) -> tuple[str, str]:
    """A flaky registry heals; an image that is not there, or not for us, does not."""
    text = message.lower()
    if any(word in text for word in ("unauthorized", "authentication required", "403 forbidden", "access denied")):
        return "image_unauthorized", PERMANENT
    if any(word in text for word in ("not found", "manifest unknown", "repository does not exist")):
        return "image_not_found", PERMANENT
    return "image_pull", REASONS["image_pull"].severity


def lacking(message: str) -> list[str]:
    """The resources that the scheduler found too little of, from its message."""
    return list(dict.fromkeys(re.findall(r"Insufficient ([\w./-]*\w)", message)))


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


def holders_of(resource: str, pods: Mapping[str, Decimal], some: int = 5) -> str:
    """Who holds a resource, the greatest first.

    Args:
        resource: its name.
        pods: what each running pod requests of it, by `namespace/name`.
        some: how many are named.
    """
    held = sorted(((amount, name) for name, amount in pods.items() if amount > 0), key=lambda pair: (-pair[0], pair[1]))
    if not held:
        return f"no pod that may be read holds {resource}"
    named = ", ".join(f"{name} ({amount:f})" for amount, name in held[:some])
    return f"{resource} is held by {named}{', …' if len(held) > some else ''}"
