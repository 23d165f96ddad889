# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as the Kubernetes API writes them in JSON: what is empty is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"
LABEL = "app.kubernetes.io/instance"
PROBES = {
    "startupProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 5, "failureThreshold": 600},
    "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 5},
}


def metadata(kind: str, name: str, owner: str = "", revision: str = "", **more: Any) -> Json:
    """The metadata of an object of the release `m`; its uid is made of its kind and name."""
    given: Json = {"name": name, "namespace": "ns", "uid": f"{kind}-{name}", "labels": {LABEL: "m"}, **more}
    given["resourceVersion"] = "1"
    if owner:
        given["ownerReferences"] = [{"kind": "Any", "name": owner, "uid": owner, "controller": True}]
    if revision:
        given["annotations"] = {REVISION: revision}
    return given


def deployment(revision: str = "1", conditions: Sequence[Json] = (), spec: Json | None = None, **status: Any) -> Json:
    """A Deployment of one replica that its controller has seen, complete unless a status says otherwise."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    merged = {"observedGeneration": 1, **counts, "conditions": list(conditions), **status}
    return {
        "metadata": metadata("dep", "m", revision=revision, generation=1),
        "spec": {"replicas": 1, **(spec or {})},
        "status": {name: value for name, value in merged.items() if value not in (None, [])},
    }


def replicaset(revision: str = "1", name: str = "", conditions: Sequence[Json] = (), owner: str = "dep-m") -> Json:
    return {
        "metadata": metadata("rs", name or f"m-{revision}", owner, revision),
        "spec": {"replicas": 1},
        "status": {"replicas": 1, **({"conditions": list(conditions)} if conditions else {})},
    }


def condition(kind: str, status: str = "True", reason: str = "", message: str = "") -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def container_status(name: str = "vllm", state: Json | None = None, last: Json | None = None, **more: Any) -> Json:
    """The status of a container; it runs and is ready unless told otherwise."""
    running = state is None
    return {
        "name": name,
        "image": "vllm/vllm-openai:v0.32.0",
        "imageID": "docker.io/vllm/vllm-openai@sha256:0" if running else "",
        "state": {"running": {"startedAt": "2026-11-23T10:00:00Z"}} if state is None else state,
        "lastState": last or {},
        "restartCount": 0,
        "started": running,
        "ready": running,
        **more,
    }


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def terminated(code: int, reason: str = "Error", message: str = "") -> Json:
    return {"terminated": {"exitCode": code, "reason": reason, **({"message": message} if message else {})}}


def pod(name: str = "m-1-a", owner: str = "rs-m-1", **given: Any) -> Json:
    """A pod on a node whose container runs and is Ready.

    Args:
        name: of the pod.
        owner: the uid of its ReplicaSet.
        given: `containers` and `inits` (statuses), `node`, `phase`, `conditions`, `container` (more of its spec),
            `status` and `metadata` (more of them).
    """
    containers = given.get("containers", [container_status()])
    ready = all(each["ready"] for each in containers)
    status: Json = {
        "phase": given.get("phase", "Running"),
        "conditions": given.get("conditions", [condition("Ready", str(ready)), condition("PodScheduled")]),
        **({"initContainerStatuses": given["inits"]} if "inits" in given else {}),
        **({"containerStatuses": containers} if containers else {}),
        **given.get("status", {}),
    }
    container = {"name": "vllm", "ports": [{"name": "http", "containerPort": 8000}], **given.get("container", {})}
    node = given.get("node", "n1")
    return {
        "metadata": metadata("pod", name, owner, **given.get("metadata", {})),
        "spec": {"containers": [container], **({"nodeName": node} if node else {})},
        "status": status,
    }


def event(reason: str, message: str = "", at: str = "2026-11-23T10:00:00Z", **more: Any) -> Json:
    return {"reason": reason, "message": message, "lastTimestamp": at, **more}
