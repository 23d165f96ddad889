# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures of a pod that has a node: its image, what it refers to, its containers' ends, and its probes."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import HEALS, PERMANENT, SUSPECT

from tests.integration.lab.pods import probe
from tests.integration.readiness.cluster_failures import claims, deploys
from tests.integration.readiness.deployments import Json
from tests.integration.readiness.failures import Case
from tests.integration.readiness.scene import Scene, ended, running, server, told, waiting

CONFIG_ERROR = waiting("CreateContainerConfigError")
PULL_ERROR = waiting("ErrImagePull")
# A probe fails three times by default before anything comes of it.
PROBE_FAILS = told("Unhealthy", "Readiness probe failed", 3)


def with_image(image: str, policy: str = "IfNotPresent") -> Any:
    return deploys(server() | {"image": image, "imagePullPolicy": policy})


def with_key(kind: str, name: str, key: str) -> Json:
    """A server that takes a variable from a Secret or ConfigMap."""
    field = {"Secret": "secretKeyRef", "ConfigMap": "configMapKeyRef"}[kind]
    return server(env_from=[{"name": "HF_TOKEN", "valueFrom": {field: {"name": name, "key": key}}}])


def with_volume(**source: Any) -> Json:
    return {"volumes": [{"name": "v", **source}]}


def lack_key(scene: Scene) -> None:
    scene.create("secrets", scene.release, stringData={"other": "x"})
    scene.deploy(with_key("Secret", scene.release, "token"))


def lack_key_of_config_map(scene: Scene) -> None:
    scene.create("configmaps", scene.release, data={"other": "x"})
    scene.deploy(with_key("ConfigMap", scene.release, "model"))


def lack_key_in_volume(scene: Scene) -> None:
    scene.create("secrets", scene.release, stringData={"other": "x"})
    scene.deploy(pod=with_volume(secret={"secretName": scene.release, "items": [{"key": "token", "path": "t"}]}))


def run_out_of_memory(scene: Scene) -> None:
    scene.deploy(server(load=60))
    scene.play(scene.kill_processes)


def fail_to_start(fault: str, reason: str, severity: str, *words: str) -> Case:
    """A fault of the stand-in that ends it while it starts."""
    return Case(f"start-{fault}", reason, severity, words, deploys(server(fault)), ended)


IMAGES = (
    Case("image-missing", "image_not_found", PERMANENT, ("vllm:missing",), with_image("org/vllm:missing"), PULL_ERROR),
    Case(
        "image-private",
        "image_unauthorized",
        PERMANENT,
        ("example.com/private/vllm:1", "401 Unauthorized"),
        with_image("example.com/private/vllm:1"),
        PULL_ERROR,
    ),
    Case(
        "image-name-invalid",
        "image_name_invalid",
        PERMANENT,
        ("vllm/VLLM:1", "invalid reference format"),
        with_image("vllm/VLLM:1"),
        waiting("InvalidImageName"),
    ),
    Case(
        "image-never-present",
        "image_never_present",
        PERMANENT,
        ("org/vllm:missing", "pull policy of Never"),
        with_image("org/vllm:missing", "Never"),
        waiting("ErrImageNeverPull"),
    ),
    Case(
        "registry-unreachable",
        "image_pull",
        HEALS,
        ("registry.invalid", "no such host"),
        with_image("registry.invalid/org/vllm:1"),
        PULL_ERROR,
    ),
)
REFERENCES = (
    Case(
        "secret-missing",
        "config_missing",
        PERMANENT,
        ('secret "no-secret" not found',),
        deploys(with_key("Secret", "no-secret", "token")),
        CONFIG_ERROR,
    ),
    Case(
        "secret-key-missing",
        "config_missing",
        PERMANENT,
        ("key token in Secret NAMESPACE/RELEASE",),
        lack_key,
        CONFIG_ERROR,
    ),
    Case(
        "config-map-missing",
        "config_missing",
        PERMANENT,
        ('configmap "no-map" not found',),
        deploys(with_key("ConfigMap", "no-map", "model")),
        CONFIG_ERROR,
    ),
    Case(
        "config-map-key-missing",
        "config_missing",
        PERMANENT,
        ("key model in ConfigMap NAMESPACE/RELEASE",),
        lack_key_of_config_map,
        CONFIG_ERROR,
    ),
    Case(
        "whole-secret-missing",
        "config_missing",
        PERMANENT,
        ('secret "no-secret" not found',),
        deploys(server(envFrom=[{"secretRef": {"name": "no-secret"}}])),
        CONFIG_ERROR,
    ),
    Case(
        "secret-volume-missing",
        "config_missing",
        PERMANENT,
        ('secret "no-secret" not found',),
        deploys(pod=with_volume(secret={"secretName": "no-secret"})),
        told("FailedMount"),
    ),
    Case(
        "config-map-volume-missing",
        "config_missing",
        PERMANENT,
        ('configmap "no-map" not found',),
        deploys(pod=with_volume(configMap={"name": "no-map"})),
        told("FailedMount"),
    ),
    Case(
        "secret-volume-key-missing",
        "config_missing",
        PERMANENT,
        ("non-existent secret key: token",),
        lack_key_in_volume,
        told("FailedMount"),
    ),
    Case(
        "claim-missing-on-the-node",
        "volume",
        HEALS,
        ('"no-claim" not found',),
        deploys(pod={"nodeName": "cpu-node-0", **claims("no-claim")}),
        told("FailedMount"),
    ),
)
STARTS = (
    fail_to_start("bad-flag", "bad_flag", PERMANENT, "exit code 2", "unrecognized arguments: --max-modell-len"),
    fail_to_start("bad-model-path", "model_not_found", PERMANENT, "exit code 1", "HFValidationError", "'org/m'"),
    fail_to_start("missing-model", "hub_unreachable", SUSPECT, "exit code 1", "LocalEntryNotFoundError"),
    fail_to_start("gated-model", "model_gated", PERMANENT, "exit code 1", "GatedRepoError|gated repo|org/m"),
    fail_to_start("truncated-weights", "weights_truncated", PERMANENT, "exit code 1", "SafetensorError"),
    fail_to_start("cuda-oom", "cuda_out_of_memory", SUSPECT, "exit code 1", "Tried to allocate 2.25 GiB"),
    fail_to_start("unsupported-architecture", "unsupported_architecture", PERMANENT, "FutureForCausalLM"),
    fail_to_start("port-in-use", "port_in_use", SUSPECT, "exit code 1", "Errno 98"),
    fail_to_start("no-driver", "no_gpu", SUSPECT, "exit code 1", "NVIDIA driver|device type"),
    fail_to_start("no-kv-cache", "context_too_long", PERMANENT, "exit code 1", "No available memory for the cache"),
    fail_to_start("model-too-long", "context_too_long", PERMANENT, "exit code 1", "131072", "22176"),
    fail_to_start("tensor-parallel", "no_gpu", SUSPECT, "exit code 1", r"World size \(4\)", r"GPUs \(1\)"),
    fail_to_start("disk-full", "disk_full", SUSPECT, "exit code 1", "No space left on device"),
    fail_to_start("hub-unreachable", "hub_unreachable", SUSPECT, "exit code 1", "huggingface"),
    fail_to_start("hub-unauthorised", "model_gated", PERMANENT, "exit code 1", "401|Invalid username"),
    fail_to_start("silent-crash", "crash", SUSPECT, "exit code 1", "last lines: .*Loading weights"),
    fail_to_start("segfault", "crash", SUSPECT, "exit code 139", "Segfault encountered"),
    fail_to_start("engine-dead", "engine_died", SUSPECT, "exit code 0", "EngineCore died"),
)
ENDS = (
    Case(
        "argument-unknown",
        "bad_flag",
        PERMANENT,
        ("exit code 2", "--nonsense"),
        deploys(server("", "--nonsense")),
        ended,
    ),
    Case("oom-killed", "oom_killed", SUSPECT, ("OOMKilled", "exit code 137"), run_out_of_memory, ended),
    Case(
        "init-container-crashes",
        "crash",
        SUSPECT,
        ("container fetch", "exit code 3", "no route to the store"),
        deploys(
            pod={
                "initContainers": [
                    {"name": "fetch", "image": "b:1", "command": ["sh", "-c", "echo no route to the store; exit 3"]}
                ]
            }
        ),
        ended,
    ),
    Case(
        "startup-probe-too-short",
        "probe_misconfigured",
        SUSPECT,
        ("failed startup probe", "connection refused"),
        deploys(server(load=60, startupProbe=probe(failureThreshold=1))),
        ended,
    ),
    Case(
        "liveness-probe-kills",
        "probe_misconfigured",
        SUSPECT,
        ("failed liveness probe", "connection refused"),
        deploys(server(load=60, startupProbe=None, livenessProbe=probe(failureThreshold=1))),
        ended,
    ),
)
PROBES = (
    Case(
        "readiness-path-wrong",
        "probe_misconfigured",
        PERMANENT,
        ("generates", "statuscode: 404"),
        deploys(server(readinessProbe=probe("/ready"))),
        PROBE_FAILS,
    ),
    Case(
        "readiness-port-wrong",
        "probe_misconfigured",
        PERMANENT,
        ("generates", ":9000", "connection refused"),
        deploys(server(readinessProbe={"httpGet": {"path": "/health", "port": 9000}, "periodSeconds": 1})),
        PROBE_FAILS,
    ),
    Case(
        "listens-inside-only",
        "probe_misconfigured",
        PERMANENT,
        ("generates", "connection refused"),
        deploys(server("", "--host=127.0.0.1", startupProbe=None)),
        PROBE_FAILS,
    ),
    Case(
        "readiness-fails-of-a-frozen-server",
        "probe_failing",
        HEALS,
        ("readiness probe", "statuscode: 404"),
        deploys(server("frozen", readinessProbe=probe("/ready"))),
        PROBE_FAILS,
        {"request_timeout": 1},
    ),
    Case("loading", "loading", HEALS, ("startup probe has not passed",), deploys(server(load=60)), running),
)
CASES = (*IMAGES, *REFERENCES, *STARTS, *ENDS, *PROBES)
