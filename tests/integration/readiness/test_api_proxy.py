# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transport api_proxy, by the real API server: pods whose address is one that its proxy does not refuse.

The lab's pods have addresses that lead nowhere, and the proxy refuses the loopback's, where they really listen. Here a
pod lies on a node that no kubelet serves, this test writes its status, and the stand-in server listens on another
address of this machine.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.readiness.accounts import Accounts
from tests.integration.readiness.deployments import Deployments, Json, container
from tests.integration.readiness.proxies import LOOPBACK
from tests.integration.readiness.test_rbac import ROLE
from tests.integration.readiness.waiting import Wait, eventually
from tests.lab.paths import REPOSITORY

# Routed nowhere; no packet is sent to it.
ELSEWHERE = ("192.0.2.1", 9)
SECONDS_TO_START = 10.0
PROXY = [{"apiGroups": [""], "resources": ["pods/proxy"], "verbs": ["get", "create"]}]
FOLLOW = [rule for rule in ROLE if "pods/portforward" not in rule["resources"]]


def own_address() -> str:
    """An address of this machine that is not the loopback's; empty if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(ELSEWHERE)
        address = str(probe.getsockname()[0])
        return "" if address.startswith("127.") else address
    return ""


ADDRESS = own_address()
pytestmark = pytest.mark.skipif(not ADDRESS, reason="this machine has no address but the loopback's")


class Server:
    """A stand-in server on an address of this machine."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind((ADDRESS, 0))
            self.port = int(free.getsockname()[1])
        words = ["serve", "org/m", "--served-model-name=a", f"--host={ADDRESS}", f"--port={self.port}"]
        env = {**os.environ, "LAB_VLLM_LOAD_SECONDS": "0"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.vllm_server", *words], cwd=REPOSITORY, env=env, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Server:
        eventually(self.listens, SECONDS_TO_START)
        return self

    def __exit__(self, *_unused: object) -> None:
        self.process.kill()
        self.process.wait()

    def listens(self) -> bool:
        assert self.process.poll() is None, "the stand-in has ended"
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, self.port), 1):
            return True
        return False


@pytest.fixture(scope="module")
def accounts(deployments: Deployments) -> Accounts:
    return Accounts(deployments.api, deployments.kubeconfig, deployments.namespace)


@pytest.fixture
def server(deployments: Deployments, release: str) -> Iterator[Server]:
    """Its pod is the release's only one, and Ready."""
    with Server() as found:
        place(deployments, release, found.port)
        yield found


def place(deployments: Deployments, release: str, port: int, address: str = ADDRESS) -> None:
    """Make a release with a pod on a node that nobody serves, and say of it what a kubelet would."""
    inside = container()
    inside = {name: inside[name] for name in ("name", "image", "command", "args")}
    inside["ports"] = [{"name": "http", "containerPort": port}]
    deployments.create(release, inside, pod={"nodeName": f"nowhere-{uuid.uuid4().hex[:8]}"})
    name = deployments.wait(release, len)[0]["metadata"]["name"]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    kinds = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
    running = {"name": "vllm", "image": inside["image"], "imageID": "x", "ready": True, "started": True}
    status = {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds],
        "containerStatuses": [{**running, "restartCount": 0, "state": {"running": {"startedAt": now}}}],
    }
    deployments.api.request("PATCH", f"{deployments.pods.path}/pods/{name}/status", {"status": status})
    deployments.wait_available(release)


def test_it_generates(server: Server, deployments: Deployments, release: str) -> None:
    result = deployments.ready(release, transport="api_proxy")
    assert result["ready"], result
    assert result["served_models"] == ["a"]


def test_another_name(server: Server, deployments: Deployments, release: str) -> None:
    result = deployments.ready(release, transport="api_proxy", model="b")
    assert (result["reason"], result["served_models"]) == ("wrong_name", ["a"])


def test_the_server_ends_and_comes_back_no_more(
    server: Server, deployments: Deployments, release: str, tmp_path: Path
) -> None:
    server.process.kill()
    server.process.wait()
    with Wait(deployments.parameters(release, transport="api_proxy", timeout=2.0), tmp_path) as wait:
        result = wait.result()
    assert (result["reason"], result["severity"]) == ("not_serving", "heals")
    assert "connection refused" in result["failed"]
    assert result["took"] < 4


def test_an_address_that_the_proxy_refuses(deployments: Deployments, release: str) -> None:
    place(deployments, release, 8000, address=LOOPBACK)
    result = deployments.ready(release, transport="api_proxy", timeout=1.0)
    assert result["reason"] == "not_serving", result
    assert "address not allowed" in result["failed"]


@pytest.mark.parametrize("rules", [PROXY, ()], ids=["with pods/proxy", "without"])
def test_what_the_account_may_do(
    rules: list[Json], server: Server, deployments: Deployments, release: str, accounts: Accounts, tmp_path: Path
) -> None:
    name = f"p-{uuid.uuid4().hex[:8]}"
    accounts.create(name, [*FOLLOW, *rules])
    result = deployments.ready(release, transport="api_proxy", kubeconfig=accounts.login(name, tmp_path))
    if rules:
        assert result["ready"], result
    else:
        assert (result["reason"], result["severity"]) == ("forbidden", "permanent")
        assert 'cannot get resource "pods/proxy"' in result["failed"]


@pytest.mark.parametrize("verb", ["get", "create"])
def test_each_verb_is_needed(
    verb: str, server: Server, deployments: Deployments, release: str, accounts: Accounts, tmp_path: Path
) -> None:
    name = f"p-{uuid.uuid4().hex[:8]}"
    other = {"get": "create", "create": "get"}[verb]
    accounts.create(name, [*FOLLOW, {**PROXY[0], "verbs": [other]}])
    result = deployments.ready(release, transport="api_proxy", kubeconfig=accounts.login(name, tmp_path))
    assert result["reason"] == "forbidden"
    assert f'cannot {verb} resource "pods/proxy"' in result["failed"]
