# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes, pods, quotas and limit ranges as the API server has them."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.wanted import Wanted

Json = dict[str, Any]

GPU = "nvidia.com/gpu"


def container(restart: str = "", **requests: str) -> Json:
    named = {GPU if name == "gpu" else name: value for name, value in requests.items()}
    return {"name": "c", "resources": {"requests": named}, **({"restartPolicy": restart} if restart else {})}


def spec(*containers: Json, init: tuple[Json, ...] = (), **more: Any) -> Json:
    return {"containers": list(containers) or [container(gpu="1")], "initContainers": list(init), **more}


def wanted(replicas: int | None = 1, *containers: Json, can_surge: bool = True, **more: Any) -> Wanted:
    return Wanted(spec(*containers, **more), replicas, can_surge)


def node(name: str = "n", gpus: str = "1", **more: Any) -> Json:
    allocatable = {"cpu": "8", "memory": "64Gi", "pods": "110", GPU: gpus, **more.pop("allocatable", {})}
    return {
        "metadata": {"name": name, "labels": {"zone": "a", "size": "5", **more.pop("labels", {})}},
        "spec": more.pop("spec", {}),
        "status": {
            "allocatable": allocatable,
            "capacity": more.pop("capacity", allocatable),
            "conditions": [{"type": "Ready", "status": more.pop("ready", "True")}],
        },
    }


def pod(on: str = "n", uid: str = "old", phase: str = "Running", ends: bool = False, **requests: str) -> Json:
    given = spec(container(**(requests or {"gpu": "1"})), nodeName=on)
    about = {"uid": uid, "namespace": "ns", "labels": {}, **({"deletionTimestamp": "now"} if ends else {})}
    return {"metadata": about, "spec": given, "status": {"phase": phase}}


def quota(name: str = "q", scopes: Json | None = None, **hard_used: tuple[str, str]) -> Json:
    named = {key.replace("__gpu", f".{GPU}").replace("__", "."): value for key, value in hard_used.items()}
    status = {"hard": {k: v[0] for k, v in named.items()}, "used": {k: v[1] for k, v in named.items()}}
    return {"metadata": {"name": name}, "spec": {"hard": status["hard"], **(scopes or {})}, "status": status}


def limit_range(name: str = "r", kind: str = "Container", **item: Json) -> Json:
    return {"metadata": {"name": name}, "spec": {"limits": [{"type": kind, **item}]}}
