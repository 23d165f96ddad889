# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API server ends, hangs and comes back while a model is waited for, in a lab of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.integration.lab.conftest import wait_for_service_account
from tests.integration.lab_cli import LabCli
from tests.integration.readiness.conftest import tls_of
from tests.integration.readiness.deployments import Deployments, Json
from tests.integration.readiness.proxies import LOOPBACK, Answerer, Request
from tests.integration.readiness.waiting import Gate, Wait, eventually, rewritten
from tests.lab import health, state
from tests.lab.cluster import Component, components
from tests.lab.config import Lab
from tests.lab.kubelet.api import Api
from tests.lab.paths import default_name

SECONDS_TO_RECOVER = 8.0
FEEDS = 3
SECONDS_OF_A_WATCH = 2


class Part:
    """A process of a lab's control plane, which can be ended and started again as it was."""

    def __init__(self, state_dir: Path, component: Component) -> None:
        self.state_dir, self.component = state_dir, component
        self.pid = component.pid() or 0
        self.command = Path(f"/proc/{self.pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        self.environ = Path(f"/proc/{self.pid}/environ").read_bytes().decode().split("\0")[:-1]

    def kill(self) -> None:
        """End it as a machine does that loses its power."""
        state.end(self.state_dir, self.component.name, grace=0)

    def start(self) -> None:
        """Start it where the lab finds and ends it."""
        with self.component.log.open("ab") as log:
            self.pid = subprocess.Popen(
                self.command,
                cwd=self.component.folder,
                env=dict(entry.split("=", 1) for entry in self.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            ).pid
        (self.component.folder / "pids" / f"{self.component.name}.pid").write_text(str(self.pid), encoding="ascii")
        state.record(self.state_dir, self.component.name, self.pid)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """It keeps its connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


class ControlPlane:
    """That of a lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.parts = {each.name: Part(Path(lab.state_dir), each) for each in components(Path(lab.state_dir))}
        self.server = self.parts["kube-apiserver"]

    def is_healthy(self) -> bool:
        """Whether it is. What has ended is started: a port was taken meanwhile, or a lease was lost."""
        for part in self.parts.values():
            if part.component.has_ended():
                part.start()
        return health.problem_of(self.lab) is None


@pytest.fixture(scope="module")
def own() -> Iterator[Lab]:
    cli = LabCli(f"{os.environ.get('LAB_NAME') or default_name()}-apiserver")
    try:
        yield cli.up()
    finally:
        cli.down()


@pytest.fixture(scope="module")
def plane(own: Lab) -> ControlPlane:
    return ControlPlane(own)


@pytest.fixture(scope="module")
def own_gate(own: Lab, tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """A release that serves."""
    api = Api(Path(own.kubeconfig), tmp_path_factory.mktemp("api"))
    wait_for_service_account(api, "default")
    found = Deployments(api, own.kubeconfig, "default")
    found.create("restarted")
    found.wait_available("restarted")
    return Gate(found, "restarted")


@pytest.fixture
def proxy(own: Lab) -> Iterator[Answerer]:
    with Answerer((LOOPBACK, own.ports["kube-apiserver"]), tls_of(Path(own.kubeconfig))) as found:
        yield found


def test_it_is_restarted(own_gate: Gate, plane: ControlPlane, proxy: Answerer, tmp_path: Path) -> None:
    login = rewritten(own_gate.deployments.kubeconfig, tmp_path / "kubeconfig", proxy.url)
    own_gate.close()
    with Wait(own_gate.deployments.parameters("restarted", kubeconfig=login, timeout=90.0), tmp_path) as wait:
        wait.until("0 available")
        plane.server.kill()
        wait.until("api_unreachable", 3)
        plane.server.start()
        eventually(plane.is_healthy, 60)
        wait.until("0 available", SECONDS_TO_RECOVER)
        own_gate.open()
        result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result


def test_a_version_that_it_has_forgotten(own_gate: Gate, plane: ControlPlane, proxy: Answerer, tmp_path: Path) -> None:
    """A watch has ended well and the next one is held up while the API server is restarted: it answers 410."""
    login = rewritten(own_gate.deployments.kubeconfig, tmp_path / "kubeconfig", proxy.url)
    proxy.watch_seconds = SECONDS_OF_A_WATCH
    own_gate.close()
    with Wait(own_gate.deployments.parameters("restarted", kubeconfig=login, timeout=90.0), tmp_path) as wait:
        wait.until("0 available")
        with HeldWatches(proxy) as held:
            eventually(lambda: len(held.requests) == FEEDS)
            plane.server.kill()
            plane.server.start()
            eventually(plane.is_healthy, 60)
            own_gate.open()
            assert first_event(own_gate.deployments.api, held.requests[0])["object"]["code"] == 410
        result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result


class HeldWatches:
    """Watches that are asked for wait until this ends."""

    def __init__(self, proxy: Answerer) -> None:
        self.proxy, self.requests, self.ended = proxy, list[Request](), threading.Event()

    def __enter__(self) -> HeldWatches:
        self.proxy.answer = self.hold
        return self

    def __exit__(self, *_unused: object) -> None:
        self.ended.set()

    def hold(self, request: Request) -> None:
        if request.is_watch and not self.ended.is_set():
            self.requests.append(request)
            self.ended.wait()


def first_event(api: Api, request: Request) -> Json:
    """What a watch begins with."""
    with contextlib.closing(api.stream(f"{request.path}?{urlencode(request.query)}", 10)) as response:
        event: Json = json.loads(response.readline())
    return event


def test_it_hangs(own_gate: Gate, plane: ControlPlane, tmp_path: Path) -> None:
    own_gate.open()
    with plane.server.stopped(), Wait(own_gate.deployments.parameters("restarted", timeout=4.0), tmp_path) as wait:
        hanging = wait.result()
    assert hanging["reason"] == "api_unreachable", hanging
    assert hanging["took"] < 4 + 3
    eventually(plane.is_healthy)
    result = own_gate.deployments.ready("restarted")
    assert result["ready"], result
    assert result["seconds"] < SECONDS_TO_RECOVER
