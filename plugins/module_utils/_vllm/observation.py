# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was observed of a model's workload and server, and the verdict that is reached on it: values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PHASES = ("scheduled", "pulled", "started", "loaded", "serving", "verified")

# How a reason ends: `heals` may pass by waiting, `suspect` repeats more often than not, `permanent` never passes.
HEALS, SUSPECT, PERMANENT = "heals", "suspect", "permanent"
FAILS_AT_ONCE = {"never": (), "permanent": (PERMANENT,), "suspect": (PERMANENT, SUSPECT)}


# Every reason that a verdict can have; docs/readiness.md says what each one means.
REASONS = frozenset(
    {"admission_denied", "api_unreachable", "config_missing", "container_error", "crash", "denied", "forbidden"}
    | {"image_name_invalid", "image_never_present", "image_not_found", "image_pull", "image_unauthorized", "loading"}
    | {"not_found", "not_generating", "not_serving", "not_vllm", "oom_killed", "probe_failing", "quota", "refused"}
    | {
        "rollout",
        "scaled_to_zero",
        "scheduling",
        "served",
        "server_error",
        "starting",
        "timeout",
        "tls_mismatch",
        "unauthorised",
    }
    | {"unhealthy", "unschedulable", "wrong_name"}
)


@dataclass(frozen=True)
class Answer:
    """What came of one HTTP request: a status with its body, or the kind of failure that replaced them.

    `error` is one of refused, reset, timeout, closed, resolve, tls, malformed, too_large, or None.
    """

    status: int | None = None
    payload: Any = None
    error: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class Probe:
    """The three answers of one round: the list of models, a completion of one token, and /health after it."""

    models: Answer
    completion: Answer | None = None
    health: Answer | None = None


@dataclass(frozen=True)
class Pod:
    """What the Kubernetes API says of one pod of the newest revision."""

    name: str
    scheduled: bool = False
    unschedulable: str = ""
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
    port: int = 8000


@dataclass(frozen=True)
class Workload:
    """What the Kubernetes API says of a release's Deployment. `blocked` is the cause why no pod could be made.

    `oversized` says which request exceeds every node, where a pod is unschedulable and nodes may be read.
    """

    found: bool = False
    observed: bool = False
    desired: int = 1
    updated: int = 0
    ready: int = 0
    available: int = 0
    total: int = 0
    blocked: str = ""
    oversized: str = ""
    pods: tuple[Pod, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """`reason` is None when ready, otherwise one of REASONS."""

    ready: bool
    reason: str | None
    msg: str
    severity: str = HEALS
    phase: str | None = None
    served_models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.reason is not None and self.reason not in REASONS:
            raise ValueError(f"{self.reason} is not a documented reason")


# What a person can do about a reason. A reason that is missing here passes by itself or says all in its message.
REMEDIES = {
    "not_found": "Deploy the release first, or check its name and namespace.",
    "scaled_to_zero": "Scale the Deployment up: kubectl scale --replicas.",
    "unschedulable": "Request less, free a GPU, or add a node that has what is requested.",
    "image_not_found": "Check the image's repository and tag or digest.",
    "image_unauthorized": "Name a pull secret that may read this image.",
    "image_name_invalid": "Correct the image's name in the values.",
    "image_never_present": "Load the image onto the node, or let it be pulled.",
    "config_missing": "Create the Secret or ConfigMap that is named, in the same namespace.",
    "crash": "Read the container's log: kubectl logs --previous.",
    "oom_killed": "Give the container more memory, or the model less context.",
    "probe_failing": "Compare the readiness probe's path and port with what the server offers.",
    "quota": "Free or raise the namespace's quota.",
    "admission_denied": "Change the values so that the namespace's policies admit the pod.",
    "not_generating": "Restart the pod: its engine hangs or died while its HTTP server lives.",
    "wrong_name": "Deploy the model under this name, or verify and register one of the names that are served.",
    "unauthorised": "Give the key that the server was started with as api_key.",
    "tls_mismatch": "Use the scheme that the server speaks, and name its authority as ca_cert.",
}
