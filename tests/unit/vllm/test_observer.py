# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a release or a URL: what is asked, of whom, and when it is looked at again."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import observer as module
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Session
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ApiError, ForbiddenError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import (
    Details,
    Pod,
    Question,
    Verdict,
    Workload,
    not_ready,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observer import (
    ReleaseObserver,
    Route,
    UrlObserver,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.release import Releases
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import Tls

from tests.unit.vllm.sockets import says, serving

A = Pod("a", "ua", "n", pulled=True, running=True, started=True, ready=True)
B = replace(A, name="b", uid="ub", restarts=2)
DONE = Workload(True, True, desired=1, updated=1, ready=1, available=1, total=1, pods=(A,))
BOTH = replace(DONE, desired=2, updated=2, ready=2, available=2, total=2, pods=(A, B))
GOOD = Verdict(True, None, "generates", phase="verified", served_models=("m",))
BAD = not_ready("not_generating", "says nothing", "serving")
QUESTION = Question(("m",))


class Watching:
    """An observer of one release whose pods answer as told."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, workload: Workload | ApiError, each: bool = False, once: bool = False
    ) -> None:
        self.workload, self.asked, self.now = workload, list[str](), 1000.0
        self.verdicts: dict[str, Verdict] = {}
        releases = SimpleNamespace(kube=None, namespace="ns", once=once, known=lambda: True, workload=self.read)
        self.releases = releases
        self.observer = ReleaseObserver(cast(Releases, releases), "m", QUESTION, Route(), each, 1.0)
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(self.observer, "put_to", self.put_to)
        monkeypatch.setattr(self.observer.inspector, "inspect", self.inspect)
        self.inspected = 0

    def read(self, name: str) -> Workload:
        assert name == "m"
        if isinstance(self.workload, ApiError):
            raise self.workload
        return self.workload

    def inspect(self, workload: Workload) -> Workload:
        self.inspected += 1
        return workload

    def put_to(self, pod: Pod) -> Verdict:
        self.asked.append(pod.name)
        self.now += 0.25
        return self.verdicts.get(pod.name, GOOD)

    def look(self) -> tuple[str | None, float]:
        look = self.observer.look()
        return look.verdict.reason, look.pause


def test_a_rollout_that_is_complete_is_told_before_a_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching(monkeypatch, DONE)
    verdict, pause = watching.observer.look()
    assert (verdict.reason, verdict.phase, pause) == ("verifying", "loaded", 0.0)
    assert watching.asked == []
    assert watching.look() == (None, 0.0)
    assert watching.look() == (None, 0.0)
    assert watching.asked == ["a", "a"]


def test_in_check_mode_nothing_is_told_before(monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching(monkeypatch, DONE, once=True)
    assert watching.look() == (None, 0.0)


def test_what_is_not_read_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching(monkeypatch, DONE)
    watching.releases.known = lambda: False
    assert watching.look() == ("rollout", 1.0)


@pytest.mark.parametrize(
    ("error", "reason", "severity"),
    [
        (ForbiddenError("no", "pods is forbidden"), "forbidden", "permanent"),
        (ApiError("away", "reset"), "api_unreachable", "heals"),
    ],
)
def test_what_cannot_be_read(monkeypatch: pytest.MonkeyPatch, error: ApiError, reason: str, severity: str) -> None:
    verdict, pause = Watching(monkeypatch, error).observer.look()
    assert (verdict.reason, verdict.severity, verdict.msg, pause) == (reason, severity, error.message, 1.0)


@pytest.mark.parametrize(
    "workload", [replace(DONE, ready=0), replace(DONE, pods=(replace(A, ready=False),)), Workload()]
)
def test_a_rollout_that_is_not_complete_is_inspected(monkeypatch: pytest.MonkeyPatch, workload: Workload) -> None:
    watching = Watching(monkeypatch, workload)
    reason, pause = watching.look()
    assert reason not in (None, "verifying")
    assert pause == 1.0
    assert (watching.inspected, watching.asked) == (int(workload.found), [])


def test_what_was_read_of_a_pod_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    loading = replace(DONE, ready=0, pods=(replace(A, ready=False),))
    watching = Watching(monkeypatch, loading)
    read = replace(loading, details={"a": Details(serves=True)})
    monkeypatch.setattr(watching.observer.inspector, "inspect", lambda _workload: read)
    assert watching.look()[0] == "probe_misconfigured"
    monkeypatch.setattr(watching.observer.inspector, "inspect", lambda _workload: DONE)
    assert watching.look()[0] == "probe_failing"


@pytest.mark.parametrize(
    ("each", "verdicts", "asked", "reason", "proof"),
    [
        (False, {}, ["a"], None, "ua/0"),
        (True, {}, ["a", "b"], None, "ua/0 ub/2"),
        (False, {"b": BAD}, ["a"], None, "ua/0"),
        (True, {"b": BAD}, ["a", "b"], "not_generating", "ua/0 ub/2"),
        (True, {"a": BAD}, ["a"], "not_generating", "ua/0 ub/2"),
    ],
)
def test_who_is_asked(
    monkeypatch: pytest.MonkeyPatch,
    each: bool,
    verdicts: dict[str, Verdict],
    asked: list[str],
    reason: str | None,
    proof: str,
) -> None:
    watching = Watching(monkeypatch, BOTH, each, once=True)
    watching.verdicts = verdicts
    verdict = watching.observer.look().verdict
    assert (watching.asked, verdict.reason, verdict.proof) == (asked, reason, proof)


def test_pods_that_end_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = replace(A, terminating=True)
    watching = Watching(monkeypatch, replace(DONE, pods=(gone, B)), once=True)
    assert watching.look() == (None, 0.0)
    assert watching.asked == ["b"]
    watching.workload = replace(DONE, pods=(gone,))
    assert watching.look()[0] == "rollout"
    assert watching.asked == ["b"]


@pytest.mark.parametrize(("each", "failing", "pause"), [(False, "a", 1.0), (True, "a", 1.0), (True, "b", 2.0)])
def test_a_server_that_is_not_ready_is_not_asked_again_at_once(
    monkeypatch: pytest.MonkeyPatch, each: bool, failing: str, pause: float
) -> None:
    watching = Watching(monkeypatch, BOTH, each, once=True)
    watching.verdicts = {failing: BAD}
    assert watching.look() == ("not_generating", pause)
    asked = list(watching.asked)
    watching.now += pause / 2
    reason, rest = watching.look()
    assert (reason, rest) == ("not_generating", pause / 2)
    assert watching.asked == asked
    watching.verdicts, watching.now = {}, watching.now + pause / 2
    assert watching.look() == (None, 0.0)


def test_a_rollout_that_breaks_is_seen_between_two_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching(monkeypatch, DONE, once=True)
    watching.verdicts = {"a": BAD}
    watching.look()
    watching.workload = replace(DONE, ready=0)
    assert watching.look() == ("rollout", 1.0)


def test_what_a_pod_lacks_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    releases = SimpleNamespace(kube=None, namespace="ns", once=True, told_of_end=lambda *_given: nullcontext())
    observer = ReleaseObserver(cast(Releases, releases), "m", QUESTION, Route(), False, 1.0)
    answers = iter([BAD, GOOD])
    monkeypatch.setattr(module, "probe", lambda *_given: None)
    monkeypatch.setattr(module, "judge_probe", lambda *_given: next(answers))
    monkeypatch.setattr(module.Route, "session", lambda *_given: Session(lambda _seconds: cast(Any, None)))
    assert observer.put_to(A).msg == "Pod a: says nothing"
    assert observer.put_to(A) == GOOD


def test_whether_a_pod_generates_is_asked_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    releases = SimpleNamespace(kube=None, namespace="ns", once=True)
    observer = ReleaseObserver(cast(Releases, releases), "m", QUESTION, Route(), False, 1.0)
    asked: list[Any] = []
    monkeypatch.setattr(module, "complete", lambda _session, *given: asked.append(given))
    monkeypatch.setattr(module, "judge_completion", lambda _answer: BAD if len(asked) == 1 else None)
    monkeypatch.setattr(module.Route, "session", lambda *_given: Session(lambda _seconds: cast(Any, None)))
    assert [observer.generates(A), observer.generates(A)] == [False, True]
    assert asked == [(QUESTION.names[0], QUESTION.api, 1.0)] * 2


@pytest.mark.parametrize(
    ("route", "base_path", "headers"),
    [
        (Route(), "", {}),
        (Route(authorise=lambda: {"Authorization": "Bearer k"}), "", {"Authorization": "Bearer k"}),
        (Route("api_proxy"), "/api/v1/namespaces/ns/pods/a:8000/proxy", {"authorization": "Bearer t"}),
        (Route("api_proxy", tls=Tls()), "/api/v1/namespaces/ns/pods/https:a:8000/proxy", {"authorization": "Bearer t"}),
    ],
)
def test_route(route: Route, base_path: str, headers: dict[str, str]) -> None:
    configuration = SimpleNamespace(host="http://api.example", proxy=None)
    kube = SimpleNamespace(configuration=configuration, credentials=lambda: {"authorization": "Bearer t"})
    session = route.session(cast(Releases, SimpleNamespace(kube=kube, namespace="ns")), A)
    assert (session.base_path, session.headers) == (base_path, headers)
    assert "Bearer" not in repr(route)


def test_a_url_is_looked_at_every_interval() -> None:
    with serving(says(b'{"data": []}')) as server:
        observer = UrlObserver(server.session, QUESTION, 0.2)
        verdict, pause = observer.look()
    assert (verdict.reason, pause) == ("wrong_name", 0.2)
    assert observer.look().verdict.reason == "not_serving"
