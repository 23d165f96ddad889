# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every reason why a model is not ready: whether it can pass by waiting, what it means, what a person can do."""

from __future__ import annotations

from typing import NamedTuple

# `heals` may pass by waiting, `suspect` repeats more often than not, `permanent` never passes.
HEALS, SUSPECT, PERMANENT = "heals", "suspect", "permanent"
FAILS_AT_ONCE = {"never": (), "permanent": (PERMANENT,), "suspect": (PERMANENT, SUSPECT)}


class Reason(NamedTuple):
    """What docs/readiness.md says of a reason. The severity is the usual one; a verdict may know better."""

    severity: str
    meaning: str
    remedy: str = ""


REASONS = {
    # The Deployment
    "not_found": Reason(
        PERMANENT,
        "no Deployment carries the label of the release",
        "Deploy the release first, or check its name and namespace.",
    ),
    "scaled_to_zero": Reason(
        PERMANENT, "the Deployment wants no pod", "Scale the Deployment up: kubectl scale --replicas."
    ),
    "paused": Reason(
        SUSPECT, "the Deployment's rollout is paused", "Resume it: kubectl rollout resume deployment/NAME."
    ),
    "quota": Reason(
        HEALS, "no pod can be made: the namespace's quota is used up", "Free or raise the namespace's quota."
    ),
    "admission_denied": Reason(
        PERMANENT,
        "no pod can be made: a policy or a webhook refuses it",
        "Change the values so that the namespace's policies admit the pod.",
    ),
    "rollout": Reason(HEALS, "replicas are still missing or being replaced"),
    "slow": Reason(
        HEALS,
        "the Deployment's progress deadline has passed while the pods still advance",
        "Give the chart a longer progressDeadlineSeconds, or make loading faster.",
    ),
    "verifying": Reason(HEALS, "the rollout is complete, and its servers are about to be asked"),
    # A pod before its container runs
    "scheduling": Reason(HEALS, "the scheduler has not looked at the pod"),
    "unschedulable": Reason(
        HEALS,
        "no node has room now; permanent if a request exceeds every node",
        "Request less, free a GPU, or add a node that has what is requested.",
    ),
    "pod_rejected": Reason(
        SUSPECT,
        "the node refused or evicted the pod",
        "Look at the node: kubectl describe node. A device plugin or a full disk is the usual cause.",
    ),
    "starting": Reason(HEALS, "the container is being made"),
    "volume": Reason(
        HEALS, "a volume cannot be mounted", "Check the volume's claim and its storage class: kubectl describe pod."
    ),
    "image_pull": Reason(HEALS, "the registry does not answer well"),
    "image_not_found": Reason(
        PERMANENT, "the registry has no such image", "Check the image's repository and tag or digest."
    ),
    "image_unauthorized": Reason(
        PERMANENT, "the registry does not let this pod have the image", "Name a pull secret that may read this image."
    ),
    "image_name_invalid": Reason(PERMANENT, "the image's name is malformed", "Correct the image's name in the values."),
    "image_never_present": Reason(
        PERMANENT,
        "the image is not on the node and may not be pulled",
        "Load the image onto the node, or let it be pulled.",
    ),
    "config_missing": Reason(
        PERMANENT,
        "a Secret, a ConfigMap or a key in it is missing",
        "Create the Secret or ConfigMap that is named, in the same namespace.",
    ),
    "container_error": Reason(SUSPECT, "the container cannot be created or run"),
    # A container that ended
    "crash": Reason(
        SUSPECT,
        "the container ended for a reason that is not known",
        "Read the container's log: kubectl logs --previous.",
    ),
    "oom_killed": Reason(
        SUSPECT,
        "the container used more memory than its limit",
        "Give the container more memory, or the model less context.",
    ),
    "engine_died": Reason(
        SUSPECT, "vLLM's engine died and the server ended with it", "Read the container's log: kubectl logs --previous."
    ),
    "cuda_out_of_memory": Reason(
        SUSPECT,
        "the model does not fit into the GPU's memory",
        "Lower --max-model-len or --gpu-memory-utilization, use more GPUs, or free the GPU.",
    ),
    "context_too_long": Reason(
        PERMANENT,
        "the KV cache cannot hold the model's context",
        "Lower --max-model-len, raise --gpu-memory-utilization, or use more GPUs.",
    ),
    "no_gpu": Reason(
        SUSPECT,
        "the container sees no GPU, or fewer than --tensor-parallel-size",
        "Request as many GPUs as --tensor-parallel-size says, and check the node's driver.",
    ),
    "model_gated": Reason(
        PERMANENT,
        "the hub wants a token with access to this model",
        "Ask for access on the model's page, and give the pod HF_TOKEN by a Secret.",
    ),
    "model_not_found": Reason(
        PERMANENT, "the hub or the path has no such model", "Correct the model's name, revision or path in the values."
    ),
    "hub_unreachable": Reason(
        SUSPECT,
        "the hub cannot be reached and the model is not cached",
        "Give the pod a way to the hub or a mirror, or mount the model.",
    ),
    "bad_flag": Reason(PERMANENT, "vLLM does not take one of its arguments", "Correct the arguments in the values."),
    "weights_truncated": Reason(
        PERMANENT, "the model's files are incomplete or damaged", "Download the model again, with its checksums."
    ),
    "port_in_use": Reason(SUSPECT, "the port is taken already", "Use another port, or do without hostNetwork."),
    "unsupported_architecture": Reason(
        PERMANENT, "this vLLM does not know the model's architecture", "Use a vLLM image that supports the model."
    ),
    "disk_full": Reason(SUSPECT, "the disk is full", "Give the cache or the volume more room."),
    "probe_misconfigured": Reason(
        SUSPECT,
        "a probe ends the container before the model is loaded; permanent if one fails of a server that generates",
        "Compare the probe's path, port and patience with what the server offers and needs.",
    ),
    # A container that runs
    "loading": Reason(HEALS, "the container runs; its startup probe has not passed"),
    "probe_failing": Reason(
        HEALS,
        "it has started; its readiness probe fails",
        "Compare the readiness probe's path and port with what the server offers.",
    ),
    "node_lost": Reason(HEALS, "the pod's node does not report any more", "Bring the node back, or delete the pod."),
    # The server
    "not_serving": Reason(HEALS, "the server's port does not answer"),
    "timeout": Reason(HEALS, "the HTTP server does not answer in time"),
    "server_error": Reason(HEALS, "it answers 5xx"),
    "draining": Reason(HEALS, "it is being shut down and aborts requests"),
    "busy": Reason(
        HEALS, "it generates for others, and its queue is too long for an answer in time", "Add replicas, or wait."
    ),
    "sleeping": Reason(SUSPECT, "its engine was put to sleep", "Wake it: POST /wake_up."),
    "old_process": Reason(HEALS, "the process that answers was started before started_after"),
    "not_vllm": Reason(
        SUSPECT,
        "what answers is no OpenAI-compatible server: a redirect, a web page, or something else",
        "Check the address and what stands in front of the server.",
    ),
    "wrong_name": Reason(
        PERMANENT,
        "the name is not served; the message lists those that are",
        "Deploy the model under this name, or verify and register one of the names that are served.",
    ),
    "refused": Reason(PERMANENT, "the completion is refused as a bad request"),
    "not_generating": Reason(
        SUSPECT,
        "alive, but no token comes",
        "Restart the pod: its engine hangs or died while its HTTP server lives.",
    ),
    "no_text": Reason(
        SUSPECT, "tokens come and hold no text, as with damaged weights", "Check the weights and the data type."
    ),
    "unhealthy": Reason(SUSPECT, "`/health` fails after the completion"),
    "unauthorised": Reason(
        PERMANENT, "the API key is missing or wrong", "Give the key that the server was started with as api_key."
    ),
    "tls_mismatch": Reason(
        PERMANENT,
        "the scheme or the certificate does not fit",
        "Use the scheme that the server speaks, and name its authority as ca_cert.",
    ),
    # The Kubernetes API
    "forbidden": Reason(
        PERMANENT,
        "the Kubernetes account may not look; the message names verb and resource",
        "Give the account this verb on this resource: docs/readiness.md has the Role.",
    ),
    "api_unauthorised": Reason(
        SUSPECT, "the Kubernetes API does not accept the credentials, or no more", "Renew the kubeconfig's credentials."
    ),
    "api_unreachable": Reason(HEALS, "the Kubernetes API does not answer"),
    # The router, for model_route alone
    "denied": Reason(HEALS, "the router answers 404 for a model that it should serve"),
    "served": Reason(HEALS, "the router serves a model that it should deny"),
}
OF_ROUTES = ("denied", "served")


def remedy(reason: str | None) -> str:
    """What a person can do about a reason; empty if it passes by itself or says all in its message."""
    return REASONS[reason].remedy if reason else ""
