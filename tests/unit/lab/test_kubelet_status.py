# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status a kubelet writes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.kubelet.status import Record, View, adopt, build_status, phase, terminated, timestamp, waiting

NOW = 1_795_000_000.0
WAIT = waiting("ContainerCreating")
RUN: dict[str, Any] = {"running": {"startedAt": timestamp(NOW)}}


def end(code: int) -> dict[str, Any]:
    return terminated(code, "Error" if code else "Completed", "a", "b", "c")


def record(state: dict[str, Any], name: str = "c", **more: Any) -> Record:
    return Record(name, "vllm:1", state=state, **more)


def view(*records: Record, policy: str = "Always", final: bool = False, **more: Any) -> View:
    pod = {"metadata": {"uid": "u"}, "spec": {"restartPolicy": policy, **more.pop("spec", {})}, **more}
    return View(pod, list(records), pod_ip="10.244.0.1", is_final=final)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (view(record(WAIT)), "Pending"),
        (view(record(RUN)), "Running"),
        (view(record(RUN), record(WAIT)), "Pending"),
        (view(record(RUN), record(end(1))), "Running"),
        (view(record(waiting("CrashLoopBackOff"), last_state=end(1))), "Running"),
        (view(record(end(1))), "Running"),
        (view(record(end(0)), policy="Never"), "Succeeded"),
        (view(record(end(1)), policy="Never"), "Failed"),
        (view(record(end(0)), record(RUN), policy="Never"), "Running"),
        (view(record(end(1)), policy="OnFailure"), "Running"),
        (view(record(end(0)), policy="OnFailure"), "Succeeded"),
        (view(record(RUN, is_init=True), record(WAIT)), "Pending"),
        (view(record(end(1), is_init=True), record(WAIT), policy="Never"), "Failed"),
        (view(record(end(0), is_init=True), record(RUN)), "Running"),
        (view(record(RUN, is_init=True, is_sidecar=True, started=True), record(RUN)), "Running"),
        (view(record(RUN, is_init=True, is_sidecar=True), record(WAIT)), "Pending"),
        (view(record(end(0)), final=True), "Succeeded"),
        (view(record(end(137)), final=True), "Failed"),
        (view(record(WAIT), final=True), "Pending"),
    ],
)
def test_phase(found: View, expected: str) -> None:
    assert phase(found) == expected


def condition(found: View, kind: str) -> tuple[str, str | None, str | None]:
    entry = next(entry for entry in build_status(found, NOW)["conditions"] if entry["type"] == kind)
    return entry["status"], entry["reason"], entry["message"]


UNREADY = "containers with unready status: [c]"


@pytest.mark.parametrize(
    ("found", "kind", "expected"),
    [
        (view(record(RUN, ready=True)), "Ready", ("True", None, None)),
        (view(record(RUN)), "Ready", ("False", "ContainersNotReady", UNREADY)),
        (view(record(RUN)), "ContainersReady", ("False", "ContainersNotReady", UNREADY)),
        (view(record(end(0)), policy="Never"), "Ready", ("False", "PodCompleted", None)),
        (view(record(end(1)), policy="Never"), "Ready", ("False", "PodFailed", None)),
        (view(record(RUN)), "Initialized", ("True", None, None)),
        (
            view(record(RUN, "i", is_init=True), record(WAIT)),
            "Initialized",
            ("False", "ContainersNotInitialized", "containers with incomplete status: [i]"),
        ),
        (view(record(RUN)), "PodReadyToStartContainers", ("True", None, None)),
        (view(record(end(0)), final=True), "PodReadyToStartContainers", ("False", None, None)),
        (
            view(record(RUN, ready=True), spec={"readinessGates": [{"conditionType": "g"}]}),
            "Ready",
            ("False", "ReadinessGatesNotReady", 'corresponding condition of pod readiness gate "g" does not exist.'),
        ),
        (
            view(
                record(RUN, ready=True),
                spec={"readinessGates": [{"conditionType": "g"}]},
                status={"conditions": [{"type": "g", "status": "True"}]},
            ),
            "Ready",
            ("True", None, None),
        ),
    ],
)
def test_conditions(found: View, kind: str, expected: tuple[str, str | None, str | None]) -> None:
    assert condition(found, kind) == expected


def test_times_of_conditions_change_with_their_status_only() -> None:
    before = [
        {"type": "Initialized", "status": "True", "lastTransitionTime": "then"},
        {"type": "Ready", "status": "True", "lastTransitionTime": "then"},
    ]
    status = build_status(view(record(RUN), status={"conditions": before}), NOW)
    times = {entry["type"]: entry["lastTransitionTime"] for entry in status["conditions"]}
    assert (times["Initialized"], times["Ready"]) == ("then", timestamp(NOW))


def test_a_containers_entry() -> None:
    found = record(RUN, ready=True, started=True, pulled=True, restart_count=2, last_state=end(1))
    entry = build_status(view(found), NOW)["containerStatuses"][0]
    assert entry["image"] == "docker.io/library/vllm:1"
    assert entry["imageID"].startswith("docker.io/library/vllm@sha256:")
    assert (entry["state"], entry["lastState"], entry["restartCount"]) == (RUN, end(1), 2)


def test_what_ran_under_an_earlier_kubelet_was_lost_with_it() -> None:
    found = record(WAIT)
    adopt(found, {"state": RUN, "restartCount": 3, "imageID": "x", "containerID": "id"}, NOW)
    assert (found.exit_code, found.state["terminated"]["reason"], found.restart_count) == (255, "Unknown", 3)


def test_what_waited_under_an_earlier_kubelet_waits_on() -> None:
    found = record(RUN)
    adopt(found, {"state": waiting("CrashLoopBackOff"), "lastState": end(1), "restartCount": 1}, NOW)
    assert (found.exit_code, found.last_state) == (None, end(1))
