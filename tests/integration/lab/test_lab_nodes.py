# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake nodes place and refuse GPUs truthfully; the resolver follows what the cluster has."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import SharedLab
from tests.integration.lab.router_world import DEADLINE, create, wait_for
from tests.lab.kubeapi import KubeApi
from tests.lab.resolver import Resolver, UnresolvableError

_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


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


def test_the_resolver_follows_the_cluster(lab: SharedLab, namespace: str) -> None:
    resolver, api = Resolver(lab.kubeconfig), KubeApi(lab.kubeconfig)
    path, host = f"/api/v1/namespaces/{namespace}/services", f"late.{namespace}.svc.cluster.local"
    resolver.start(DEADLINE)
    try:
        assert "no Service late" in _why_not(resolver, host)
        create(api, path, "Service", "late", spec={"ports": [{"port": 80}]})
        wait_for("the new Service", lambda: "no ready endpoint" in _why_not(resolver, host))
        api.delete(f"{path}/late")
        wait_for("its end", lambda: "no Service late" in _why_not(resolver, host))
    finally:
        resolver.stop()


def _why_not(resolver: Resolver, host: str) -> str:
    try:
        resolver.resolve(host, 80)
    except UnresolvableError as error:
        return str(error)
    return ""
