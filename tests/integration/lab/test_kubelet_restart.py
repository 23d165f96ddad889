# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kubelet that ends and comes back, and a node that is lost, in a lab of their own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.lab.conftest import wait_for_service_account
from tests.integration.lab.pods import Pods, condition, first, probe, vllm
from tests.integration.lab_cli import LabCli
from tests.lab import process, state
from tests.lab.kubelet.api import Api
from tests.lab.paths import default_name

SECONDS_TO_END = 5.0


@pytest.fixture(scope="module")
def state_dir() -> Iterator[Path]:
    cli = LabCli(f"{default_name()}-kubelet")
    try:
        yield Path(cli.up().state_dir)
    finally:
        cli.down()


@pytest.fixture(scope="module")
def own_pods(state_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Pods:
    api = Api(state_dir / "kubeconfig", tmp_path_factory.mktemp("api"))
    wait_for_service_account(api, "default")
    return Pods(api, str(state_dir / "kubeconfig"), "default")


def test_after_a_restart_containers_run_again(own_pods: Pods, state_dir: Path) -> None:
    own_pods.create("stays", vllm(readinessProbe=probe()))
    before = own_pods.wait_ready("stays")
    begin = time.monotonic()
    state.end(state_dir, "kubelet", grace=20)
    assert time.monotonic() - begin < SECONDS_TO_END
    assert "default/stays/vllm" not in state.living(state_dir)
    words = ["--kubeconfig", f"{state_dir}/kubeconfig", "--state-dir", f"{state_dir}"]
    process.start(state_dir, "kubelet", [sys.executable, "-m", "tests.lab.kubelet", *words])
    after = own_pods.wait("stays", lambda pod: first(pod)["restartCount"] == 1 and condition(pod, "Ready") == "True")
    assert after["status"]["podIP"] == before["status"]["podIP"]
    ended = first(after)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (255, "Unknown")
    with own_pods.forward("stays") as url:
        assert url


def test_a_lost_node_says_nothing(own_pods: Pods) -> None:
    own_pods.create("lost", vllm(readinessProbe=probe()))
    node = own_pods.wait_ready("lost")["spec"]["nodeName"]
    own_pods.api.request("PATCH", f"/api/v1/nodes/{node}", {"metadata": {"labels": {"lab-lost": "1"}}})
    time.sleep(0.5)
    own_pods.delete("lost", grace=1)
    time.sleep(2.5)
    pod = own_pods.get("lost")
    assert pod is not None
    assert condition(pod, "Ready") == "True"
    own_pods.api.request("PATCH", f"/api/v1/nodes/{node}", {"metadata": {"labels": {"lab-lost": None}}})
    own_pods.wait_gone("lost", 5)


def test_a_node_that_vanished_takes_its_processes_along(own_pods: Pods, state_dir: Path) -> None:
    own_pods.create("homeless", vllm(readinessProbe=probe()), nodeSelector={"kubernetes.io/hostname": "gpu-node-0"})
    own_pods.wait_ready("homeless")
    assert "default/homeless/vllm" in state.living(state_dir)
    own_pods.api.request("DELETE", "/api/v1/nodes/gpu-node-0")
    deadline = time.monotonic() + SECONDS_TO_END
    while "default/homeless/vllm" in state.living(state_dir):
        assert time.monotonic() < deadline, "its process runs on"
        time.sleep(0.05)
    own_pods.delete("homeless", grace=0)
    own_pods.wait_gone("homeless", 5)
