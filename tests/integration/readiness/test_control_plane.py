# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait goes on, or ends with the true reason, while connections to the API server are cut, refused or stalled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.lab.pods import probe
from tests.integration.readiness.deployments import Deployments, Json, container
from tests.integration.readiness.proxies import Forwarder
from tests.integration.readiness.waiting import LONG, Gate, Wait, eventually, rewritten

FEEDS = 3
# A silent connection is noticed after 13 s.
SECONDS_TO_NOTICE = 16.0
SECONDS_TO_RECOVER = 6.0
SECONDS_OF_A_STALL = 20.0
SECONDS_AFTER_TIMEOUT = 3.0


@pytest.fixture
def slow(deployments: Deployments, release: str) -> str:
    """A release whose model loads for longer than any test lasts."""
    loading = container(env={"LAB_VLLM_LOAD_SECONDS": str(LONG)}, startupProbe=probe(failureThreshold=LONG))
    deployments.create(release, loading)
    return release


def params(deployments: Deployments, release: str, proxy: Forwarder, folder: Path, **more: Any) -> Json:
    """The module's, with a kubeconfig that leads to the proxy."""
    kubeconfig = rewritten(deployments.kubeconfig, folder / f"kubeconfig-{proxy.port}", proxy.url)
    return deployments.parameters(release, kubeconfig=kubeconfig, timeout=40.0, **more)


def reconnected(proxy: Forwarder, before: int) -> None:
    """Until each kind of object is followed again."""
    eventually(lambda: proxy.accepted >= before + FEEDS)


def test_one_cut_is_not_worth_a_word(gate: Gate, forwarder: Forwarder, tmp_path: Path) -> None:
    gate.close()
    with Wait(params(gate.deployments, gate.release, forwarder, tmp_path), tmp_path) as wait:
        wait.until("0 available")
        before = forwarder.accepted
        forwarder.cut()
        reconnected(forwarder, before)
        gate.open()
        result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result
    assert not [line for line in wait.lines if "api_unreachable" in line]


def test_connections_that_are_cut_again_and_again(gate: Gate, forwarder: Forwarder, tmp_path: Path) -> None:
    gate.close()
    with Wait(params(gate.deployments, gate.release, forwarder, tmp_path), tmp_path) as wait:
        wait.until("0 available")
        for _unused in range(5):
            before = forwarder.accepted
            forwarder.cut()
            reconnected(forwarder, before)
        gate.open()
        result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result


def test_refused_for_three_seconds(gate: Gate, forwarder: Forwarder, tmp_path: Path) -> None:
    gate.close()
    with Wait(params(gate.deployments, gate.release, forwarder, tmp_path), tmp_path) as wait:
        wait.until("0 available")
        forwarder.refuse()
        wait.until("api_unreachable: The Kubernetes API cannot be reached", 2)
        wait.lasts(3.0)
        forwarder.listen()
        wait.until("0 available", SECONDS_TO_RECOVER)
        gate.open()
        result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result


def test_stalled_until_it_comes_back(gate: Gate, forwarder: Forwarder, tmp_path: Path) -> None:
    gate.close()
    with Wait(params(gate.deployments, gate.release, forwarder, tmp_path), tmp_path) as wait:
        wait.until("0 available")
        forwarder.stall()
        wait.until("api_unreachable", SECONDS_TO_NOTICE)
        forwarder.resume()
        wait.until("0 available", SECONDS_TO_RECOVER)
        gate.open()
        result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result


def test_stalled_until_the_timeout(gate: Gate, slow: str, forwarder: Forwarder, tmp_path: Path) -> None:
    """While a model loads, and while another one is asked again and again."""
    gate.open()
    given = {**params(gate.deployments, gate.release, forwarder, tmp_path), "timeout": SECONDS_OF_A_STALL}
    with (
        Wait({**given, "release": slow}, tmp_path) as loading,
        Wait({**given, "model": "another", "fail_fast": "never"}, tmp_path) as asking,
    ):
        loading.until("loading")
        asking.until("wrong_name")
        forwarder.stall()
        results = {"loading": loading.result(60), "asking": asking.result(60)}
    told = {
        name: (result["reason"], result["took"] < SECONDS_OF_A_STALL + SECONDS_AFTER_TIMEOUT)
        for name, result in results.items()
    }
    assert told == dict.fromkeys(told, ("api_unreachable", True)), results


def test_stalled_from_the_beginning(gate: Gate, forwarder: Forwarder, tmp_path: Path) -> None:
    gate.open()
    forwarder.stall()
    given = {**params(gate.deployments, gate.release, forwarder, tmp_path), "timeout": 4.0}
    with Wait(given, tmp_path) as wait:
        result = wait.result()
    assert result["reason"] == "api_unreachable", result
    assert result["took"] < 4 + SECONDS_AFTER_TIMEOUT


@pytest.mark.parametrize("key", [None, {"name": "key", "key": "key"}], ids=["without a key", "with a key in a Secret"])
def test_refused_from_the_beginning_until_it_listens(
    key: Json | None, gate: Gate, forwarder: Forwarder, tmp_path: Path
) -> None:
    gate.open()
    body = {"metadata": {"name": "key"}, "stringData": {"key": "any"}}
    if key:
        gate.deployments.api.request("POST", f"{gate.deployments.pods.path}/secrets", body)
    forwarder.refuse()
    given = params(gate.deployments, gate.release, forwarder, tmp_path, api_key_secret=key)
    with Wait(given, tmp_path) as wait:
        wait.until("api_unreachable: The Kubernetes API cannot be reached", 3)
        forwarder.listen()
        result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result


def test_a_slow_network_is_waited_for(gate: Gate, forwarder: Forwarder, tmp_path: Path) -> None:
    gate.open()
    forwarder.delay = 0.1
    with Wait(params(gate.deployments, gate.release, forwarder, tmp_path), tmp_path) as wait:
        result = wait.result()
    assert result["ready"], result
