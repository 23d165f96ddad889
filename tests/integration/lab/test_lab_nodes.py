# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake nodes: GPUs are placed and refused truthfully, and a lost node stays lost."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import SharedLab
from tests.integration.lab_cli import LabCli
from tests.lab.kubeapi import KubeApi
from tests.lab.paths import default_name

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


def test_a_lost_node_stays_lost_until_its_label_goes() -> None:
    """In a lab of its own: a lost node would disturb whoever shares it."""
    lab = LabCli(f"{default_name()}-lost")
    try:
        api, path = KubeApi(Path(lab.up().kubeconfig)), "/api/v1/nodes/gpu-node-0"
        api.patch(path, {"metadata": {"labels": {"lab-lost": "true"}}})
        condition = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "lost"}
        api.patch(f"{path}/status", {"status": {"conditions": [condition]}})
        # The node's own controller reacts; by then kwok would long have made it Ready again.
        wait_for("the taint of a lost node", lambda: "node.kubernetes.io/unreachable" in _taints(api, path))
        assert _ready(api, path) == "Unknown"
        api.patch(path, {"metadata": {"labels": {"lab-lost": None}}})
        wait_for("the node to come back", lambda: _ready(api, path) == "True")
    finally:
        lab.down()


def _ready(api: KubeApi, path: str) -> str:
    conditions = api.get(path)["status"]["conditions"]
    return next(str(entry["status"]) for entry in conditions if entry["type"] == "Ready")


def _taints(api: KubeApi, path: str) -> list[str]:
    return [taint["key"] for taint in api.get(path)["spec"].get("taints", [])]
