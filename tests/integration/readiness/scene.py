# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one case of a test makes in the lab and removes again, the signs by which the API shows what became of it, and
players for what the lab has nobody for."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.integration.lab.conftest import wait_for_service_account
from tests.integration.readiness.deployments import PATIENCE, Deployments, Json, container
from tests.integration.readiness.waiting import eventually
from tests.lab import state
from tests.lab.kubelet.api import ApiError

SECONDS_BETWEEN_LOOKS = 0.05
KINDS = {
    "configmaps": "api/v1",
    "events": "api/v1",
    "limitranges": "api/v1",
    "persistentvolumeclaims": "api/v1",
    "resourcequotas": "api/v1",
    "secrets": "api/v1",
    "serviceaccounts": "api/v1",
}


class Scene:
    """A release and what belongs to it, as a context manager that deletes all of it.

    Args:
        deployments: of the namespace in which the release is made.
        folder: for files.
        state_dir: of the lab.
    """

    def __init__(self, deployments: Deployments, folder: Path, state_dir: Path) -> None:
        self.deployments, self.folder, self.state_dir = deployments, folder, state_dir
        self.api = deployments.api
        self.release = f"r-{uuid.uuid4().hex[:8]}"
        self.ended = threading.Event()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.ended.set()
        self._stack.close()

    @property
    def namespace(self) -> str:
        return self.deployments.namespace

    def later(self, action: Callable[..., object], *arguments: Any) -> None:
        """Call this at the end; what is called last comes first. That something is gone already is no error."""

        def call() -> None:
            try:
                action(*arguments)
            except ApiError as error:
                if error.status != 404:
                    raise

        self._stack.callback(call)

    def play(self, action: Callable[[], object]) -> None:
        """Do something again and again until the end."""

        def run() -> None:
            while not self.ended.wait(SECONDS_BETWEEN_LOOKS):
                action()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._stack.callback(thread.join)

    def move(self, labels: Mapping[str, str] | None = None) -> None:
        """Take a namespace of its own."""
        name = f"own-{uuid.uuid4().hex[:8]}"
        self.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": dict(labels or {})}})
        self.later(self.api.request, "DELETE", f"/api/v1/namespaces/{name}")
        wait_for_service_account(self.api, name)
        self.deployments = Deployments(self.api, self.deployments.kubeconfig, name)

    def deploy(self, *containers: Json, **spec: Any) -> None:
        """Make the release's Deployment."""
        self.later(self.deployments.delete, self.release)
        self.deployments.create(self.release, *containers, **spec)

    def update(self, *containers: Json, **pod: Any) -> None:
        """Begin a rollout of other pods."""
        inside = {"containers": list(containers), **pod} if containers else pod
        self.deployments.patch(self.release, {"template": {"spec": inside}})

    def create(self, kind: str, name: str, **body: Any) -> None:
        """Make something else of the namespace."""
        path = f"/{KINDS[kind]}/namespaces/{self.namespace}/{kind}"
        self.api.request("POST", path, {"metadata": {"name": name}, **body})
        self.later(self.api.request, "DELETE", f"{path}/{name}")

    def patch_pod(self, pod: Json, status: Json) -> None:
        """Write a pod's status, as a kubelet does."""
        path = f"{self.deployments.pods.path}/pods/{pod['metadata']['name']}/status"
        self.api.request("PATCH", path, {"status": status})

    def tell(self, pod: Json, reason: str, message: str, component: str) -> None:
        """Make an event of a pod."""
        meta = {name: pod["metadata"][name] for name in ("name", "namespace", "uid")}
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        more = {"reason": reason, "message": message, "type": "Warning", "source": {"component": component}}
        times = {"firstTimestamp": now, "lastTimestamp": now, "count": 1}
        involved = {"apiVersion": "v1", "kind": "Pod", **meta}
        self.create("events", f"{meta['name']}.{uuid.uuid4().hex[:8]}", involvedObject=involved, **more, **times)

    def kill_processes(self) -> None:
        """SIGKILL to the servers of all its pods: the lab's kubelet takes that for the kernel's, short of memory."""
        for name, pid in state.living(self.state_dir).items():
            if name.startswith(f"{self.namespace}/{self.release}-"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def node(self, *, managed: bool) -> str:
        """A node that the scheduler gives no pod. Without a kubelet, a test can play it for pods that name the node."""
        name = f"node-{uuid.uuid4().hex[:8]}"
        room = {"cpu": "64", "memory": "512Gi", "pods": "0"}
        annotations = {"kwok.x-k8s.io/node": "fake"} if managed else {}
        meta = {"name": name, "annotations": annotations, "labels": {"kubernetes.io/hostname": name}}
        self.api.request("POST", "/api/v1/nodes", {"metadata": meta, "status": {"allocatable": room, "capacity": room}})
        self.later(self.api.request, "DELETE", f"/api/v1/nodes/{name}")
        # A pod that begins before its node has an address never gets one of its own.
        eventually(lambda: self.api.request("GET", f"/api/v1/nodes/{name}")["status"].get("addresses"))
        self.later(self._empty, managed)
        return name

    def _empty(self, managed: bool) -> None:
        """Let its pods end. Where there is no kubelet, nobody else lets them go."""
        selector = f"labelSelector={quote(f'app.kubernetes.io/instance={self.release}')}"
        path = f"{self.deployments.pods.path}/pods"
        deadline = time.monotonic() + PATIENCE
        while self.api.request("GET", f"{path}?{selector}")["items"]:
            assert time.monotonic() < deadline, "its pods do not end"
            if not managed:
                self.api.request("DELETE", f"{path}?{selector}", {"gracePeriodSeconds": 0})
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def pods(self) -> list[Json]:
        """Its pods that are not ending."""
        return self.deployments.pods_of(self.release)

    def containers(self) -> list[Json]:
        """The statuses of their containers."""
        kinds = ("initContainerStatuses", "containerStatuses")
        return [each for pod in self.pods() for kind in kinds for each in pod["status"].get(kind) or ()]

    def events(self, reason: str) -> list[Json]:
        """Those of its pods with this reason."""
        path = f"{self.deployments.pods.path}/events?fieldSelector=reason%3D{reason}"
        found: list[Json] = self.api.request("GET", path)["items"]
        return [event for event in found if event["involvedObject"]["name"].startswith(self.release)]


def server(fault: str = "", *arguments: str, load: float = 0.3, **more: Any) -> Json:
    """A container that serves the model `a`, with a fault of the stand-in from its start."""
    env = {"LAB_VLLM_LOAD_SECONDS": str(load), **({"LAB_VLLM_FAULT": fault} if fault else {}), **more.pop("env", {})}
    return container(*arguments, env=env, **more)


Sign = Callable[[Scene], object]


def at_once(_scene: Scene) -> bool:
    """What is wrong shows from the beginning."""
    return True


def available(scene: Scene) -> bool:
    """All replicas are there, and only the server can still be wrong."""
    found = scene.deployments.get(scene.release)
    status, wanted = found.get("status", {}), found["spec"]["replicas"]
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    return status.get("observedGeneration") == found["metadata"]["generation"] and counts == {wanted}


def condition(kind: str, **wanted: str) -> Sign:
    """A condition of the Deployment."""

    def seen(scene: Scene) -> bool:
        conditions = scene.deployments.get(scene.release).get("status", {}).get("conditions") or ()
        return any({"type": kind, **wanted}.items() <= each.items() for each in conditions)

    return seen


blocked = condition("ReplicaFailure", status="True")


def waiting(reason: str) -> Sign:
    """A container waits for this."""
    return lambda scene: any(each["state"].get("waiting", {}).get("reason") == reason for each in scene.containers())


def ended(scene: Scene) -> bool:
    """A container has ended, whether it runs again or not."""
    states = [state for each in scene.containers() for state in (each["state"], each.get("lastState") or {})]
    return any("terminated" in state for state in states)


def running(scene: Scene) -> bool:
    """A container runs."""
    return any("running" in each["state"] for each in scene.containers())


def told(reason: str, words: str = "", count: int = 1) -> Sign:
    """An event of a pod, as often as this."""
    return lambda scene: any(
        words in event["message"] and event.get("count", 1) >= count for event in scene.events(reason)
    )


def unscheduled(scene: Scene) -> bool:
    """The scheduler has found no node."""
    conditions = [each for pod in scene.pods() for each in pod["status"].get("conditions") or ()]
    return any(each["type"] == "PodScheduled" and each["status"] == "False" for each in conditions)


def pending(scene: Scene) -> bool:
    """A pod has no node."""
    return any(not pod["spec"].get("nodeName") for pod in scene.pods())
