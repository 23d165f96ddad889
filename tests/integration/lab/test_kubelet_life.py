# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that do well: they serve, they can be looked into, they end in good order."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from tests.integration.lab.pods import Pods, condition, first, post, probe, vllm, waiting_reason
from tests.lab import state

PROBES = {"startupProbe": probe(failureThreshold=10), "readinessProbe": probe(), "livenessProbe": probe()}


def test_a_pod_serves_through_a_port_forward_and_its_log_can_be_read(pods: Pods) -> None:
    pods.create("serves", vllm(**PROBES))
    pod = pods.wait_ready("serves")
    assert pod["status"]["podIP"].startswith("10.244.")
    assert pod["status"]["phase"] == "Running"
    with pods.forward("serves") as url:
        status, answer = post(f"{url}/v1/completions", {"model": "a", "prompt": "x", "max_tokens": 1})
    assert (status, answer["usage"]["completion_tokens"]) == (200, 1)
    assert "vLLM API server version 0.32.0" in pods.kubectl("logs", "serves")
    for reason in ("Scheduled", "Pulling", "Pulled", "Created", "Started"):
        pods.wait_event("serves", reason)
    pods.delete("serves")
    pods.wait_gone("serves")
    pods.wait_event("serves", "Killing", "Stopping container vllm")
    assert "serves" not in pods.kubectl("get", "portforwards,logs", "--output=name")


def test_the_environment_comes_from_secrets_and_config_maps(pods: Pods) -> None:
    pods.api.request("POST", f"{pods.path}/secrets", {"metadata": {"name": "key"}, "stringData": {"key": "k"}})
    pods.api.request("POST", f"{pods.path}/configmaps", {"metadata": {"name": "model"}, "data": {"MODEL": "given"}})
    key = {"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "key", "key": "key"}}}
    container = vllm("--served-model-name=$(MODEL)", env_from=[key], envFrom=[{"configMapRef": {"name": "model"}}])
    pods.create("configured", {**container, "readinessProbe": probe()})
    pods.wait_ready("configured")
    with pods.forward("configured") as url:
        assert post(f"{url}/v1/completions", {"prompt": "x"}) == (401, {"error": "Unauthorized"})
        assert post(f"{url}/invocations", {"prompt": "x"})[1]["model"] == "given"


def gpu_pod(**more: Any) -> dict[str, Any]:
    return vllm(resources={"limits": {"nvidia.com/gpu": "2"}}, **more)


def test_a_gpu_is_held_until_the_end_of_a_termination(pods: Pods) -> None:
    node = {"nodeSelector": {"kubernetes.io/hostname": "gpu-node-1"}}
    pods.create("holder", gpu_pod(lifecycle={"preStop": {"sleep": {"seconds": 2}}}), **node)
    pods.wait_ready("holder")
    pods.create("next", gpu_pod(), **node)
    pods.wait("next", lambda pod: condition(pod, "PodScheduled") == "False")
    assert "Insufficient nvidia.com/gpu" in str(pods.get("next"))
    pods.delete("holder")
    time.sleep(1.5)
    held, pending = pods.get("holder"), pods.get("next")
    assert held is not None
    assert condition(held, "Ready") == "True", "only its EndpointSlice knows of the termination"
    assert pending is not None
    assert pending["status"]["phase"] == "Pending"
    pods.wait_gone("holder", 3)
    pods.wait_ready("next")
    pods.delete("next", grace=0)


def test_jobs_really_run(pods: Pods) -> None:
    ends = {"ends-well": "echo done", "ends-badly": "echo bad >&2; exit 3"}
    for name, script in ends.items():
        container = {"name": "c", "image": "busybox:1", "command": ["sh", "-c", script]}
        pods.create(name, container, restartPolicy="Never")
    well = pods.wait("ends-well", lambda pod: pod["status"]["phase"] == "Succeeded")
    badly = pods.wait("ends-badly", lambda pod: pod["status"]["phase"] == "Failed")
    assert [first(pod)["state"]["terminated"]["exitCode"] for pod in (well, badly)] == [0, 3]
    assert pods.kubectl("logs", "ends-badly") == "bad\n"


def test_init_containers_come_first(pods: Pods) -> None:
    init = {"name": "wait", "image": "busybox:1", "command": ["sleep", "0.5"]}
    pods.create("initialised", {"name": "app", "image": "nginx:1"}, initContainers=[init])
    assert waiting_reason(pods.wait("initialised", waiting_reason)) == "PodInitializing"
    pod = pods.wait_ready("initialised")
    assert pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"


def test_who_is_killed_from_outside_ran_out_of_memory(pods: Pods, lab: Any) -> None:
    pods.create("large", vllm(readinessProbe=probe()))
    pods.wait_ready("large")
    records = state.living(lab.state_dir)
    os.kill(records[f"{pods.namespace}/large/vllm"], signal.SIGKILL)
    pod = pods.wait("large", lambda pod: first(pod)["restartCount"] == 1)
    ended = first(pod)["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


@pytest.mark.parametrize("grace", [0, None])
def test_a_frozen_server_ends_too(pods: Pods, grace: int | None) -> None:
    name = f"frozen-{grace}".lower()
    pods.create(name, vllm(env={"LAB_VLLM_FAULT": "frozen"}, readinessProbe=probe()), terminationGracePeriodSeconds=2)
    pods.wait_ready(name)
    pods.delete(name, grace)
    pods.wait_gone(name, 4)
