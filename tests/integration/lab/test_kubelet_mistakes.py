# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a pod shows here as on a real cluster."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.lab.pods import Pods, condition, first, probe, vllm, waiting_reason


def test_readiness_on_a_path_that_is_not_there(pods: Pods) -> None:
    pods.create("not-ready", vllm(readinessProbe=probe("/ready")))
    pods.wait_event("not-ready", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404")
    pod = pods.wait("not-ready", lambda pod: first(pod)["state"].get("running"))
    assert condition(pod, "Ready") == "False"
    assert first(pod)["restartCount"] == 0


def test_a_startup_probe_shorter_than_the_load(pods: Pods) -> None:
    container = vllm(env={"LAB_VLLM_LOAD_SECONDS": "30"}, startupProbe=probe(failureThreshold=2))
    pods.create("too-short", container)
    pod = pods.wait("too-short", lambda pod: first(pod).get("restartCount", 0) >= 2, 15)
    assert not first(pod)["started"]
    pods.wait_event("too-short", "Unhealthy", "connect: connection refused")
    pods.wait_event("too-short", "Killing", "Container vllm failed startup probe, will be restarted")
    pods.wait_event("too-short", "BackOff", "Back-off restarting failed container vllm")
    assert "Loading weights" in pods.kubectl("logs", "--previous", "too-short")


def test_a_missing_secret_until_it_is_there(pods: Pods) -> None:
    key = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}
    pods.create("no-secret", vllm(env_from=[key]))
    pod = pods.wait("no-secret", lambda pod: waiting_reason(pod) == "CreateContainerConfigError")
    assert first(pod)["state"]["waiting"]["message"] == 'secret "hub" not found'
    pods.wait_event("no-secret", "Failed", 'Error: secret "hub" not found')
    pods.api.request("POST", f"{pods.path}/secrets", {"metadata": {"name": "hub"}, "stringData": {"other": "x"}})
    text = f"couldn't find key token in Secret {pods.namespace}/hub"
    pods.wait("no-secret", lambda pod: first(pod)["state"].get("waiting", {}).get("message") == text)
    pods.api.request("PATCH", f"{pods.path}/secrets/hub", {"stringData": {"token": "t"}})
    pods.wait_ready("no-secret")


def test_a_missing_volume(pods: Pods) -> None:
    pods.create("no-volume", vllm(), volumes=[{"name": "v", "configMap": {"name": "gone"}}])
    pods.wait_event("no-volume", "FailedMount", 'configmap "gone" not found')
    pod = pods.get("no-volume")
    assert pod is not None
    assert waiting_reason(pod) == "ContainerCreating"


@pytest.mark.parametrize(
    ("name", "image", "policy", "reason", "words"),
    [
        ("absent", "vllm/vllm-openai:missing", "Always", "ImagePullBackOff", ": not found"),
        ("private", "example.com/private/vllm:1", "Always", "ImagePullBackOff", "401 Unauthorized"),
        ("never", "vllm/vllm-openai:missing", "Never", "ErrImageNeverPull", "pull policy of Never"),
        ("invalid", "vllm/VLLM:1", "Always", "InvalidImageName", "invalid reference format"),
    ],
)
def test_images(pods: Pods, name: str, image: str, policy: str, reason: str, words: str) -> None:
    pods.create(name, vllm() | {"image": image, "imagePullPolicy": policy})
    pod = pods.wait(name, lambda pod: waiting_reason(pod) == reason)
    assert words in first(pod)["state"]["waiting"]["message"]
    pods.wait_event(name, "Failed", words if reason == "ImagePullBackOff" else f"Error: {reason}")


def test_a_crash_leads_to_a_back_off(pods: Pods) -> None:
    container = vllm(env={"LAB_VLLM_FAULT": "cuda-oom"}, terminationMessagePolicy="FallbackToLogsOnError")
    pods.create("crashes", container)

    def is_backing_off(pod: dict[str, Any]) -> bool:
        return waiting_reason(pod) == "CrashLoopBackOff" and first(pod)["restartCount"] >= 1

    pod = pods.wait("crashes", is_backing_off)
    uid = pod["metadata"]["uid"]
    text = f"restarting failed container=vllm pod=crashes_{pods.namespace}({uid})"
    assert first(pod)["state"]["waiting"]["message"].endswith(text)
    ended = first(pod)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (1, "Error")
    assert "CUDA out of memory" in ended["message"]
    assert "CUDA out of memory" in pods.kubectl("logs", "--previous", "crashes")


def test_an_unknown_flag(pods: Pods) -> None:
    pods.create("flag", vllm("--max-modell-len=1"), restartPolicy="Never")
    pod = pods.wait("flag", lambda pod: pod["status"]["phase"] == "Failed")
    assert first(pod)["state"]["terminated"]["exitCode"] == 2
    assert "unrecognized arguments: --max-modell-len=1" in pods.kubectl("logs", "flag")


def test_a_server_that_listens_only_inside_its_pod(pods: Pods) -> None:
    pods.create("inside", vllm("--host=127.0.0.1", readinessProbe=probe()))
    pods.wait_event("inside", "Unhealthy", "connect: connection refused")


def test_a_liveness_probe_restarts(pods: Pods) -> None:
    container = vllm(readinessProbe=probe(), livenessProbe=probe("/nowhere", failureThreshold=1, initialDelaySeconds=1))
    pods.create("restarts", container)
    pod = pods.wait("restarts", lambda pod: first(pod).get("restartCount"))
    assert first(pod)["lastState"]["terminated"]["reason"] == "Completed"
    pods.wait_event("restarts", "Killing", "Container vllm failed liveness probe, will be restarted")


def test_an_exec_probe_reaches_its_server(pods: Pods) -> None:
    script = "import urllib.request as u; u.urlopen('http://localhost:8000/health')"
    container = vllm(
        readinessProbe={"exec": {"command": ["python3", "-c", script]}, "periodSeconds": 1, "timeoutSeconds": 5}
    )
    pods.create("exec", container)
    pods.wait_ready("exec")
