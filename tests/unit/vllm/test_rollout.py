# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Kubernetes API says of a rollout, and the verdicts on it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Pod, Workload
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.rollout import judge_workload, oversized_request

READY = Pod("p", scheduled=True, pulled=True, running=True, started=True, ready=True)
PLACED = Pod("p", scheduled=True)
DONE = Workload(found=True, observed=True, desired=1, updated=1, ready=1, available=1, total=1, pods=(READY,))


def waits(reason: str, message: str = "", **more: Any) -> Workload:
    return replace(DONE, ready=0, available=0, pods=(replace(PLACED, waiting=reason, message=message, **more),))


CASES = [
    ("complete", DONE, None, ""),
    ("no Deployment", Workload(), "not_found", "permanent"),
    ("spec not yet seen", replace(DONE, observed=False), "rollout", "heals"),
    ("no pod yet", replace(DONE, pods=()), "rollout", "heals"),
    ("over quota", replace(DONE, blocked='pods "x" is forbidden: exceeded quota: gpu'), "quota", "heals"),
    ("Pod Security", replace(DONE, blocked="violates PodSecurity"), "admission_denied", "permanent"),
    ("old pod still there", replace(DONE, total=2), "rollout", "heals"),
    ("scaled to zero", replace(DONE, desired=0, pods=()), "scaled_to_zero", "permanent"),
    ("second replica missing", replace(DONE, desired=2), "rollout", "heals"),
    ("not available yet", replace(DONE, available=0), "rollout", "heals"),
    ("not scheduled", replace(DONE, pods=(Pod("p"),)), "scheduling", "heals"),
    ("GPU busy", replace(DONE, pods=(Pod("p", unschedulable="0/2 nodes"),)), "unschedulable", "heals"),
    (
        "GPU request too large",
        replace(DONE, pods=(Pod("p", unschedulable="0/2 nodes"),), oversized="8 GPUs"),
        "unschedulable",
        "permanent",
    ),
    ("container being made", waits("ContainerCreating"), "starting", "heals"),
    ("registry flaky", waits("ImagePullBackOff", "i/o timeout"), "image_pull", "heals"),
    ("no such image", waits("ErrImagePull", "manifest unknown"), "image_not_found", "permanent"),
    ("no right to the image", waits("ImagePullBackOff", "401 Unauthorized"), "image_unauthorized", "permanent"),
    ("image absent", waits("ErrImageNeverPull"), "image_never_present", "permanent"),
    ("image name", waits("InvalidImageName"), "image_name_invalid", "permanent"),
    ("no Secret", waits("CreateContainerConfigError", 'secret "x" not found'), "config_missing", "permanent"),
    ("crashing", waits("CrashLoopBackOff", exit_code=1, exit_reason="Error", restarts=3), "crash", "suspect"),
    ("out of memory", waits("CrashLoopBackOff", exit_code=137, exit_reason="OOMKilled"), "oom_killed", "suspect"),
    ("loading", replace(DONE, pods=(replace(PLACED, running=True),)), "loading", "heals"),
    ("probe fails", replace(DONE, pods=(replace(PLACED, running=True, started=True),)), "probe_failing", "heals"),
    ("one of two not ready", replace(DONE, desired=2, pods=(READY, PLACED)), "starting", "heals"),
]


@pytest.mark.parametrize(
    ("workload", "reason", "severity"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_workload(workload: Workload, reason: str | None, severity: str) -> None:
    verdict = judge_workload(workload)
    assert (verdict.reason if verdict else None) == reason
    assert (verdict.severity if verdict else "") == severity


def test_crash_tells_the_exit_code_and_the_restarts() -> None:
    verdict = judge_workload(waits("CrashLoopBackOff", "back-off 10s", exit_code=1, exit_reason="Error", restarts=3))
    assert verdict
    assert "exit code 1 (Error) after 3 restarts; back-off 10s" in verdict.msg


@pytest.mark.parametrize(
    ("requests", "nodes", "told"),
    [
        ({"nvidia.com/gpu": 2}, [{"nvidia.com/gpu": 2}, {}], ""),
        ({"nvidia.com/gpu": 3}, [{"nvidia.com/gpu": 2}, {"nvidia.com/gpu": 2}], "nvidia.com/gpu: 3"),
        ({"amd.com/gpu": 1}, [{"nvidia.com/gpu": 2}], "amd.com/gpu: 1"),
        ({"cpu": 1}, [], ""),
        ({}, [{"cpu": 1}], ""),
    ],
)
def test_oversized_request(requests: dict[str, int], nodes: list[dict[str, int]], told: str) -> None:
    def exact(amounts: dict[str, int]) -> dict[str, Decimal]:
        return {name: Decimal(amount) for name, amount in amounts.items()}

    said = oversized_request(exact(requests), [exact(node) for node in nodes])
    assert told in said
    assert bool(told) == bool(said)
