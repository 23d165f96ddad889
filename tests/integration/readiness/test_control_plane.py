# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait goes on, or ends with the true reason, while connections to the API server are cut, refused or stalled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import SharedLab
from tests.integration.lab.pods import probe
from tests.integration.readiness.conftest import address_of
from tests.integration.readiness.deployments import Deployments, Json, container
from tests.integration.readiness.proxies import Forwarder
from tests.integration.readiness.waiting import LONG, Gate, Wait, at_once, eventually, new_gate, rewritten

FEEDS = 3
# A silent connection is noticed after 13 s.
SECONDS_TO_NOTICE = 16.0
SECONDS_TO_RECOVER = 6.0
SECONDS_OF_A_STALL = 18.0
SECONDS_FOR_ALL = 90.0
SECONDS_AFTER_TIMEOUT = 3.0


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


def stalled_until_it_comes_back(gate: Gate, forwarder: Forwarder, folder: Path) -> None:
    gate.close()
    with Wait(params(gate.deployments, gate.release, forwarder, folder), folder) as wait:
        wait.until("0 available")
        forwarder.stall()
        wait.until("api_unreachable", SECONDS_TO_NOTICE)
        forwarder.resume()
        wait.until("0 available", SECONDS_TO_RECOVER)
        gate.open()
        result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result


def stalled_while_it_loads(gate: Gate, forwarder: Forwarder, folder: Path) -> None:
    slow = f"{gate.release}-slow"
    loading = container(env={"LAB_VLLM_LOAD_SECONDS": str(LONG)}, startupProbe=probe(failureThreshold=LONG))
    gate.deployments.create(slow, loading)
    try:
        stalled_at("loading", params(gate.deployments, slow, forwarder, folder), forwarder, folder)
    finally:
        gate.deployments.delete(slow)


def stalled_while_it_is_asked(gate: Gate, forwarder: Forwarder, folder: Path) -> None:
    given = params(gate.deployments, gate.release, forwarder, folder, model="another", fail_fast="never")
    stalled_at("wrong_name", given, forwarder, folder)


def stalled_at(reason: str, given: Json, forwarder: Forwarder, folder: Path) -> None:
    """Until the timeout: what was known before is not what the wait ends with."""
    with Wait({**given, "timeout": SECONDS_OF_A_STALL}, folder) as wait:
        wait.until(reason)
        forwarder.stall()
        result = wait.result(2 * SECONDS_OF_A_STALL)
    assert result["reason"] == "api_unreachable", result
    assert result["took"] < SECONDS_OF_A_STALL + SECONDS_AFTER_TIMEOUT


def stalled_from_the_beginning(gate: Gate, forwarder: Forwarder, folder: Path) -> None:
    forwarder.stall()
    with Wait({**params(gate.deployments, gate.release, forwarder, folder), "timeout": 4.0}, folder) as wait:
        result = wait.result()
    assert result["reason"] == "api_unreachable", result
    assert result["took"] < 4 + SECONDS_AFTER_TIMEOUT


STALLS: dict[str, Callable[[Gate, Forwarder, Path], None]] = {
    "until it comes back": stalled_until_it_comes_back,
    "while a model loads": stalled_while_it_loads,
    "while a model is asked": stalled_while_it_is_asked,
    "from the beginning": stalled_from_the_beginning,
}


@pytest.fixture(scope="module")
def stalls(
    deployments: Deployments, lab: SharedLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """All of them, each with a release and a proxy of its own."""

    def scene(name: str) -> None:
        with new_gate(deployments) as gate, Forwarder(address_of(lab)) as proxy:
            STALLS[name](gate, proxy, tmp_path_factory.mktemp("stall"))

    with at_once({name: partial(scene, name) for name in STALLS}) as outcomes:
        yield outcomes


@pytest.mark.parametrize("name", STALLS)
def test_stalled(name: str, stalls: dict[str, Future[None]]) -> None:
    """The network passes no byte, and keeps all connections."""
    stalls[name].result(SECONDS_FOR_ALL)


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
