# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pod Security `restricted`, as the API server enforces it on a namespace."""

from __future__ import annotations

import pytest

from tests.integration.chart.places import CHART, HELMS, QUICK, Json, Place, layers
from tests.unit.chart.rendering import ENVIRONMENTS, MODELS
from tests.unit.chart.test_health_check import HEALTH

VIOLATION = "violates PodSecurity"
# What the chart allows and `restricted` does not, with the words of the API server.
VIOLATIONS: dict[str, tuple[Json, str]] = {
    "privilege escalation": ({"securityContext": {"allowPrivilegeEscalation": True}}, "allowPrivilegeEscalation"),
    "root": ({"podSecurityContext": {"runAsNonRoot": False}}, "runAsNonRoot != true"),
    "no filter of system calls": ({"podSecurityContext": {"seccompProfile": {"type": "Unconfined"}}}, "seccompProfile"),
    "a folder of the node": (
        {"extraVolumes": [{"name": "a", "hostPath": {"path": "/srv"}}]},
        "restricted volume types",
    ),
}


@pytest.fixture
def restricted(place: Place) -> Place:
    """A namespace that refuses pods which are not restricted, and warns of workloads that would make such."""
    modes = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn")]
    place.kubectl("label", "namespace", place.namespace, *modes)
    return place


def failures(place: Place) -> list[str]:
    """Why the controller could make no pod."""
    conditions = [
        condition for item in place.get("deployments") for condition in item.get("status", {}).get("conditions", [])
    ]
    return [condition["message"] for condition in conditions if condition["type"] == "ReplicaFailure"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_shipped_model_is_admitted(restricted: Place, environment: str) -> None:
    """Most of them wait for GPUs afterwards, which the lab does not have: admission comes before."""
    releases = {model: f"m{number}" for number, model in enumerate(MODELS)}
    for model, release in releases.items():
        installed = restricted.helm("Helm 3", "install", release, str(CHART), *layers(model, environment))
        assert "PodSecurity" not in installed.stderr
    wanted = sum(item["spec"]["replicas"] for item in restricted.get("deployments"))
    restricted.wait("a pod of each replica", lambda: len(restricted.get("pods")) == wanted)
    assert failures(restricted) == []


@pytest.mark.parametrize("helm", HELMS)
def test_what_is_installed_serves_and_its_test_passes(restricted: Place, helm: str) -> None:
    restricted.helm(helm, "install", "tiny", str(CHART), "--wait", "--timeout=60s", values=QUICK)
    assert "Succeeded" in restricted.helm(helm, "test", "tiny", "--timeout=60s").stdout


def test_a_health_check_is_admitted(restricted: Place) -> None:
    installed = restricted.helm("Helm 3", "install", "tiny", str(CHART), values={**QUICK, **HEALTH})
    assert "PodSecurity" not in installed.stderr
    restricted.kubectl("create", "job", "now", "--from=cronjob/tiny-vllm-deployment-health")
    restricted.wait("its pod", lambda: bool(restricted.get("pods", "--selector=job-name=now")))


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violations_are_refused(restricted: Place, name: str) -> None:
    values, words = VIOLATIONS[name]
    installed = restricted.helm("Helm 3", "install", "tiny", str(CHART), values={**QUICK, **values})
    assert words in installed.stderr
    restricted.wait("the refusal", lambda: bool(failures(restricted)))
    assert all(VIOLATION in message and words in message for message in failures(restricted))
    assert restricted.get("pods") == []
