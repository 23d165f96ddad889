# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace of the lab for a test's pods, and what a person would ask about them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.lab import build
from tests.lab.kubelet.api import Api, ApiError

Json = dict[str, Any]

IMAGE = "vllm/vllm-openai:v0.32.0"
HTTP = {"path": "/health", "port": "http"}
POLL_SECONDS = 0.05


def vllm(*arguments: str, **more: Any) -> Json:
    """A container that serves the model `a` within half a second."""
    env = {"LAB_VLLM_LOAD_SECONDS": "0.3", **more.pop("env", {})}
    return {
        "name": "vllm",
        "image": IMAGE,
        "command": ["vllm", "serve"],
        "args": ["org/m", "--served-model-name=a", "--host=::", "--port=8000", *arguments],
        "ports": [{"name": "http", "containerPort": 8000}],
        "env": [{"name": name, "value": value} for name, value in env.items()] + more.pop("env_from", []),
        **more,
    }


def probe(path: str = "/health", **more: Any) -> Json:
    """An HTTP probe, once a second."""
    return {"httpGet": {"path": path, "port": "http"}, "periodSeconds": 1, **more}


class Pods:
    """The pods of one namespace."""

    def __init__(self, api: Api, kubeconfig: str, namespace: str) -> None:
        self.api, self.kubeconfig, self.namespace = api, kubeconfig, namespace
        self.path = f"/api/v1/namespaces/{namespace}"

    def create(self, name: str, *containers: Json, **spec: Any) -> None:
        """Make a pod."""
        whole = {"containers": list(containers), "tolerations": [{"operator": "Exists"}], **spec}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": whole}
        self.api.request("POST", f"{self.path}/pods", body)

    def get(self, name: str) -> Json | None:
        """A pod, if it is there."""
        try:
            return self.api.request("GET", f"{self.path}/pods/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def delete(self, name: str, grace: int | None = None) -> None:
        """Ask for a pod's end."""
        self.api.request("DELETE", f"{self.path}/pods/{name}", {} if grace is None else {"gracePeriodSeconds": grace})

    def wait(self, name: str, condition: Callable[[Json], Any], seconds: float = 10) -> Json:
        """The pod as soon as it is so."""
        deadline = time.monotonic() + seconds
        while True:
            pod = self.get(name) or {}
            if pod and condition(pod):
                return pod
            assert time.monotonic() < deadline, f"{name} is not so: {json.dumps(pod.get('status'), indent=1)}"
            time.sleep(POLL_SECONDS)

    def wait_ready(self, name: str) -> Json:
        """The pod as soon as it is Ready."""
        return self.wait(name, lambda pod: condition(pod, "Ready") == "True")

    def wait_gone(self, name: str, seconds: float = 10) -> None:
        """Until it is deleted."""
        deadline = time.monotonic() + seconds
        while self.get(name):
            assert time.monotonic() < deadline, f"{name} is still there"
            time.sleep(POLL_SECONDS)

    def wait_event(self, name: str, reason: str, words: str = "", seconds: float = 5) -> Json:
        """An event about a pod as soon as there is one."""
        deadline = time.monotonic() + seconds
        while True:
            events: list[Json] = self.api.request("GET", f"{self.path}/events")["items"]
            mine = [event for event in events if event["involvedObject"]["name"] == name]
            for event in mine:
                if event["reason"] == reason and words in event["message"]:
                    return event
            assert time.monotonic() < deadline, [(event["reason"], event["message"]) for event in mine]
            time.sleep(POLL_SECONDS)

    def kubectl(self, *words: str) -> str:
        """What kubectl prints."""
        command = [self._kubectl(), "-n", self.namespace, *words]
        return subprocess.run(command, env=self._env(), check=True, text=True, timeout=20, capture_output=True).stdout

    @contextmanager
    def forward(self, name: str, port: int = 8000) -> Iterator[str]:
        """`kubectl port-forward`, as a URL."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            local = free.getsockname()[1]
        command = [self._kubectl(), "-n", self.namespace, "port-forward", f"pod/{name}", f"{local}:{port}"]
        with subprocess.Popen(command, env=self._env(), stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"Forwarding")
            try:
                yield f"http://127.0.0.1:{local}"
            finally:
                process.kill()

    def _kubectl(self) -> str:
        return str(build.binaries() / "kubectl")

    def _env(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": self.kubeconfig}


def condition(pod: Json, kind: str) -> str | None:
    """A condition's status."""
    found = [entry["status"] for entry in pod.get("status", {}).get("conditions", []) if entry["type"] == kind]
    return found[0] if found else None


def first(pod: Json) -> Json:
    """The status of its first container."""
    statuses: list[Json] = pod["status"].get("containerStatuses") or [{}]
    return statuses[0]


def waiting_reason(pod: Json) -> str | None:
    """Why its first container waits."""
    found: Json = first(pod).get("state", {}).get("waiting", {})
    return found.get("reason")


def post(url: str, body: Json) -> tuple[int, Json]:
    """Status and JSON of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=10) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
