# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of the Kubernetes API's objects, with all of their parts and without the optional ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Event, Pod, Workload
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reading import (
    port_of,
    probe_patience,
    read_events,
    read_pod,
    read_workload,
    requests_of,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vllm.objects import (
    PROBES,
    Json,
    condition,
    container_status,
    deployment,
    event,
    pod,
    replicaset,
    terminated,
    waiting,
)

BLOCKED = condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota: gpu")
OVERDUE = condition("Progressing", "False", "ProgressDeadlineExceeded")


def read(of: Json | None, sets: list[Json], pods: list[Json]) -> Workload:
    return read_workload([of] if of else [], sets, pods)


def test_a_complete_release() -> None:
    workload = read(deployment(), [replicaset()], [pod()])
    assert workload == Workload(True, True, False, 1, 1, 1, 1, 1, "", False, workload.pods)
    assert [each.name for each in workload.pods] == ["m-1-a"]


def test_no_release() -> None:
    assert read(None, [replicaset()], [pod()]) == Workload()


@pytest.mark.parametrize(
    ("of", "sets", "changed"),
    [
        (deployment(observedGeneration=0), [replicaset()], {"observed": False}),
        (deployment(observedGeneration=None), [replicaset()], {"observed": False}),
        (deployment(spec={"paused": True}), [replicaset()], {"paused": True}),
        (deployment(spec={"replicas": 0}), [replicaset()], {"desired": 0}),
        (deployment(spec={"replicas": 3}), [replicaset()], {"desired": 3}),
        (deployment(updatedReplicas=None, readyReplicas=None), [replicaset()], {"updated": 0, "ready": 0}),
        (deployment(availableReplicas=None, replicas=2), [replicaset()], {"available": 0, "total": 2}),
        (deployment(conditions=[OVERDUE]), [replicaset()], {"overdue": True}),
        (deployment(conditions=[condition("Progressing", "True", "NewReplicaSetAvailable")]), [replicaset()], {}),
        (deployment(conditions=[BLOCKED]), [replicaset()], {"blocked": "exceeded quota: gpu"}),
        (deployment(), [replicaset(conditions=[BLOCKED])], {"blocked": "exceeded quota: gpu"}),
        (deployment(), [replicaset(conditions=[{**BLOCKED, "status": "False"}])], {}),
        (deployment(), [replicaset("0", conditions=[BLOCKED]), replicaset()], {}),
        (deployment(), [], {"pods": ()}),
        (deployment("2"), [replicaset()], {"pods": ()}),
        (deployment(""), [replicaset()], {"pods": ()}),
        (deployment(""), [replicaset("")], {"pods": ()}),
        (deployment(), [replicaset(owner="dep-other")], {"pods": ()}),
        (deployment(), [replicaset(owner="")], {"pods": ()}),
    ],
)
def test_deployment(of: Json, sets: list[Json], changed: dict[str, Any]) -> None:
    plain, workload = read(deployment(), [replicaset()], [pod()]), read(of, sets, [pod()])
    differing = {name: value for name, value in vars(workload).items() if value != getattr(plain, name)}
    assert differing == changed


def test_only_pods_of_the_newest_revision_count_by_name() -> None:
    pods = [pod("b", "rs-m-2"), pod("old"), pod("stray", ""), pod("a", "rs-m-2"), pod("foreign", "rs-x")]
    workload = read(deployment("2"), [replicaset(), replicaset("2")], pods)
    assert [each.name for each in workload.pods] == ["a", "b"]


UNSCHEDULABLE = condition("PodScheduled", "False", "Unschedulable", "0/2 nodes are available")
GATED = condition("PodScheduled", "False", "SchedulingGated", "Scheduling is blocked")
REQUESTS = {"resources": {"requests": {"cpu": "2", "nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}}
MAIN_WAITS = container_status(state=waiting("PodInitializing"))
PLAIN = Pod(
    "m-1-a", "pod-m-1-a", "n1", "Running", container="vllm", pulled=True, running=True, started=True, ready=True
)


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {}),
        ({"node": "", "conditions": [UNSCHEDULABLE], "containers": []}, {"unschedulable": "0/2 nodes are available"}),
        (
            {"node": "", "conditions": [GATED], "containers": []},
            {"unschedulable": "", "gated": "Scheduling is blocked"},
        ),
        ({"node": "", "conditions": [], "containers": []}, {"node": "", "ready": False, "container": "vllm"}),
        ({"container": REQUESTS}, {"requests": (("cpu", "2"), ("nvidia.com/gpu", "1"))}),
        ({"metadata": {"deletionTimestamp": "2026-11-23T10:00:00Z"}}, {"terminating": True}),
        (
            {"phase": "Failed", "status": {"reason": "Evicted", "message": "disk"}},
            {"phase": "Failed", "status_reason": "Evicted", "status_message": "disk"},
        ),
        (
            {"containers": [container_status(state=waiting("ErrImagePull", "not found"))]},
            {"waiting": "ErrImagePull", "message": "not found", "pulled": False, "running": False, "ready": False},
        ),
        (
            {"containers": [container_status(state=waiting("CrashLoopBackOff"), last=terminated(1), restartCount=3)]},
            {"waiting": "CrashLoopBackOff", "exit_code": 1, "exit_reason": "Error", "restarts": 3},
        ),
        (
            {"containers": [container_status(state=terminated(137, "OOMKilled", "x"), imageID="sha256:0")]},
            {"exit_code": 137, "exit_reason": "OOMKilled", "exit_message": "x", "pulled": True, "running": False},
        ),
        (
            {"containers": [container_status(last=terminated(0, "Completed"), ready=False, started=False)]},
            {"running": True, "exit_code": 0, "exit_reason": "Completed", "started": False, "ready": False},
        ),
        ({"containers": [container_status(imageID="")]}, {"pulled": True}),
        ({"containers": [container_status("log"), container_status(ready=False)]}, {"container": "vllm"}),
        ({"containers": [container_status("log"), container_status()]}, {"container": "log", "ready": True}),
        (
            {"inits": [container_status("fetch", waiting("PodInitializing"))], "containers": [MAIN_WAITS]},
            {"container": "fetch", "running": False},
        ),
        ({"inits": [container_status("fetch", terminated(0, "Completed"))]}, {"container": "vllm"}),
        (
            {"inits": [container_status("fetch", terminated(1))], "containers": [MAIN_WAITS]},
            {"container": "fetch", "exit_code": 1},
        ),
        ({"inits": [container_status("proxy")]}, {"container": "vllm"}),
        ({"inits": [container_status("proxy", ready=False)]}, {"container": "vllm"}),
        ({"container": {"ports": [{"containerPort": 9000}]}}, {"port": 9000}),
    ],
)
def test_pod(given: dict[str, Any], changed: dict[str, Any]) -> None:
    found = read_pod(pod(**given))
    assert {name: getattr(found, name) for name in changed} == changed
    if not given:
        assert found == PLAIN


@pytest.mark.parametrize(
    ("ports", "port"),
    [
        (None, 8000),
        ([], 8000),
        ([{"containerPort": 80}], 80),
        ([{"containerPort": 80}, {"name": "http", "containerPort": 81}], 81),
        ([{"name": "metrics", "containerPort": 80}, {"name": "x", "containerPort": 81}], 80),
    ],
)
def test_port(ports: list[Json] | None, port: int) -> None:
    assert port_of({"name": "c"} if ports is None else {"name": "c", "ports": ports}) == port


@pytest.mark.parametrize(
    ("probes", "started", "seconds"),
    [
        ({}, False, 0),
        ({"livenessProbe": {"periodSeconds": 99}}, False, 0),
        ({"readinessProbe": {}}, False, 11),
        (PROBES, False, probe_patience({"readinessProbe": PROBES["startupProbe"]}, started=True)),
        (PROBES, True, probe_patience({"readinessProbe": PROBES["readinessProbe"]}, started=True)),
        ({"startupProbe": {}}, True, 0),
        ({"readinessProbe": {"initialDelaySeconds": 60, "periodSeconds": 5, "successThreshold": 3}}, True, 76),
    ],
)
def test_probe_patience(probes: Json, started: bool, seconds: float) -> None:
    assert probe_patience({"name": "c", **probes}, started=started) == seconds


def test_requests_are_those_of_each_container() -> None:
    spec = {
        "containers": [{"name": "a", **REQUESTS}, {"name": "b"}, {"name": "c", "resources": {"requests": {"cpu": "1"}}}]
    }
    assert list(requests_of(spec)) == [("cpu", "2"), ("nvidia.com/gpu", "1"), ("cpu", "1")]


def test_events_are_in_the_order_of_their_last_moment() -> None:
    items = [
        event("Third", at="2026-11-23T10:00:03Z"),
        event("Fourth", at="", series={"lastObservedTime": "2026-11-23T10:00:04.000000Z"}),
        event("First", at="", eventTime="2026-11-23T10:00:01.000000Z"),
        {"reason": "Undated", "series": None, "lastTimestamp": None, "eventTime": None},
        event("Second", "told", "2026-11-23T10:00:02Z"),
    ]
    assert [each.reason for each in read_events(items)] == ["Undated", "First", "Second", "Third", "Fourth"]
    assert read_events(items)[2] == Event("Second", "told")
    assert read_events([]) == ()


REQUIRED = {"metadata", "uid", "spec", "containers", "type"}
FULL_POD = pod(
    inits=[container_status("fetch", terminated(1, message="x")), container_status("proxy", ready=False)],
    containers=[container_status(state=waiting("CrashLoopBackOff", "x"), last=terminated(1))],
    conditions=[UNSCHEDULABLE, condition("Ready", "False")],
    container={**REQUESTS, **PROBES},
    status={"reason": "x", "message": "x"},
    metadata={"deletionTimestamp": "x"},
)
FULL_RELEASE: dict[str, Any] = {
    "deployments": [deployment(conditions=[BLOCKED, OVERDUE], spec={"paused": True})],
    "replicasets": [replicaset(conditions=[BLOCKED])],
    "pods": [FULL_POD],
    "events": [event("x", series={"lastObservedTime": "x"}, eventTime="x")],
}


def optional(item: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of what the API server may leave out: all but what its schema requires."""
    for key, value in item.items() if isinstance(item, dict) else enumerate(item):
        whole = (*path, key)
        required = key in REQUIRED or (key == "name" and "ports" not in path) or len(whole) < 3
        if isinstance(item, dict) and not required:
            yield whole
        if isinstance(value, dict | list):
            yield from optional(value, whole)


WHOLE = json.dumps(FULL_RELEASE)
PATHS = sorted(optional(FULL_RELEASE), key=str)


def without(paths: set[tuple[Any, ...]]) -> dict[str, Any]:
    rest: dict[str, Any] = json.loads(WHOLE)
    for path in sorted(paths, key=len, reverse=True):
        parent: Any = rest
        for key in path[:-1]:
            parent = parent[key]
        parent.pop(path[-1])
    return rest


def check(rest: dict[str, Any]) -> None:
    """Read it all, and see that each value has its type."""
    read_events(rest["events"])
    for each in (*map(read_pod, rest["pods"]), read_workload(rest["deployments"], rest["replicasets"], rest["pods"])):
        for name, default in vars(Pod("x") if isinstance(each, Pod) else Workload()).items():
            assert isinstance(getattr(each, name), int | None if name == "exit_code" else type(default)), name


def test_any_optional_part_may_be_missing() -> None:
    assert len(PATHS) > 90
    for path in PATHS:
        check(without({path}))


@given(st.sets(st.sampled_from(PATHS)))
def test_any_number_of_optional_parts_may_be_missing(paths: set[tuple[Any, ...]]) -> None:
    check(without(paths))
