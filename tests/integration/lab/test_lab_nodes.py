# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake nodes: GPUs are placed and refused truthfully, and a lost node stays lost."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.conftest import SharedLab
from tests.lab.kubeapi import KubeApi

_DEADLINE = 30.0
_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def wait_for(what: str, condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {_DEADLINE:.0f} s for {what} in vain"
        time.sleep(0.05)
    return found


@pytest.fixture
def namespace(lab: SharedLab) -> Iterator[str]:
    api, name = KubeApi(lab.kubeconfig), f"nodes-{uuid.uuid4().hex[:8]}"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}, "kind": "Namespace"})
    wait_for("its service account", lambda: api.get(f"/api/v1/namespaces/{name}/serviceaccounts")["items"])
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.mark.parametrize(
    ("gpus", "tolerates", "reason"),
    [(3, True, "Insufficient nvidia.com/gpu"), (1, False, "untolerated taint"), (0, False, None)],
)
def test_pods_go_where_they_fit(lab: SharedLab, namespace: str, gpus: int, tolerates: bool, reason: str | None) -> None:
    api, path = KubeApi(lab.kubeconfig), f"/api/v1/namespaces/{namespace}/pods"
    limits = {"limits": {"nvidia.com/gpu": str(gpus)}} if gpus else {}
    container = {"name": "main", "image": "example.org/none:1", "resources": limits}
    spec = {"containers": [container], "tolerations": [_TOLERATION] if tolerates else []}
    api.create(path, {"kind": "Pod", "metadata": {"name": "pod"}, "spec": spec})

    def verdict() -> Any:
        conditions = api.get(f"{path}/pod")["status"].get("conditions", [])
        return next((entry for entry in conditions if entry["type"] == "PodScheduled"), None)

    found = wait_for("the scheduler", verdict)
    if reason is None:
        assert found["status"] == "True"
        assert api.get(f"{path}/pod")["spec"]["nodeName"] == "cpu-node-0"
    else:
        assert (found["status"], found["reason"]) == ("False", "Unschedulable")
        assert reason in found["message"]


def test_each_gpu_node_has_two(lab: SharedLab) -> None:
    for name in ("gpu-node-0", "gpu-node-1"):
        node = KubeApi(lab.kubeconfig).get(f"/api/v1/nodes/{name}")
        assert node["status"]["allocatable"]["nvidia.com/gpu"] == "2"
        assert node["metadata"]["labels"]["nvidia.com/gpu.present"] == "true"
        assert {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"} in node["spec"]["taints"]
