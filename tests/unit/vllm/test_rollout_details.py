# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdicts on a pod of which events, logs and its server's answers were read; and what they tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import (
    Details,
    Event,
    Pod,
    Verdict,
    Workload,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reading import read_pod
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.rollout import judge_workload

from tests.unit.vllm.objects import container_status, pod, terminated, waiting

WAITS = Pod("p", unschedulable="0/2 nodes are available: 2 Insufficient nvidia.com/gpu.")
PLACED = Pod("p", "u", "n", container="vllm", phase="Running")
MADE = replace(PLACED, waiting="ContainerCreating")
LOADING = replace(PLACED, pulled=True, running=True)
STARTED = replace(LOADING, started=True)
ENDED = replace(PLACED, pulled=True, waiting="CrashLoopBackOff", exit_code=1, exit_reason="Error", restarts=3)
AGAIN = replace(LOADING, exit_code=1, restarts=1)

KILLED = Event("Killing", "Container vllm failed startup probe, will be restarted")
UNHEALTHY = Event("Unhealthy", "Startup probe failed: HTTP probe failed with statuscode: 404")
LOST = Event("NodeNotReady", "Node is not ready")
NO_MAP = Event("FailedMount", 'MountVolume.SetUp failed for volume "cfg" : configmap "cfg" not found')
NO_KEY = Event("FailedMount", 'MountVolume.SetUp failed for volume "cfg" : references non-existent secret key: token')
NFS = Event("FailedMount", 'MountVolume.SetUp failed for volume "models" : mount.nfs: Connection timed out')
BUSY = Event("FailedAttachVolume", 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) old')
FLAG = ("vllm: error: unrecognized arguments: --x",)
FULL = ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.25 GiB.",)


def judged(each: Pod, details: Details) -> Verdict:
    workload = Workload(True, True, desired=1, updated=1, total=1, pods=(each,), details={each.name: details})
    verdict = judge_workload(workload)
    assert verdict
    return verdict


CASES = [
    ("asks for too much", WAITS, Details(oversized="it requests 8"), "unschedulable", "permanent", None),
    ("asks for what others have", WAITS, Details(holders="gpu is held by a/b (1)"), "unschedulable", "heals", None),
    ("volume slow", MADE, Details(events=(NFS,)), "volume", "heals", "scheduled"),
    ("volume attached elsewhere", MADE, Details(events=(BUSY,)), "volume", "heals", "scheduled"),
    ("ConfigMap missing", MADE, Details(events=(NO_MAP,)), "config_missing", "permanent", "scheduled"),
    ("key missing", MADE, Details(events=(NO_KEY,)), "config_missing", "permanent", "scheduled"),
    ("the last event of a volume counts", MADE, Details(events=(NO_MAP, NFS)), "volume", "heals", "scheduled"),
    ("other events", MADE, Details(events=(Event("Pulling", "x"),)), "starting", "heals", "scheduled"),
    ("node lost while loading", LOADING, Details(events=(LOST,)), "node_lost", "heals", "started"),
    ("node lost while being made", MADE, Details(events=(NFS, LOST)), "node_lost", "heals", "scheduled"),
    (
        "node back, and the container ends",
        ENDED,
        Details(events=(LOST, Event("BackOff", "Back-off restarting failed container")), log=FLAG),
        "bad_flag",
        "permanent",
        "started",
    ),
    ("works, but is not Ready", STARTED, Details(serves=True), "probe_misconfigured", "permanent", "started"),
    ("works, but is not started", LOADING, Details(serves=True), "probe_misconfigured", "permanent", "started"),
    ("killed by its probe", ENDED, Details(events=(UNHEALTHY, KILLED)), "probe_misconfigured", "suspect", "started"),
    ("killed by its probe, for a cause", ENDED, Details((KILLED,), FULL), "cuda_out_of_memory", "suspect", "started"),
    ("log tells", ENDED, Details(log=FLAG), "bad_flag", "permanent", "started"),
    ("log tells nothing", ENDED, Details(log=("INFO hello",)), "crash", "suspect", "started"),
    ("events may still come", ENDED, Details(settled=False), "crash", "heals", "started"),
    ("log tells before events", ENDED, Details(log=FLAG, settled=False), "bad_flag", "permanent", "started"),
    (
        "killed, and more may come",
        ENDED,
        Details((KILLED,), settled=False),
        "probe_misconfigured",
        "suspect",
        "started",
    ),
    ("message tells", replace(ENDED, exit_message=FULL[0]), Details(), "cuda_out_of_memory", "suspect", "started"),
    ("kernel tells", replace(ENDED, exit_reason="OOMKilled"), Details(log=FLAG), "oom_killed", "suspect", "started"),
    ("runs again after a crash", AGAIN, Details(), "loading", "heals", "started"),
    ("runs again without GPU memory", AGAIN, Details(log=FULL), "loading", "heals", "started"),
    ("runs again with a bad flag", AGAIN, Details(log=FLAG), "bad_flag", "permanent", "started"),
    ("runs again and has started", replace(AGAIN, started=True), Details(), "probe_failing", "heals", "loaded"),
    ("runs again and works", AGAIN, Details(serves=True), "probe_misconfigured", "permanent", "started"),
]


@pytest.mark.parametrize(
    ("each", "details", "reason", "severity", "phase"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_pod(each: Pod, details: Details, reason: str, severity: str, phase: str | None) -> None:
    verdict = judged(each, details)
    assert (verdict.reason, verdict.severity, verdict.phase) == (reason, severity, phase)


EXIT = "container vllm ended with exit code 1 (Error), 3 restarts so far"


@pytest.mark.parametrize(
    ("each", "details", "told"),
    [
        (ENDED, Details(log=("a", "", "b", "c", "d")), f"Pod p: {EXIT}; its last lines: b | c | d"),
        (ENDED, Details(missing="pods/log is forbidden"), f"Pod p: {EXIT}; pods/log is forbidden"),
        (ENDED, Details(), f"Pod p: {EXIT}; its log is empty"),
        (replace(ENDED, exit_message="x\ny"), Details(), f"Pod p: {EXIT}; its last lines: x | y"),
        (ENDED, Details(log=FLAG), f"Pod p: {EXIT}: {FLAG[0]}"),
        (ENDED, Details(events=(UNHEALTHY, KILLED)), f"Pod p: {EXIT}: {KILLED.message} ({UNHEALTHY.message})"),
        (replace(ENDED, exit_reason=""), Details(), f"Pod p: {EXIT}; its log is empty"),
        (WAITS, Details(oversized="it requests 8"), "Pod p can never be scheduled: it requests 8"),
        (WAITS, Details(holders="x is held by y"), f"Pod p waits for a node: {WAITS.unschedulable} x is held by y"),
        (WAITS, Details(), f"Pod p waits for a node: {WAITS.unschedulable}"),
        (MADE, Details(events=(NFS,)), f"Pod p: {NFS.message}"),
        (MADE, Details(), "Pod p is being started: ContainerCreating vllm"),
        (LOADING, Details(events=(LOST,)), "Pod p: its node n does not report"),
        (
            STARTED,
            Details(events=(UNHEALTHY,)),
            f"Pod p has started but its readiness probe fails ({UNHEALTHY.message})",
        ),
        (
            STARTED,
            Details((UNHEALTHY,), serves=True),
            f"Pod p generates, but a probe of it fails ({UNHEALTHY.message})",
        ),
        (
            replace(PLACED, phase="Failed", status_reason="Evicted", status_message="disk pressure"),
            Details(),
            "Pod p was given up by its node: Evicted: disk pressure",
        ),
        (replace(PLACED, phase="Failed"), Details(), "Pod p was given up by its node: Failed"),
    ],
)
def test_what_is_told(each: Pod, details: Details, told: str) -> None:
    assert judged(each, details).msg == told


def test_what_was_before_a_restart_is_told() -> None:
    told = judged(AGAIN, Details(log=FULL)).msg
    assert told.startswith(
        "Pod p runs and its startup probe has not passed yet: the model is loading. Before, container"
    )
    assert told.endswith(FULL[0])


INIT_RUNS = container_status("fetch", ready=False, started=True)
MAIN_WAITS = container_status(state=waiting("PodInitializing"))


@pytest.mark.parametrize(
    ("inits", "containers", "reason", "told"),
    [
        ([INIT_RUNS], [MAIN_WAITS], "starting", "fetch"),
        (
            [container_status("fetch", waiting("ImagePullBackOff", "manifest unknown"))],
            [MAIN_WAITS],
            "image_not_found",
            "",
        ),
        (
            [container_status("fetch", waiting("CrashLoopBackOff"), terminated(3), restartCount=2)],
            [MAIN_WAITS],
            "crash",
            "container fetch ended with exit code 3",
        ),
        (
            [container_status("fetch", terminated(0, "Completed"))],
            [container_status(state=waiting("CrashLoopBackOff"), last=terminated(1))],
            "crash",
            "container vllm ended with exit code 1",
        ),
        ([container_status("proxy")], [container_status(ready=False, started=False)], "loading", "m-1-a"),
        (
            [container_status("proxy", ready=False)],
            [container_status(ready=False, started=False)],
            "loading",
            "m-1-a",
        ),
        (
            [],
            [container_status("log"), container_status(state=waiting("CrashLoopBackOff"), last=terminated(1))],
            "crash",
            "container vllm",
        ),
    ],
    ids=[
        "runs",
        "has no image",
        "ends",
        "is done",
        "is a sidecar",
        "is a sidecar that is not ready either",
        "none, but a second container",
    ],
)
def test_init_containers(
    inits: list[dict[str, object]], containers: list[dict[str, object]], reason: str, told: str
) -> None:
    verdict = judged(read_pod(pod(inits=inits, containers=containers)), Details())
    assert verdict.reason == reason
    assert told in verdict.msg


def test_an_init_container_that_runs_is_no_model_that_loads() -> None:
    """The kubelet calls an init container started as soon as it runs, if it has no startup probe."""
    verdict = judged(read_pod(pod(inits=[INIT_RUNS], containers=[MAIN_WAITS])), Details())
    assert verdict.phase in ("scheduled", "pulled")
