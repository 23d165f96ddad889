# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures of a server whose pod is Ready, so that only a completion shows them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import HEALS, PERMANENT, SUSPECT

from tests.integration.lab.pods import HTTP
from tests.integration.readiness.cluster_failures import deploys
from tests.integration.readiness.deployments import Json
from tests.integration.readiness.failures import Case, Params
from tests.integration.readiness.scene import Scene, at_once, available, ended, server
from tests.integration.registry.tls import Authority

# For servers that give no answer. Unlike containerd, the lab does not pass on that a server closes a connection.
HASTY = {"request_timeout": 1}
CONNECTION = {"tcpSocket": {"port": "http"}, "periodSeconds": 1}
NO_HTTP = {"startupProbe": CONNECTION, "readinessProbe": CONNECTION}
PATIENT = {"httpGet": HTTP, "periodSeconds": 1, "failureThreshold": 60}
OVER_TLS = {"httpGet": {**HTTP, "scheme": "HTTPS"}, "periodSeconds": 1, "failureThreshold": 60}


def fails(fault: str, reason: str, severity: str, *words: str, params: Params | None = None, **more: Any) -> Case:
    """A fault of the stand-in, in force from its start."""
    return Case(fault, reason, severity, words, deploys(server(fault, **more)), available, params or {})


def refuses_key(name: str, params: Params | None = None, *arguments: str, **more: Any) -> Case:
    """A server that wants a key."""
    make = deploys(server("", *arguments, **more))
    return Case(name, "unauthorised", PERMANENT, ("401", "Unauthorized"), make, available, params or {})


def switches(fault: str) -> Callable[[Scene], None]:
    """A server that served before it misbehaves, and whose readiness probe takes long to notice."""

    def make(scene: Scene) -> None:
        scene.deploy(server(readinessProbe=PATIENT))
        scene.deployments.wait_available(scene.release)
        scene.deployments.misbehave(scene.release, fault)

    return make


def spoil_one(scene: Scene) -> None:
    """The second of two pods is frozen."""
    scene.deploy(server(), replicas=2)
    scene.deployments.wait_available(scene.release)
    scene.deployments.misbehave(scene.release, "frozen", which=slice(1, 2))


def certify(scene: Scene) -> tuple[Json, Path, Path]:
    """A server that speaks TLS with a certificate for the release; its authority's and another authority's file."""
    ours, other = Authority(scene.folder, "ours"), Authority(scene.folder, "other")
    pair = ours.issue("server", f"{scene.release}.{scene.namespace}.svc.cluster.local")
    words = (f"--ssl-certfile={pair.certificate}", f"--ssl-keyfile={pair.key}")
    return server("", *words, startupProbe=OVER_TLS, readinessProbe=OVER_TLS), ours.certificate, other.certificate


def speak_tls(scene: Scene) -> None:
    scene.deploy(certify(scene)[0])


def distrust(scene: Scene) -> Params:
    container, _ours, other = certify(scene)
    scene.deploy(container)
    return {"scheme": "https", "ca_cert": str(other)}


def misname(scene: Scene) -> Params:
    container, ours, _other = certify(scene)
    scene.deploy(container)
    return {"scheme": "https", "ca_cert": str(ours), "tls_server_name": "elsewhere.example.org"}


NAMES = (
    Case("wrong-name", "wrong_name", PERMANENT, ("'b'", "It serves: a"), deploys(), available, {"model": "b"}),
    Case(
        "wrong-alias", "wrong_name", PERMANENT, ("'lora'", "It serves: a"), deploys(), available, {"aliases": ["lora"]}
    ),
    fails("other-model", "wrong_name", PERMANENT, "'a'", "It serves: someone-else"),
    fails("models-empty", "wrong_name", PERMANENT, "'a'", "It serves: nothing"),
    fails("names-null", "wrong_name", PERMANENT, "'a'", "It serves: nothing"),
)
KEYS = (
    refuses_key("key-missing", None, "--api-key=right"),
    refuses_key("key-wrong", {"api_key": "wrong"}, "--api-key=right"),
    refuses_key("key-of-the-environment-missing", None, env={"VLLM_API_KEY": "right"}),
    refuses_key("key-of-the-environment-wrong", {"api_key": "wrong"}, env={"VLLM_API_KEY": "right"}),
)
ENGINES = (
    fails("frozen", "not_generating", SUSPECT, "alive", "stand still", params=HASTY),
    fails("paused", "not_generating", SUSPECT, "alive", params=HASTY),
    fails("sleeping", "sleeping", SUSPECT, "asleep", params=HASTY),
    fails("overloaded", "busy", HEALS, r"\d requests run and 56 wait", params=HASTY),
    fails("metrics-hang", "not_generating", SUSPECT, "alive", params=HASTY),
    fails("nan", "no_text", SUSPECT, "8 tokens", "no text", params={"probe": "text"}),
    fails("zero-tokens", "not_generating", SUSPECT, "completion_tokens 0"),
    fails("no-usage", "not_generating", SUSPECT, "completion_tokens None"),
    fails("aborts", "draining", HEALS, "aborted"),
    fails("draining", "draining", HEALS, "cannot schedule new futures after shutdown"),
    fails("error-500", "server_error", HEALS, "500", "EngineCore encountered an issue"),
    fails("error-string", "server_error", HEALS, "500", "EngineCore encountered an issue"),
    fails("error-400", "refused", PERMANENT, "400", "maximum context length is 0"),
    fails("no-chat-template", "refused", PERMANENT, "400", "chat template", params={"api": "chat"}),
    fails("health-fails-after", "unhealthy", SUSPECT, "/health", "503"),
    fails("flaky", "server_error", HEALS, "500"),
    Case(
        "dies-at-first-token",
        "engine_died",
        SUSPECT,
        ("exit code 0",),
        deploys(server("dies-at-first-token")),
        ended,
        HASTY,
    ),
    Case(
        "dies-after-token",
        "engine_died|unhealthy",
        SUSPECT,
        ("exit code 0|/health",),
        deploys(server("dies-after-token")),
        ended,
        HASTY,
    ),
    Case(
        "process-too-old",
        "old_process",
        HEALS,
        ("before started_after",),
        deploys(),
        available,
        {"started_after": "2099-01-01T00:00:00Z"},
    ),
    Case(
        "one-replica-frozen",
        "not_generating",
        SUSPECT,
        ("Pod RELEASE-", "alive"),
        spoil_one,
        at_once,
        {"each_replica": True, **HASTY},
    ),
)
ANSWERS = (
    fails("redirect", "not_vllm", SUSPECT, "307", "http://203.0.113.7:9/elsewhere"),
    fails("redirect-loop", "not_vllm", SUSPECT, "302"),
    fails("html-ok", "not_vllm", SUSPECT, "It works"),
    fails("html-error", "server_error", HEALS, "502", "Bad gateway", **NO_HTTP),
    fails("truncated-json", "not_vllm", SUSPECT, "list of models"),
    fails("truncated-body", "timeout", HEALS, "GET /v1/models", params=HASTY),
    fails("models-not-a-list", "not_vllm", SUSPECT, "list of models"),
    fails("invalid-utf8", "not_vllm", SUSPECT, "list of models"),
    fails("endless-stream", "not_vllm", SUSPECT, "too_large"),
    fails("not-http", "not_vllm", SUSPECT, "GET /v1/models", **NO_HTTP),
    fails("empty-reply", "timeout", HEALS, "GET /v1/models", params=HASTY, **NO_HTTP),
    fails("reset", "timeout", HEALS, "GET /v1/models", params=HASTY, **NO_HTTP),
    fails("models-hang", "timeout", HEALS, "GET /v1/models got no answer", params=HASTY),
    fails("slow-drip", "timeout", HEALS, "GET /v1/models got no answer", params=HASTY),
    Case("stops-listening", "not_serving", HEALS, ("GET /v1/models",), switches("stops-listening"), at_once),
)
CERTIFICATES = (
    Case("http-to-a-tls-server", "tls_mismatch", PERMANENT, ("speaks TLS",), speak_tls, available, HASTY),
    Case(
        "https-to-a-plain-server",
        "tls_mismatch",
        PERMANENT,
        ("WRONG_VERSION_NUMBER|wrong version",),
        deploys(),
        available,
        {"scheme": "https"},
    ),
    Case("authority-unknown", "tls_mismatch", PERMANENT, ("certificate verify failed",), distrust, available),
    Case("certificate-of-another", "tls_mismatch", PERMANENT, ("elsewhere.example.org",), misname, available),
)
CASES = (*NAMES, *KEYS, *ENGINES, *ANSWERS, *CERTIFICATES)
