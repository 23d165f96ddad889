# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node, a device and a namespace that no other test uses, and what the scheduler says there."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.capacity import guarded
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.wanted import Wanted
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube

from tests.integration.conftest import SharedLab
from tests.integration.readiness.waiting import eventually

Json = dict[str, Any]

DEVICE = "example.com/gpu"
SECONDS = 30


@dataclass
class World:
    """A node with some devices, and a namespace."""

    lab: SharedLab
    devices: int = 2
    name: str = field(default_factory=lambda: f"cap-{uuid.uuid4().hex[:6]}")

    def kubectl(self, *words: str, given: Json | None = None, check: bool = True) -> str:
        ended = subprocess.run(
            ["kubectl", *words],
            input=json.dumps(given) if given else None,
            env={**os.environ, **self.lab.env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or ended.returncode == 0, ended.stderr
        return ended.stdout

    def begin(self) -> None:
        capacity = {"cpu": "4", "memory": "16Gi", "pods": "10", DEVICE: str(self.devices)}
        node: Json = {"apiVersion": "v1", "kind": "Node", "status": {"allocatable": capacity, "capacity": capacity}}
        node["metadata"] = {
            "name": self.name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"own": self.name, "zone": "a", "size": "5"},
        }
        node["spec"] = {"taints": [{"key": "own", "value": self.name, "effect": "NoSchedule"}]}
        self.kubectl("create", "--filename", "-", given=node)
        self.kubectl("create", "namespace", self.name)
        ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        self.wait("the node", lambda: "True" in self.kubectl("get", "node", self.name, "-o", ready))
        # A new node is tainted as not ready until the controller has seen that it is.
        keys = "jsonpath={.spec.taints[*].key}"
        self.wait("the end of its taint", lambda: self.kubectl("get", "node", self.name, "-o", keys) == "own")
        self.wait("the account", lambda: "default" in self.kubectl("get", "serviceaccounts", "-n", self.name))

    def end(self) -> None:
        self.kubectl("delete", "pods", "--all", "-n", self.name, "--force", "--grace-period=0", check=False)
        self.kubectl("delete", "namespace", self.name, "--wait=false", check=False)
        self.kubectl("delete", "node", self.name, "--wait=false", check=False)
        self.kubectl("delete", "clusterroles,clusterrolebindings", "--selector", f"own={self.name}", check=False)

    def allow(self, right: str) -> None:
        """Let the namespace's account list objects of one kind."""
        name = f"{self.name}-{right}"
        account = f"{self.name}:default"
        self.kubectl("create", "clusterrole", name, "--verb=list", f"--resource={right}")
        self.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount={account}")
        for kind in ("clusterrole", "clusterrolebinding"):
            self.kubectl("label", kind, name, f"own={self.name}")

    def wait(self, what: str, fact: Any) -> None:
        eventually(fact, SECONDS, what)

    def spec(self, *containers: Json, tolerates: bool = True, **more: Any) -> Json:
        toleration = [{"key": "own", "operator": "Exists"}] if tolerates else []
        named = [{"name": f"c{number}", "image": "x", **each} for number, each in enumerate(containers)]
        return {"containers": named, "nodeSelector": {"own": self.name}, "tolerations": toleration, **more}

    def pods(self) -> list[Json]:
        found: list[Json] = json.loads(self.kubectl("get", "pods", "-n", self.name, "-o", "json"))["items"]
        return found

    def make(self, name: str, spec: Json, release: str) -> None:
        """Make a pod, and wait until the scheduler has said something about it."""
        about = {"name": name, "labels": {"app.kubernetes.io/instance": release}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec}
        self.kubectl("create", "-n", self.name, "--filename", "-", given=pod, check=False)
        self.wait("the scheduler's word", lambda: name not in self.undecided())

    def undecided(self) -> list[str]:
        return [each["metadata"]["name"] for each in self.pods() if scheduled(each) is None]

    def foretold(self, spec: Json, replicas: int, release: str = "new") -> Json:
        return guarded(Kube(str(self.lab.kubeconfig)), self.name, release, Wanted(spec, replicas))

    def placed(self, start: str = "new") -> int:
        """How many pods have a node whose names begin so."""
        return sum(each["metadata"]["name"].startswith(start) and bool(scheduled(each)) for each in self.pods())

    def deploy(self, replicas: int, spec: Json) -> None:
        """As Helm does by the chart with strategy.surge."""
        labels = {"app.kubernetes.io/instance": "new"}
        deployment: Json = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "new"}}
        deployment["spec"] = {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels}, "spec": {**spec, "terminationGracePeriodSeconds": 0}},
        }
        self.kubectl("apply", "-n", self.name, "--filename", "-", given=deployment)

    def rollout(self) -> Json:
        """The Deployment's status, once it is of its newest spec."""
        found: Json = json.loads(self.kubectl("get", "deployment", "new", "-n", self.name, "-o", "json"))
        is_known = found["status"].get("observedGeneration") == found["metadata"]["generation"]
        return found["status"] if is_known else {}


def scheduled(pod: Json) -> bool | None:
    """Whether a pod has a node, or None if nobody has tried yet."""
    if pod["spec"].get("nodeName"):
        return True
    conditions = [each for each in pod.get("status", {}).get("conditions") or () if each["type"] == "PodScheduled"]
    return False if conditions else None


def gpus(count: int, **more: str) -> Json:
    return {"resources": {"limits": {DEVICE: str(count), "memory": "1Gi", "cpu": "1", **more}}}
