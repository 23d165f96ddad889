# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait goes on whatever an API server, or what stands in front of it, answers for a while to lists and watches."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.integration.conftest import SharedLab
from tests.integration.readiness.conftest import answering
from tests.integration.readiness.deployments import Deployments, Json
from tests.integration.readiness.proxies import Answerer, Request, reply, status
from tests.integration.readiness.waiting import Gate, Wait, at_once, eventually, new_gate, rewritten

SECONDS_TO_RECOVER = 8.0
SECONDS_FOR_ALL = 90.0
SECONDS_TO_CALM_DOWN = 3.0
SECONDS_OF_A_WINDOW = 3.0
# What is listed and watched again every few seconds.
MOST_REQUESTS_A_SECOND = 4.0
RESOURCES = ("deployments", "replicasets", "pods")
FEEDS = len(RESOURCES)
SECONDS_BETWEEN_LISTS = 3.0
SECONDS_OF_A_WATCH = 2
QUIET_WATCHES = 6
HTML = "<html><body>Bad gateway</body></html>"
GONE = status(410, "too old resource version: 1 (2)", "Expired")
BUSY = status(429, "too many requests, please try again later", "TooManyRequests")
BROKEN = status(500, "etcdserver: leader changed", "InternalError")

# What a list or a watch is answered, and words of what is said of it when it is answered so again and again.
ANSWERS = {
    "429": (reply(429, BUSY, Retry_After="1"), "too many requests"),
    "429-without-a-time": (reply(429, BUSY), "too many requests"),
    "500": (reply(500, BROKEN), "leader changed"),
    "503": (reply(503, HTML, "text/html"), "503"),
    "502-html": (reply(502, HTML, "text/html"), "502"),
    "200-html": (reply(200, HTML, "text/html"), "something else than JSON"),
    "404": (reply(404, "404 page not found", "text/plain"), "404"),
    "half-json": (reply(200, '{"kind": "PodList", "items": [{"meta'), "something else than JSON"),
    "half-body": (reply(200, '{"kind": "PodL', Content_Length="5000"), ""),
    "empty": (reply(200), ""),
    "no-http": (b"SSH-2.0-OpenSSH_9.7\r\n", ""),
    "nothing": (b"", ""),
    "json-of-another-kind": (reply(200, "[]"), ""),
    "a-status-with-200": (reply(200, BROKEN), ""),
}
EVENTS = {
    "410-event": json.dumps({"type": "ERROR", "object": GONE}) + "\n",
    "500-event": json.dumps({"type": "ERROR", "object": BROKEN}) + "\n",
    "an-event-of-another-kind": json.dumps({"type": "NEWS", "object": {}}) + "\n",
    "half-an-event": '{"type": "MODIFIED", "object": {"metadata": {"name": "x"',
    "a-line-without-json": "upstream connect error\n",
}
# Answers to watches that may last: what is followed is listed now and then meanwhile.
NEVER = ("410", "410-event", "empty", "500", "nothing")


def of_lists(request: Request) -> bool:
    return request.is_list


def of_watches(request: Request) -> bool:
    return request.is_watch


def answer_to_watches(name: str) -> bytes:
    """One of ANSWERS or EVENTS, or 410."""
    if name in EVENTS:
        return reply(200, EVENTS[name])
    return ANSWERS[name][0] if name in ANSWERS else reply(410, GONE)


def params(deployments: Deployments, release: str, proxy: Answerer, folder: Path, **more: object) -> Json:
    """The module's, with a kubeconfig that leads to the proxy."""
    kubeconfig = rewritten(deployments.kubeconfig, folder / f"kubeconfig-{proxy.port}", proxy.url)
    return deployments.parameters(release, kubeconfig=kubeconfig, **more)


class Fault:
    """Answers requests of a kind so until it is over."""

    def __init__(self, proxy: Answerer, kind: Callable[[Request], bool], answer: bytes) -> None:
        self.kind, self.wrong = kind, answer
        self.over = False
        self.met: list[Request] = []
        proxy.answer = self.answer

    def answer(self, request: Request) -> bytes | None:
        if self.over or not self.kind(request):
            return None
        self.met.append(request)
        return self.wrong

    def met_by_all(self, times: int) -> None:
        """Until each kind of object was answered so as often."""
        eventually(lambda: all(self.times(name) >= times for name in RESOURCES))

    def times(self, resource: str) -> int:
        return len([request for request in self.met if request.resource == resource])


@pytest.mark.parametrize("name", ANSWERS)
def test_lists_are_answered_so_for_a_while(name: str, gate: Gate, answerer: Answerer, tmp_path: Path) -> None:
    answer, words = ANSWERS[name]
    gate.open()
    fault = Fault(answerer, of_lists, answer)
    with Wait(params(gate.deployments, gate.release, answerer, tmp_path), tmp_path) as wait:
        wait.until("api_unreachable", 3)
        fault.met_by_all(3)
        assert words in wait.lines[-1]
        fault.over = True
        result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result


@pytest.mark.parametrize("name", [*ANSWERS, "410", *EVENTS])
def test_watches_are_answered_so_for_a_while(name: str, gate: Gate, answerer: Answerer, tmp_path: Path) -> None:
    gate.close()
    fault = Fault(answerer, of_watches, answer_to_watches(name))
    with Wait(params(gate.deployments, gate.release, answerer, tmp_path), tmp_path) as wait:
        wait.until("0 available")
        fault.met_by_all(2)
        fault.over = True
        gate.open()
        result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result


@dataclass
class Scene:
    """A release of its own, that is open, and what stands before the API server."""

    lab: SharedLab
    gate: Gate
    folder: Path

    def params(self, proxy: Answerer) -> Json:
        return params(self.gate.deployments, self.gate.release, proxy, self.folder, timeout=40.0)


def watches_that_never_work(name: str, scene: Scene) -> None:
    """They are no reason to hurry, and what happens is noticed all the same."""
    scene.gate.close()
    with answering(scene.lab) as proxy:
        Fault(proxy, of_watches, answer_to_watches(name))
        with Wait(scene.params(proxy), scene.folder) as wait:
            wait.until("0 available")
            wait.lasts(SECONDS_TO_CALM_DOWN)
            begin = time.monotonic()
            wait.lasts(SECONDS_OF_A_WINDOW)
            rate = len(proxy.since(begin)) / SECONDS_OF_A_WINDOW
            scene.gate.open()
            result = wait.result(SECONDS_TO_RECOVER)
    assert rate <= MOST_REQUESTS_A_SECOND
    assert result["ready"], result


def retry_after_is_kept(scene: Scene) -> None:
    with answering(scene.lab) as proxy:
        fault = Fault(proxy, of_lists, reply(429, BUSY, Retry_After="2"))
        with Wait(scene.params(proxy), scene.folder) as wait:
            fault.met_by_all(2)
            fault.over = True
            result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result
    for name in RESOURCES:
        first, second = [request.moment for request in fault.met if request.resource == name][:2]
        assert 2.0 <= second - first < 3.5


def retry_after_an_hour_is_not_waited_for(scene: Scene) -> None:
    with answering(scene.lab) as proxy:
        fault = Fault(proxy, of_lists, reply(429, BUSY, Retry_After="3600"))
        with Wait(scene.params(proxy), scene.folder) as wait:
            fault.met_by_all(1)
            fault.over = True
            result = wait.result(20)
    assert result["ready"], result


def quiet_watches_follow_each_other_at_once(scene: Scene) -> None:
    """However many there were: what happens between two is noticed late."""
    scene.gate.close()
    with answering(scene.lab) as proxy:
        proxy.watch_seconds = SECONDS_OF_A_WATCH
        with Wait(scene.params(proxy), scene.folder) as wait:
            wait.until("0 available")
            eventually(lambda: len(watches(proxy, "pods")) >= QUIET_WATCHES)
            scene.gate.open()
            assert wait.result(SECONDS_TO_RECOVER)["ready"]
        moments = [request.moment for request in watches(proxy, "pods")]
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments[:QUIET_WATCHES])]
    assert max(gaps) < SECONDS_OF_A_WATCH + 0.6, gaps


def watches(proxy: Answerer, resource: str) -> list[Request]:
    return [request for request in list(proxy.requests) if request.is_watch and request.resource == resource]


def a_watch_that_is_forbidden_is_done_without(scene: Scene) -> None:
    scene.gate.close()
    with answering(scene.lab) as proxy:
        Fault(proxy, of_watches, reply(403, status(403, 'cannot watch resource "pods"', "Forbidden")))
        with Wait(scene.params(proxy), scene.folder) as wait:
            wait.until("0 available")
            begin = time.monotonic()
            wait.lasts(SECONDS_BETWEEN_LISTS + 0.5)
            asked = proxy.since(begin)
            scene.gate.open()
            result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result
    assert not [line for line in wait.lines if "api_unreachable" in line]
    assert len([request for request in asked if request.is_watch]) <= FEEDS
    assert FEEDS <= len([request for request in asked if request.is_list]) <= 2 * FEEDS


SCENES: dict[str, Callable[[Scene], None]] = {
    **{f"watches that never work: {name}": partial(watches_that_never_work, name) for name in NEVER},
    "Retry-After is kept": retry_after_is_kept,
    "Retry-After in an hour": retry_after_an_hour_is_not_waited_for,
    "quiet watches": quiet_watches_follow_each_other_at_once,
    "a forbidden watch": a_watch_that_is_forbidden_is_done_without,
}


@pytest.fixture(scope="module")
def scenes(
    deployments: Deployments, lab: SharedLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    def play(name: str) -> None:
        with new_gate(deployments) as gate:
            SCENES[name](Scene(lab, gate, tmp_path_factory.mktemp("scene")))

    with at_once({name: partial(play, name) for name in SCENES}) as outcomes:
        yield outcomes


@pytest.mark.parametrize("name", SCENES)
def test_what_takes_time(name: str, scenes: dict[str, Future[None]]) -> None:
    scenes[name].result(SECONDS_FOR_ALL)


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_list_that_is_forbidden_ends_the_wait(resource: str, gate: Gate, answerer: Answerer, tmp_path: Path) -> None:
    told = f'{resource} is forbidden: User "ci" cannot list resource "{resource}" in API group "" in the namespace "x"'
    gate.open()
    Fault(answerer, lambda request: request.resource == resource, reply(403, status(403, told, "Forbidden")))
    with Wait(params(gate.deployments, gate.release, answerer, tmp_path), tmp_path) as wait:
        result = wait.result()
    assert (result["reason"], result["severity"]) == ("forbidden", "permanent")
    assert f'cannot list resource "{resource}"' in result["failed"]
    assert result["took"] < 3
