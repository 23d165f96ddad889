# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moments that a wait is measured from, seen by somebody else: a watch of the cluster, and questions to servers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.lab.kubeapi import ExpiredError, KubeApi

Json = dict[str, Any]

LABEL = "app.kubernetes.io/instance"
PATIENCE = 120.0
POLL_SECONDS = 0.005
FAULTS = ("CreateContainerConfigError", "ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff")


class Watcher:
    """Writes down when a release's pod was first seen to be `ready` or to show a `fault`, and when its Deployment was
    first seen to be `available`: in seconds since 1970, for all releases of a namespace, while it is entered."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.kubeconfig = kubeconfig
        self.moments: dict[tuple[str, str], float] = {}
        self.noted = threading.Condition()
        self.ended = False
        self.paths = {
            f"/api/v1/namespaces/{namespace}/pods": names_of_pod,
            f"/apis/apps/v1/namespaces/{namespace}/deployments": names_of_deployment,
        }

    def __enter__(self) -> Watcher:
        for path, names in self.paths.items():
            threading.Thread(target=self.follow, args=(path, names), daemon=True).start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self.ended = True

    def follow(self, path: str, names: Callable[[Json], list[str]]) -> None:
        """Watch on and on."""
        api = KubeApi(self.kubeconfig)
        version = ""
        while not self.ended:
            version = version or str(api.get(path)["metadata"]["resourceVersion"])
            try:
                for kind, item in api.watch(path, version):
                    version = item["metadata"]["resourceVersion"]
                    self.note(item, names(item) if kind in ("ADDED", "MODIFIED") else [])
            except (ExpiredError, OSError):
                version = ""

    def note(self, item: Json, names: list[str]) -> None:
        now, release = time.time(), item["metadata"].get("labels", {}).get(LABEL)
        with self.noted:
            for name in names if release else ():
                self.moments.setdefault((release, name), now)
            self.noted.notify_all()

    def moment(self, release: str, name: str) -> float:
        """When it was seen first, or will be."""
        with self.noted:
            seen = self.noted.wait_for(lambda: self.moments.get((release, name)), PATIENCE)
        assert seen, f"{release} was never seen to be {name}"
        return seen


def names_of_pod(pod: Json) -> list[str]:
    """What is so of a pod."""
    status = pod.get("status", {})
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", ()))
    container = (status.get("containerStatuses") or [{}])[0]
    states = container.get("state", {}), container.get("lastState", {})
    ended = any(state.get("terminated", {}).get("exitCode") for state in states)
    fault = ended or states[0].get("waiting", {}).get("reason") in FAULTS
    return [name for name, holds in (("ready", ready), ("fault", fault)) if holds]


def names_of_deployment(deployment: Json) -> list[str]:
    status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")}
    return ["available"] if seen and counts == {wanted} else []


def generates(url: str) -> bool:
    """Whether a server answers a completion now."""
    body = json.dumps({"model": "a", "prompt": "Hi", "max_tokens": 1}).encode()
    request = urllib.request.Request(f"{url}/v1/completions", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            found: Json = json.loads(answer.read())
    except OSError:
        return False
    return bool(found["usage"]["completion_tokens"] == 1)


def able(port: int) -> float:
    """The moment of the first question to a server of this machine that it answers."""
    deadline = time.monotonic() + PATIENCE
    while True:
        begin = time.time()
        with socket.socket() as probe:
            listens = probe.connect_ex(("127.0.0.1", port)) == 0
        if listens and generates(f"http://127.0.0.1:{port}"):
            return begin
        assert time.monotonic() < deadline, f"no server on port {port}"
        time.sleep(POLL_SECONDS)


@contextmanager
def stand_in(port: int, load_seconds: float) -> Iterator[None]:
    """A server of `a` that begins to load now."""
    words = ["serve", "org/m", "--served-model-name", "a", "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-S", "-m", "tests.lab.vllm_server", *words],
        stderr=subprocess.DEVNULL, env={**os.environ, "LAB_VLLM_LOAD_SECONDS": str(load_seconds)},
    )  # fmt: skip
    try:
        yield
    finally:
        server.kill()
        server.wait()


class Starter:
    """Starts a server as soon as its file is there, and writes down when it was able to answer; while it is entered.

    Args:
        folder: where a playbook makes the files, each named by the number of its server.
        ports: of the servers.
        loads: seconds for each of them.
    """

    def __init__(self, folder: Path, ports: list[int], loads: list[float]) -> None:
        self.folder, self.ports, self.loads = folder, ports, loads
        self.moments: dict[int, float] = {}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self) -> Starter:
        self.thread.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self.ended.set()
        self.thread.join()

    def serve(self) -> None:
        with ExitStack() as stack:
            for number, (port, load) in enumerate(zip(self.ports, self.loads, strict=True)):
                while not (self.folder / str(number)).exists():
                    if self.ended.wait(POLL_SECONDS):
                        return
                stack.enter_context(stand_in(port, load))
                self.moments[number] = able(port)
            self.ended.wait()
