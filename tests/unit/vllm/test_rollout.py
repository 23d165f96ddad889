# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdicts on a rollout: of the Deployment, of its pods, of its counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import (
    PHASES,
    Details,
    Event,
    Pod,
    Workload,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import REASONS
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.rollout import ADVANCING, WAITING, judge_workload
from hypothesis import given
from hypothesis import strategies as st

READY = Pod("p", "u", "n", pulled=True, running=True, started=True, ready=True)
PLACED = Pod("p", "u", "n")
LOADING = replace(PLACED, pulled=True, running=True)
STARTED = replace(LOADING, started=True)
CRASHING = replace(PLACED, pulled=True, waiting="CrashLoopBackOff", exit_code=1, restarts=3)
DONE = Workload(found=True, observed=True, desired=1, updated=1, ready=1, available=1, total=1, pods=(READY,))
WEBHOOK = 'Internal error occurred: failed calling webhook "pods.policy": failed to call webhook'


def of(*pods: Pod, **more: Any) -> Workload:
    """A Deployment with these pods, none of which counts as ready yet."""
    return replace(DONE, ready=0, available=0, pods=pods, **more)


def blocked(message: str) -> Workload:
    return replace(DONE, updated=0, ready=0, available=0, total=0, pods=(), blocked=message)


DEPLOYMENTS = [
    ("complete", DONE, None, ""),
    ("no Deployment", Workload(), "not_found", "permanent"),
    ("spec not yet seen", replace(DONE, observed=False), "rollout", "heals"),
    ("no pod yet", replace(DONE, pods=()), "rollout", "heals"),
    ("scaled to zero", replace(DONE, desired=0, pods=()), "scaled_to_zero", "permanent"),
    ("scaled to zero, pods still end", replace(DONE, desired=0), "scaled_to_zero", "permanent"),
    ("over quota", blocked('pods "x" is forbidden: exceeded quota: gpu, requested: pods=1'), "quota", "heals"),
    (
        "Pod Security",
        blocked('pods "x" is forbidden: violates PodSecurity "restricted"'),
        "admission_denied",
        "permanent",
    ),
    (
        "policy",
        blocked('admission webhook "policy" denied the request: no such registry'),
        "admission_denied",
        "permanent",
    ),
    (
        "policy that speaks of a timeout",
        blocked('admission webhook "policy" denied the request: spec.timeoutSeconds must be set'),
        "admission_denied",
        "permanent",
    ),
    ("webhook down", blocked(f"{WEBHOOK}: connect: connection refused"), "admission_denied", "heals"),
    ("webhook slow", blocked(f"{WEBHOOK}: context deadline exceeded"), "admission_denied", "heals"),
    ("API slow", blocked("Timeout: request did not complete within requested timeout"), "admission_denied", "heals"),
    (
        "service account not made yet",
        blocked('pods "x" is forbidden: error looking up service account ns/m: serviceaccount "m" not found'),
        "admission_denied",
        "heals",
    ),
    ("blocked counts before scaled to zero", replace(blocked("violates"), desired=0), "admission_denied", "permanent"),
    ("paused before a pod was made", replace(DONE, paused=True, updated=0, pods=()), "paused", "suspect"),
    ("paused before a pod was ready", of(LOADING, paused=True), "paused", "suspect"),
    ("paused after it was complete", replace(DONE, paused=True), None, ""),
    ("scaled to zero and paused", replace(DONE, desired=0, paused=True), "scaled_to_zero", "permanent"),
    ("second replica not made", replace(DONE, desired=2), "rollout", "heals"),
    ("not updated", replace(DONE, updated=0), "rollout", "heals"),
    ("not ready", replace(DONE, ready=0), "rollout", "heals"),
    ("not available yet", replace(DONE, available=0), "rollout", "heals"),
    ("old pod still there", replace(DONE, total=2), "rollout", "heals"),
]
PODS = [
    ("not looked at", of(Pod("p")), "scheduling", "heals", None),
    ("gated", of(Pod("p", gated="Scheduling is blocked")), "scheduling", "heals", None),
    ("no claim", of(Pod("p", unschedulable='persistentvolumeclaim "x" not found')), "volume", "heals", None),
    ("claim waits", of(Pod("p", unschedulable="unbound immediate PersistentVolumeClaims")), "volume", "heals", None),
    ("no node has room", of(Pod("p", unschedulable="0/2 nodes are available")), "unschedulable", "heals", None),
    ("evicted", of(replace(PLACED, phase="Failed", status_reason="Evicted")), "rollout", "heals", None),
    ("rejected without a node", of(Pod("p", phase="Failed")), "rollout", "heals", None),
    ("being made", of(replace(PLACED, waiting="ContainerCreating")), "starting", "heals", "scheduled"),
    ("pods are initialised", of(replace(PLACED, waiting="PodInitializing")), "starting", "heals", "scheduled"),
    ("kubelet has not looked", of(PLACED), "starting", "heals", "scheduled"),
    ("unknown word of the kubelet", of(replace(PLACED, waiting="PreStartHookError")), "starting", "heals", "scheduled"),
    ("crashing", of(CRASHING), "crash", "suspect", "started"),
    ("ended once", of(replace(PLACED, pulled=True, exit_code=1)), "crash", "suspect", "pulled"),
    ("ended without an error", of(replace(PLACED, pulled=True, exit_code=0)), "crash", "suspect", "pulled"),
    ("out of memory", of(replace(CRASHING, exit_reason="OOMKilled")), "oom_killed", "suspect", "started"),
    ("loading", of(LOADING), "loading", "heals", "started"),
    ("readiness probe fails", of(STARTED), "probe_failing", "heals", "loaded"),
    ("ready pod, wrong count", replace(DONE, ready=0), "rollout", "heals", "started"),
    ("one of two not ready", replace(DONE, desired=2, pods=(READY, PLACED)), "starting", "heals", "scheduled"),
    ("one that ends does not count", replace(DONE, pods=(READY, replace(CRASHING, terminating=True))), None, "", None),
    (
        "all of them end",
        replace(DONE, ready=0, pods=(replace(CRASHING, terminating=True),)),
        "rollout",
        "heals",
        "started",
    ),
]
WAITS = [
    ("registry flaky", "ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout", "image_pull", "heals"),
    ("registry flaky for long", "ImagePullBackOff", 'Back-off pulling image "x"', "image_pull", "heals"),
    ("no such image", "ErrImagePull", "manifest unknown", "image_not_found", "permanent"),
    ("no such image for long", "ImagePullBackOff", "x:y: not found", "image_not_found", "permanent"),
    ("no right to the image", "ImagePullBackOff", "401 Unauthorized", "image_unauthorized", "permanent"),
    ("image absent", "ErrImageNeverPull", "", "image_never_present", "permanent"),
    ("image name", "InvalidImageName", "couldn't parse image name", "image_name_invalid", "permanent"),
    ("no Secret", "CreateContainerConfigError", 'secret "x" not found', "config_missing", "permanent"),
    ("no device", "CreateContainerError", "error gathering device information", "container_error", "suspect"),
    ("no program", "RunContainerError", 'exec: "vllm": not found', "container_error", "suspect"),
]


@pytest.mark.parametrize(
    ("workload", "reason", "severity"), [row[1:] for row in DEPLOYMENTS], ids=[row[0] for row in DEPLOYMENTS]
)
def test_deployment(workload: Workload, reason: str | None, severity: str) -> None:
    verdict = judge_workload(workload)
    assert (verdict.reason if verdict else None, verdict.severity if verdict else "") == (reason, severity)
    assert workload.blocked in (verdict.msg if verdict else "")


@pytest.mark.parametrize(
    ("workload", "reason", "severity", "phase"), [row[1:] for row in PODS], ids=[row[0] for row in PODS]
)
def test_pod(workload: Workload, reason: str | None, severity: str, phase: str | None) -> None:
    verdict = judge_workload(workload)
    assert (verdict.reason if verdict else None, verdict.severity if verdict else "") == (reason, severity)
    assert (verdict.phase if verdict else None) == phase


@pytest.mark.parametrize(
    ("word", "message", "reason", "severity"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS]
)
def test_container_that_cannot_be_made(word: str, message: str, reason: str, severity: str) -> None:
    verdict = judge_workload(of(replace(PLACED, waiting=word, message=message)))
    assert verdict
    assert (verdict.reason, verdict.severity, verdict.phase) == (reason, severity, "scheduled")
    assert (message or word) in verdict.msg


def test_each_word_of_the_kubelet_has_a_case() -> None:
    assert {row[1] for row in WAITS} == set(WAITING)


@pytest.mark.parametrize(
    ("workload", "reason"),
    [
        (replace(DONE, desired=2), "slow"),
        (of(Pod("p")), "slow"),
        (of(PLACED), "slow"),
        (of(LOADING), "slow"),
        (of(CRASHING), "crash"),
        (of(STARTED), "probe_failing"),
        (of(Pod("p", unschedulable="0/2 nodes")), "unschedulable"),
        (DONE, None),
    ],
)
def test_progress_deadline(workload: Workload, reason: str | None) -> None:
    before, after = judge_workload(workload), judge_workload(replace(workload, overdue=True))
    assert (after.reason if after else None) == reason
    if before and after and reason == "slow":
        assert before.reason in ADVANCING
        assert (after.severity, after.phase) == (before.severity, before.phase)
        assert after.msg == f"The progress deadline has passed. {before.msg}"


GONE = Details(events=(Event("NodeNotReady", "Node is not ready"),))
BAD_FLAG = Details(log=("vllm: error: unrecognized arguments: --x",))


@pytest.mark.parametrize(
    ("first", "second", "details", "reason"),
    [
        (LOADING, CRASHING, {}, "crash"),
        (CRASHING, Pod("p"), {}, "crash"),
        (STARTED, LOADING, {}, "loading"),
        (LOADING, PLACED, {}, "starting"),
        (PLACED, Pod("p"), {}, "scheduling"),
        (CRASHING, replace(PLACED, waiting="InvalidImageName"), {}, "image_name_invalid"),
        (READY, STARTED, {}, "probe_failing"),
        (LOADING, CRASHING, {"b": BAD_FLAG}, "bad_flag"),
        (CRASHING, CRASHING, {"b": BAD_FLAG}, "bad_flag"),
        (LOADING, STARTED, {"b": GONE}, "loading"),
    ],
)
def test_the_worst_pod_counts(first: Pod, second: Pod, details: dict[str, Details], reason: str) -> None:
    pods = (replace(first, name="a"), replace(second, name="b"))
    for order in (pods, pods[::-1]):
        verdict = judge_workload(of(*order, desired=2, details=details))
        assert verdict
        assert verdict.reason == reason


TEXT = st.sampled_from(["", "x", "exceeded quota", "timeout", *WAITING])
EVENTS = st.sampled_from(["NodeNotReady", "FailedMount", "Unhealthy", "Killing"])
ANY_DETAILS = st.builds(
    Details,
    events=st.lists(st.builds(Event, EVENTS, TEXT), max_size=2).map(tuple),
    log=st.just(("CUDA out of memory",)) | st.just(()),
)
ANY_POD = st.builds(
    Pod,
    name=st.sampled_from(["a", "b"]),
    node=st.sampled_from(["", "n"]),
    phase=st.sampled_from(["Pending", "Running", "Failed"]),
    unschedulable=TEXT,
    waiting=TEXT,
    message=TEXT,
    exit_code=st.sampled_from([None, 0, 137]),
    exit_reason=st.sampled_from(["", "OOMKilled"]),
) | st.just(READY)
COUNT = st.integers(0, 3)
ANY_WORKLOAD = st.builds(
    Workload,
    desired=COUNT,
    updated=COUNT,
    ready=COUNT,
    available=COUNT,
    total=COUNT,
    blocked=TEXT,
    pods=st.lists(ANY_POD, max_size=3).map(tuple),
    details=st.fixed_dictionaries({}, optional={"a": ANY_DETAILS, "b": ANY_DETAILS}),
)
PARTS = sorted(vars(DONE).keys() - {"overdue"})
TWICE = replace(DONE, desired=2, updated=2, ready=2, available=2, total=2, pods=(READY, READY))
OFTEN_DONE = st.builds(
    lambda whole, part, take: replace(whole, **{name: getattr(part, name) for name in take}),
    st.sampled_from([DONE, TWICE]),
    ANY_WORKLOAD,
    st.sets(st.sampled_from(PARTS)),
)


def is_complete(workload: Workload) -> bool:
    """What the documents say of a complete rollout, in other words than the code's."""
    counts = (workload.updated, workload.ready, workload.available)
    staying = [pod for pod in workload.pods if not pod.terminating]
    return (
        workload.found
        and workload.observed
        and not workload.blocked
        and workload.desired > 0
        and all(count >= workload.desired >= workload.total for count in counts)
        and len(workload.pods) > 0
        and all(pod.ready for pod in staying)
    )


@given(ANY_WORKLOAD | OFTEN_DONE)
def test_nothing_keeps_a_rollout_from_being_complete_only_if_it_is(workload: Workload) -> None:
    verdict = judge_workload(workload)
    assert (verdict is None) == is_complete(workload)
    if verdict:
        assert not verdict.ready
        assert verdict.reason in REASONS
        assert verdict.phase in (None, *PHASES)
        assert verdict.msg
