# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that no client should have to bear: never ready, a documented reason, in time, and within little memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import REASONS

from tests.integration.lab.pods import post
from tests.integration.readiness.deployments import Deployments, parameters
from tests.integration.readiness.measured import Measured, measured
from tests.lab.process import free_ports

Waits = Mapping[str, Future[Measured]]

MOST_MEGABYTES = 150
SECONDS = 2.0
SECONDS_OVER = 2.0
# A release is looked at in the cluster, too, before its server is.
SECONDS_OF_RELEASE = 3.0
SERVERS = 3
PATIENCE = 100.0

# What each fault of the stand-in is told as, at its URL.
FAULTS = {
    "frozen": "not_generating",
    "overloaded": "busy",
    "paused": "not_generating",
    "no-usage": "not_generating",
    "error-string": "server_error",
    "flaky": "server_error",
    "health-fails-after": "unhealthy",
    "models-hang": "timeout",
    "models-empty": "wrong_name",
    "models-not-a-list": "not_vllm",
    "names-null": "wrong_name",
    "metrics-hang": "not_generating",
    "html-ok": "not_vllm",
    "html-error": "server_error",
    "redirect": "not_vllm",
    "redirect-loop": "not_vllm",
    "truncated-json": "not_vllm",
    "truncated-body": "not_vllm",
    "endless-stream": "not_vllm",
    "big-body": "not_vllm",
    "gzip-bomb": "not_vllm",
    "gzip-broken": "not_vllm",
    "slow-headers": "timeout",
    "slow-drip": "timeout",
    "header-bomb": "not_vllm",
    "long-header": "not_vllm",
    "continue-forever": "timeout",
    "invalid-utf8": "not_vllm",
    "deep-json": "not_vllm",
    "not-http": "not_vllm",
    "empty-reply": "not_serving",
    "reset": "not_serving",
}
# Those that leave a pod Ready, told as at a URL.
OF_RELEASES = (
    "endless-stream",
    "big-body",
    "gzip-bomb",
    "slow-headers",
    "slow-drip",
    "header-bomb",
    "long-header",
    "continue-forever",
    "redirect",
    "html-ok",
    "deep-json",
    "models-hang",
)
# Those that end a connection, which kwok's port-forward does not pass on, or end the pod's readiness sooner or later.
OF_PODS = ("truncated-body", "not-http", "empty-reply", "reset", "gzip-broken")


def check(found: Measured, timeout: float) -> None:
    """What holds for every server that is not ready."""
    print(found)
    assert found.result["ready"] is False
    assert found.reason in REASONS
    assert found.result["failed"]
    assert found.seconds <= timeout + SECONDS_OVER, str(found)
    assert found.megabytes < MOST_MEGABYTES, str(found)
    assert found.stderr == ""


@contextmanager
def stand_in(folder: Path) -> Iterator[str]:
    """The URL of a server that serves `a`."""
    port = free_ports(["server"])["server"]
    command = [sys.executable, "-S", "-m", "tests.lab.vllm_server", "serve", "org/m", "--served-model-name", "a"]
    with (folder / f"{port}.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)], stderr=log, env={**os.environ, "LAB_VLLM_LOAD_SECONDS": "0"}
        )
        try:
            yield wait_serving(f"http://127.0.0.1:{port}")
        finally:
            server.kill()
            server.wait()


def wait_serving(url: str) -> str:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=PATIENCE):
                return url
        except OSError:
            assert time.monotonic() < deadline, "the stand-in does not serve"
            time.sleep(0.02)


def switch(url: str, fault: str | None) -> None:
    """Let a stand-in misbehave from now on."""
    status, told = post(f"{url}/_lab/fault", {"fault": fault})
    assert status == 200, told
    if fault == "gzip-bomb":
        # It takes a moment to make, and is kept then.
        with urllib.request.urlopen(f"{url}/v1/models", timeout=PATIENCE) as answer:
            answer.read(1)


@contextmanager
def waits(faults: Iterable[str], waiting: Iterable[Callable[[str], Measured]]) -> Iterator[Waits]:
    """A wait for each fault, as many at a time as there is somebody to wait."""
    free: SimpleQueue[Callable[[str], Measured]] = SimpleQueue()

    def run(fault: str) -> Measured:
        wait = free.get()
        try:
            return wait(fault)
        finally:
            free.put(wait)

    for wait in waiting:
        free.put(wait)
    with ThreadPoolExecutor(free.qsize()) as pool:
        yield {fault: pool.submit(run, fault) for fault in faults}
        pool.shutdown(cancel_futures=True)


def wait_at(url: str) -> Callable[[str], Measured]:
    def wait(fault: str) -> Measured:
        switch(url, fault)
        return measured(parameters(model="a", url=url, timeout=SECONDS, request_timeout=SECONDS))

    return wait


def wait_for(deployments: Deployments, release: str) -> Callable[[str], Measured]:
    def wait(fault: str) -> Measured:
        deployments.wait_available(release)
        url = deployments.address(release)
        switch(url, fault)
        try:
            patience = {"timeout": SECONDS_OF_RELEASE, "request_timeout": 1, "interval": 0.2}
            return measured(deployments.parameters(release, **patience))
        finally:
            switch(url, None)

    return wait


@pytest.fixture(scope="module")
def at_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waits]:
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        urls = [stack.enter_context(stand_in(folder)) for _unused in range(SERVERS)]
        yield stack.enter_context(waits([*FAULTS, "gzip"], [wait_at(url) for url in urls]))


@pytest.fixture(scope="module")
def of_releases(deployments: Deployments) -> Iterator[Waits]:
    names = [f"hostile-{number}" for number in range(SERVERS)]
    for name in names:
        deployments.create(name)
    with ExitStack() as stack:
        for name in names:
            stack.callback(deployments.delete, name)
        faults = [*OF_RELEASES, *OF_PODS, "gzip"]
        yield stack.enter_context(waits(faults, [wait_for(deployments, name) for name in names]))


@pytest.mark.parametrize("fault", FAULTS)
def test_hostile_server_at_a_url(at_urls: Waits, fault: str) -> None:
    found = at_urls[fault].result(PATIENCE)
    check(found, SECONDS)
    assert found.reason == FAULTS[fault], found.result["failed"]


@pytest.mark.parametrize("fault", OF_RELEASES)
def test_hostile_server_of_a_release(of_releases: Waits, fault: str) -> None:
    found = of_releases[fault].result(PATIENCE)
    check(found, SECONDS_OF_RELEASE)
    assert found.reason == FAULTS[fault], found.result["failed"]


@pytest.mark.parametrize("fault", OF_PODS)
def test_hostile_pod_of_a_release(of_releases: Waits, fault: str) -> None:
    found = of_releases[fault].result(PATIENCE)
    check(found, SECONDS_OF_RELEASE)
    assert found.reason in (FAULTS[fault], "timeout", "probe_failing"), found.result["failed"]


def test_a_server_that_compresses_is_ready(at_urls: Waits, of_releases: Waits) -> None:
    for found in (at_urls["gzip"].result(PATIENCE), of_releases["gzip"].result(PATIENCE)):
        assert found.result["ready"], found.result
        assert found.megabytes < MOST_MEGABYTES
