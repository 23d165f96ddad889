# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wait costs while nothing happens: requests to the API server, and time of the processor."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import SharedLab
from tests.integration.lab.pods import probe
from tests.integration.readiness.conftest import address_of, tls_of
from tests.integration.readiness.deployments import (
    PATIENCE,
    POLL_SECONDS,
    Deployments,
    Json,
    container,
    parameters,
)
from tests.integration.readiness.proxies import Answerer, Request
from tests.integration.readiness.waiting import LONG, rewritten
from tests.lab.paths import REPOSITORY

SECONDS_TO_REST = 2.0
SECONDS_OF_A_WINDOW = 6.0
MOST_REQUESTS_A_SECOND = 2.0
MOST_OF_A_CORE = 0.10
WAIT = """
import json, sys
from tests.integration.readiness.deployments import ready
json.dump(ready(json.load(sys.stdin)), sys.stdout)
"""
STARTUP = probe(failureThreshold=LONG)
LOADING: Json = container(env={"LAB_VLLM_LOAD_SECONDS": str(LONG)}, startupProbe=STARTUP)
# A state: what its reason becomes, the release's container, and options of the wait.
STATES: dict[str, tuple[str, Json, Json]] = {
    "loading": ("loading", LOADING, {}),
    "frozen": (
        "not_generating",
        container(env={"LAB_VLLM_FAULT": "frozen"}),
        {"interval": 1.0, "request_timeout": 1.0},
    ),
    "wrong name": ("wrong_name", container(), {"model": "b", "interval": 1.0}),
    "crash loop": ("crash", container(env={"LAB_VLLM_FAULT": "silent-crash"}), {}),
    "unschedulable": ("unschedulable", container(resources={"limits": {"nvidia.com/gpu": "99"}}), {}),
}


class Process:
    """A wait in a process of its own, whose requests go through a proxy."""

    def __init__(self, params: Json, proxy: Answerer, folder: Path) -> None:
        self.proxy, self.progress = proxy, folder / f"progress-{proxy.port}"
        self.progress.touch()
        self.params = {**params, "progress_file": str(self.progress), "fail_fast": "never", "timeout": float(LONG)}

    def __enter__(self) -> Process:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WAIT], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(self.params))
        self.process.stdin.close()
        return self

    def __exit__(self, *_unused: object) -> None:
        self.process.kill()
        self.process.wait()

    def until(self, words: str) -> None:
        """Until a line of its progress holds these words."""
        deadline = time.monotonic() + PATIENCE
        while words not in (text := self.progress.read_text(encoding="utf-8")):
            assert self.process.poll() is None, f"it ended: {text}"
            assert time.monotonic() < deadline, f"no {words!r} in {text}"
            time.sleep(POLL_SECONDS)

    def cpu_seconds(self) -> float:
        """What the process has used of the processor."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Cost:
    """Of a wait in a window of time."""

    def __init__(self, requests: list[Request], cpu_seconds: float, seconds: float) -> None:
        self.requests, self.rate, self.share = requests, len(requests) / seconds, cpu_seconds / seconds

    @property
    def watches(self) -> list[Request]:
        return [request for request in self.requests if request.is_watch]


@pytest.fixture(scope="module")
def costs(
    deployments: Deployments, lab: SharedLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Cost]]:
    """What each state costs, and `all` of them in one process; measured at the same time."""
    folder = tmp_path_factory.mktemp("costs")
    for state in STATES:
        deployments.create(release_of(state), STATES[state][1])
    with contextlib.ExitStack() as stack:
        waits: dict[str, Process] = {}
        for name in (*STATES, "all"):
            proxy = stack.enter_context(Answerer(address_of(lab), tls_of(lab.kubeconfig)))
            login = rewritten(deployments.kubeconfig, folder / f"kubeconfig-{proxy.port}", proxy.url)
            given = {**parameters(**options_of(name, deployments.namespace)), "kubeconfig": login}
            waits[name] = stack.enter_context(Process(given, proxy, folder))
        for name, wait in waits.items():
            for reason in [STATES[name][0]] if name in STATES else [each[0] for each in STATES.values()]:
                wait.until(f" {reason}: ")
        yield measure(waits)


def release_of(state: str) -> str:
    return f"at-{state.replace(' ', '-')}"


def options_of(name: str, namespace: str) -> Json:
    """The module's, for the release of a state or for those of all."""
    if name in STATES:
        return {"model": "a", "release": release_of(name), "namespace": namespace, **STATES[name][2]}
    each = [
        {"model": options.get("model", "a"), "release": release_of(state), "namespace": namespace}
        for state, (_unused, _unused2, options) in STATES.items()
    ]
    return {"releases": each, "interval": 1.0, "request_timeout": 1.0}


def measure(waits: dict[str, Process]) -> dict[str, Cost]:
    """Let them come to rest, and see what they do then."""
    go_on(waits, SECONDS_TO_REST)
    begin = time.monotonic()
    before = {name: wait.cpu_seconds() for name, wait in waits.items()}
    go_on(waits, SECONDS_OF_A_WINDOW)
    assert all(wait.proxy.since(0) for wait in waits.values()), "they do not ask through the proxy"
    used = {name: wait.cpu_seconds() - before[name] for name, wait in waits.items()}
    seconds = time.monotonic() - begin
    return {name: Cost(wait.proxy.since(begin), used[name], seconds) for name, wait in waits.items()}


def go_on(waits: dict[str, Process], seconds: float) -> None:
    """See them all go on for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert all(wait.process.poll() is None for wait in waits.values())
        time.sleep(POLL_SECONDS)


@pytest.mark.parametrize("state", STATES)
def test_a_release_at_rest_costs_little(state: str, costs: dict[str, Cost]) -> None:
    cost = costs[state]
    paths = [f"{request.path} {'watch' if request.is_watch else ''}" for request in cost.requests]
    assert cost.rate <= MOST_REQUESTS_A_SECOND, paths
    assert cost.share < MOST_OF_A_CORE


def test_several_releases_share_the_watches(costs: dict[str, Cost]) -> None:
    one, several = costs["loading"], costs["all"]
    assert len(several.watches) <= 2 * 3
    assert len(several.watches) <= len(one.watches) + 3
    assert not [request for request in several.requests if request.is_list]
    assert several.rate <= MOST_REQUESTS_A_SECOND * len(STATES)
