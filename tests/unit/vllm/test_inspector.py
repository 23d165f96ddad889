# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of which pod that does not get on, how seldom, and what is told where it may not be read."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.inspector import (
    SECONDS_BETWEEN_READS,
    SECONDS_BETWEEN_SURVEYS,
    Inspector,
    held_by,
    total,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ApiError, ForbiddenError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Details, Event, Pod, Workload

from tests.unit.vllm.kubes import Objects
from tests.unit.vllm.objects import event

GPU = "nvidia.com/gpu"
EVENTS, LOG = "/api/v1/namespaces/ns/events", "/api/v1/namespaces/ns/pods/p/log"
NODES, PODS, NEAR = "/api/v1/nodes", "/api/v1/pods", "/api/v1/namespaces/ns/pods"

READY = Pod("p", "u", "n", ready=True, running=True)
UNPLACED = Pod("p", "u", unschedulable=f"0/2 nodes are available: 2 Insufficient {GPU}.", requests=((GPU, "4"),))
MADE = Pod("p", "u", "n", waiting="ContainerCreating")
LOADING = Pod("p", "u", "n", running=True, container="vllm", probe_patience=15.0)
ENDED = Pod("p", "u", "n", waiting="CrashLoopBackOff", exit_code=1, container="vllm")
AGAIN = replace(LOADING, exit_code=1)
NONE = ApiError("The Kubernetes API answered with an error", "previous terminated container not found")
AWAY = ApiError("The Kubernetes API cannot be reached", "reset")


def denied(what: str) -> ForbiddenError:
    return ForbiddenError("The Kubernetes API forbids to look", what)


UNHEALTHY = {"reason": "Unhealthy", "message": "Readiness probe failed: HTTP probe failed with statuscode: 404"}


class Looking:
    """An inspector with its clock, its API server and the model server that it asks."""

    def __init__(self, before: Any = NONE, **answers: Any) -> None:
        paths = {"events": EVENTS, "log": LOG, "nodes": NODES, "pods": PODS, "near": NEAR}
        given = {paths[name]: answer for name, answer in answers.items()}
        self.api = Objects({**given, f"{LOG}?previous": before})
        self.now, self.generates, self.questions = 100.0, False, 0
        self.inspector = Inspector(self.api.kube, "ns", self.serves, lambda: self.now)

    def serves(self, _pod: Pod) -> bool:
        self.questions += 1
        return self.generates

    def details(self, pod: Pod, after: float = 0.0) -> Details:
        self.now += after
        return self.inspector.inspect(Workload(pods=(pod,))).details_of(pod)


@pytest.mark.parametrize(
    ("pod", "asked", "questions"),
    [
        (READY, [], 0),
        (Pod("p", "u"), [], 0),
        (replace(MADE, phase="Failed"), [], 0),
        (replace(MADE, waiting="ImagePullBackOff"), [], 0),
        (replace(LOADING, terminating=True), [], 0),
        (MADE, [EVENTS], 0),
        (ENDED, [EVENTS, LOG, LOG], 0),
        (LOADING, [EVENTS], 1),
        (AGAIN, [EVENTS, LOG], 1),
        (UNPLACED, [NODES, PODS], 0),
        (replace(UNPLACED, unschedulable="untolerated taint"), [NODES], 0),
    ],
)
def test_what_is_read(pod: Pod, asked: list[str], questions: int) -> None:
    looking = Looking(events=[UNHEALTHY])
    looking.details(pod)
    assert (looking.api.asked, looking.questions) == (asked, questions)


@pytest.mark.parametrize(
    ("pod", "queries"),
    [
        (MADE, [{"fieldSelector": "involvedObject.uid=u"}]),
        (
            ENDED,
            [
                {"fieldSelector": "involvedObject.uid=u"},
                {"container": "vllm", "tailLines": 200, "previous": None},
                {"container": "vllm", "tailLines": 200, "previous": "true"},
            ],
        ),
        (
            AGAIN,
            [{"fieldSelector": "involvedObject.uid=u"}, {"container": "vllm", "tailLines": 200, "previous": "true"}],
        ),
        (UNPLACED, [{}, {"fieldSelector": "spec.nodeName!="}]),
    ],
)
def test_how_it_is_read(pod: Pod, queries: list[dict[str, Any]]) -> None:
    looking = Looking()
    looking.details(pod)
    assert looking.api.queries == queries


def test_what_is_found() -> None:
    looking = Looking(events=[event("BackOff", "x")], log=["a", "b"])
    assert looking.details(ENDED) == Details((Event("BackOff", "x"),), ("a", "b"))


@pytest.mark.parametrize(
    ("answers", "details"),
    [
        ({"events": denied("no events"), "log": ["a"]}, Details(log=("a",), missing="no events")),
        ({"events": [], "log": denied("no log")}, Details(missing="no log")),
        ({"events": denied("no events"), "log": denied("no log")}, Details(missing="no log")),
        ({"events": AWAY, "log": AWAY}, Details()),
        ({"events": [event("x")], "log": AWAY}, Details((Event("x", ""),))),
    ],
)
def test_what_may_not_be_read_is_told(answers: dict[str, Any], details: Details) -> None:
    assert Looking(**answers).details(ENDED) == details


FULL = "torch.OutOfMemoryError: CUDA out of memory."


@pytest.mark.parametrize(
    ("pod", "log", "before", "found"),
    [
        (ENDED, [FULL], ["earlier"], (FULL,)),
        (ENDED, ["last words"], NONE, ("last words",)),
        (ENDED, ["the next one loads"], [FULL], (FULL, "the next one loads")),
        (ENDED, [], [FULL], (FULL,)),
        (ENDED, [], NONE, ()),
        (AGAIN, ["the next one loads"], [FULL], (FULL,)),
        (AGAIN, ["the next one loads"], NONE, ()),
    ],
)
def test_the_log_of_the_container_that_ended(
    pod: Pod, log: list[str], before: list[str] | ApiError, found: tuple[str, ...]
) -> None:
    assert Looking(log=log, before=before).details(pod).log == found


@pytest.mark.parametrize(
    ("pod", "lasts"),
    [(ENDED, SECONDS_BETWEEN_READS), (LOADING, SECONDS_BETWEEN_READS), (UNPLACED, SECONDS_BETWEEN_SURVEYS)],
)
def test_it_is_read_seldom(pod: Pod, lasts: float) -> None:
    looking = Looking()
    looking.details(pod)
    once = len(looking.api.asked)
    looking.details(pod, lasts / 2)
    looking.details(pod, lasts / 2 - 0.1)
    assert len(looking.api.asked) == once
    looking.details(pod, 0.2)
    assert len(looking.api.asked) == 2 * once
    looking.details(pod, lasts - 0.1)
    assert len(looking.api.asked) == 2 * once


def test_a_pod_that_has_changed_is_read_at_once() -> None:
    looking = Looking(log=["a"])
    looking.details(ENDED)
    looking.api.answers[LOG] = ["b"]
    assert looking.details(ENDED).log == ("a",)
    assert looking.details(replace(ENDED, restarts=1)).log == ("b",)
    assert looking.details(replace(UNPLACED, unschedulable="other")).log == ()


@pytest.mark.parametrize(("exit_code", "at_first"), [(0, False), (137, False), (143, False), (1, True), (139, True)])
def test_events_have_time_to_tell_who_ended_a_container(exit_code: int, at_first: bool) -> None:
    """The event of a probe that had it ended can come later than its end."""
    looking, pod = Looking(), replace(ENDED, exit_code=exit_code)
    assert looking.details(pod).settled == at_first
    assert looking.details(replace(pod, message="back-off"), after=1).settled == at_first
    assert looking.details(pod, after=SECONDS_BETWEEN_READS - 1).settled
    assert looking.details(replace(pod, restarts=1)).settled == at_first, "it has ended again"


def test_the_log_of_a_container_is_read_once_it_is_found() -> None:
    looking = Looking(log=[])
    assert looking.details(ENDED).log == ()
    looking.api.answers[LOG] = ["a"]
    for _time in range(3):
        assert looking.details(ENDED, SECONDS_BETWEEN_READS).log == ("a",)
    assert looking.details(replace(ENDED, waiting="other")).log == ("a",)
    assert looking.api.asked.count(LOG) == 4
    assert looking.details(LOADING).log == ()
    for again in (AGAIN, replace(ENDED, restarts=1), replace(ENDED, exit_code=2)):
        before = len(looking.api.asked)
        looking.details(again)
        assert LOG in looking.api.asked[before:]


def test_one_pod_is_read_of_many_the_worst_one() -> None:
    pods = tuple(
        replace(pod, name=name, uid=name) for pod, name in ((LOADING, "a"), (MADE, "b"), (ENDED, "c"), (AGAIN, "d"))
    )
    looking = Looking()
    assert list(looking.inspector.inspect(Workload(pods=pods)).details) == ["c"]
    assert list(looking.inspector.inspect(Workload(pods=pods[:2])).details) == ["b"]
    assert list(looking.inspector.inspect(Workload(pods=(pods[0], pods[3]))).details) == ["d"]
    whole = Workload(pods=(READY,))
    assert looking.inspector.inspect(whole) is whole


def test_a_server_that_works_counts_after_its_probes_should_have_noticed() -> None:
    looking = Looking(events=[UNHEALTHY])
    looking.generates = True
    assert not looking.details(LOADING).serves
    assert not looking.details(LOADING, 14).serves
    assert looking.details(LOADING, 3).serves
    looking.generates = False
    assert not looking.details(LOADING, 3).serves
    looking.generates = True
    assert not looking.details(LOADING, 3).serves
    assert not looking.details(LOADING, 14).serves
    assert looking.details(LOADING, 3).serves


@pytest.mark.parametrize(
    ("since", "serves"),
    [
        (LOADING, True),
        (replace(READY, uid=LOADING.uid), False),
        (replace(LOADING, started=True, ready=True), False),
    ],
    ids=["never Ready", "Ready before it was started", "Ready"],
)
def test_a_pod_that_was_ready_is_given_all_of_its_patience_again(since: Pod, serves: bool) -> None:
    looking = Looking(events=[UNHEALTHY])
    looking.generates = True
    looking.details(LOADING)
    looking.details(since, 3)
    assert looking.details(LOADING, 14).serves == serves


@pytest.mark.parametrize("later", [replace(LOADING, started=True), replace(LOADING, restarts=1)])
def test_each_probe_and_each_container_has_its_own_patience(later: Pod) -> None:
    looking = Looking(events=[UNHEALTHY])
    looking.generates = True
    looking.details(LOADING)
    assert not looking.details(later, 16).serves
    assert looking.details(later, 16).serves


def test_autopsy() -> None:
    looking = Looking(events=[UNHEALTHY], before=["a"])
    found = looking.inspector.autopsy(replace(READY, exit_code=0))
    assert found == Details((Event(UNHEALTHY["reason"], UNHEALTHY["message"]),), ("a",))
    assert (looking.api.asked, looking.questions) == ([EVENTS, LOG], 0)


def test_a_server_of_which_no_probe_has_failed_is_not_asked() -> None:
    looking = Looking(events=[{"reason": "Pulled", "message": "Container image present"}])
    looking.details(LOADING)
    assert looking.questions == 0


def test_each_pod_has_its_own_patience() -> None:
    looking = Looking(events=[UNHEALTHY])
    looking.generates = True
    looking.details(LOADING)
    assert not looking.details(replace(LOADING, uid="other"), 16).serves
    assert looking.details(LOADING, 3).serves


def node(**allocatable: str) -> dict[str, Any]:
    return {"metadata": {"name": "n"}, "status": {"allocatable": {GPU: "0", **allocatable}}}


def holder(name: str, gpus: str, phase: str = "Running", namespace: str = "ns") -> dict[str, Any]:
    container = {"name": "c", "resources": {"requests": {GPU: gpus, "cpu": "500m"}}}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [container]},
        "status": {"phase": phase},
    }


HELD = [
    holder("a", "1"),
    holder("b", "2", namespace="other"),
    holder("done", "4", "Succeeded"),
    holder("c", "4", "Failed"),
]
SAW_ALL = f"{GPU} is held by other/b (2), ns/a (1)"
SAW_NEAR = f"{GPU} is held by ns/a (1) (seen in namespace ns alone)"


@pytest.mark.parametrize(
    ("answers", "oversized", "holders"),
    [
        ({"nodes": [node(**{GPU: "4"})], "pods": HELD}, "", SAW_ALL),
        ({"nodes": [node(), node(**{GPU: "2"})], "pods": HELD}, "it requests nvidia.com/gpu: 4", SAW_ALL),
        ({"nodes": [{}], "pods": HELD}, "it requests nvidia.com/gpu: 4", SAW_ALL),
        ({"nodes": [], "pods": HELD}, "", SAW_ALL),
        ({"nodes": denied("no nodes"), "pods": HELD}, "", SAW_ALL),
        ({"nodes": AWAY, "pods": AWAY}, "", f"no pod that may be read holds {GPU}"),
        ({"pods": denied("no pods"), "near": HELD[:1]}, "", SAW_NEAR),
        (
            {"pods": denied("no pods"), "near": denied("no pods")},
            "",
            f"no pod that may be read holds {GPU} (seen in namespace ns alone)",
        ),
    ],
)
def test_who_holds_what_is_lacking(answers: dict[str, Any], oversized: str, holders: str) -> None:
    details = Looking(**answers).details(UNPLACED)
    assert details.oversized.startswith(oversized)
    assert bool(details.oversized) == bool(oversized)
    assert details.holders == holders


@pytest.mark.parametrize(
    ("requests", "sums"),
    [
        ((), {}),
        ((("cpu", "500m"), ("cpu", "1"), (GPU, "1")), {"cpu": "1.5", GPU: "1"}),
        ((("memory", "1Gi"), ("memory", "1G")), {"memory": "2073741824"}),
    ],
)
def test_total(requests: tuple[tuple[str, str], ...], sums: dict[str, str]) -> None:
    assert total(requests) == {name: Decimal(amount) for name, amount in sums.items()}


def test_pods_that_ended_hold_nothing() -> None:
    assert held_by(GPU, HELD) == {"ns/a": 1, "other/b": 2}
    assert held_by("cpu", [holder("a", "1")]) == {"ns/a": Decimal("0.5")}
    assert held_by("memory", [holder("a", "1")]) == {"ns/a": 0}
