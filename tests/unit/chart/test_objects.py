# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects beside the Deployment: their names, and when they exist."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.chart.rendering import MINIMAL, SERVICE_MONITOR, ChartError, Helm, merge

SELECTOR = {"app.kubernetes.io/name": "vllm-deployment", "app.kubernetes.io/instance": "gpt-oss-20b"}
ALL = merge(MINIMAL, {"replicas": 2, "networkPolicy": {"enabled": True}})
KNOWS_MONITORS = (f"--api-versions={SERVICE_MONITOR}",)


def test_all_objects_have_the_name_that_registries_hold(helm: Helm) -> None:
    objects = [item for item in helm.template(ALL, options=KNOWS_MONITORS).objects if item["kind"] != "Pod"]
    assert len(objects) == 6
    for item in objects:
        assert item["metadata"]["name"] == "gpt-oss-20b-vllm-deployment"
        assert item["metadata"]["namespace"] == "system"
        assert SELECTOR.items() <= item["metadata"]["labels"].items()
        assert item["metadata"]["labels"]["app.kubernetes.io/version"] == "0.32.0"


def test_service(helm: Helm) -> None:
    spec = helm.template().one("Service")["spec"]
    assert spec["ports"] == [{"name": "http", "port": 8000, "targetPort": "http", "protocol": "TCP"}]
    assert spec["selector"] == SELECTOR
    assert spec["type"] == "ClusterIP"


@pytest.mark.parametrize(
    ("release", "values", "name"),
    [
        ("gpt-oss-20b", {}, "gpt-oss-20b-vllm-deployment"),
        ("gpt-oss-20b-prod", {}, "gpt-oss-20b-prod-vllm-deployment"),
        ("a" * 47, {}, "a" * 47 + "-vllm-deployment"),
        ("gpt-oss-20b", {"nameOverride": "chat"}, "gpt-oss-20b-chat"),
        ("gpt-oss-20b", {"fullnameOverride": "chat"}, "chat"),
        ("120b", {"fullnameOverride": "chat"}, "chat"),
        ("on", {}, "on-vllm-deployment"),
    ],
    ids=[
        "seed",
        "seed, production",
        "longest",
        "name",
        "full name",
        "full name for a release of digits",
        "a YAML word",
    ],
)
def test_names(helm: Helm, release: str, values: dict[str, str], name: str) -> None:
    rendering = helm.template(merge(MINIMAL, values), release=release)
    labels = rendering.one("Service")["spec"]["selector"]
    assert rendering.one("Service")["metadata"]["name"] == name
    assert labels["app.kubernetes.io/instance"] == release
    assert labels["app.kubernetes.io/name"] == values.get("nameOverride", "vllm-deployment")


@pytest.mark.parametrize(
    ("release", "message"),
    [
        ("a" * 48, "has 64 characters, and a Service's may have 63: choose a shorter release name"),
        ("20b", "is no Service name (a letter first"),
        ("llama-3.1", "is no Service name (a letter first"),
    ],
)
def test_names_that_kubernetes_would_refuse(helm: Helm, release: str, message: str) -> None:
    with pytest.raises(ChartError) as refused:
        helm.template(release=release)
    assert message in str(refused.value)


@pytest.mark.parametrize(("replicas", "budgets"), [(1, 0), (2, 1)])
def test_disruption_budget_only_beside_a_second_replica(helm: Helm, replicas: int, budgets: int) -> None:
    found = helm.template(merge(MINIMAL, {"replicas": replicas})).all("PodDisruptionBudget")
    assert len(found) == budgets
    for budget in found:
        assert budget["spec"] == {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": SELECTOR},
        }


@pytest.mark.parametrize(
    ("account", "made", "used"),
    [
        ({}, 1, "gpt-oss-20b-vllm-deployment"),
        ({"name": "own"}, 1, "own"),
        ({"create": False}, 0, "default"),
        ({"create": False, "name": "given"}, 0, "given"),
    ],
    ids=["made", "named", "none", "given"],
)
def test_service_account(helm: Helm, account: dict[str, Any], made: int, used: str) -> None:
    rendering = helm.template(merge(MINIMAL, {"serviceAccount": account}))
    assert [item["metadata"]["name"] for item in rendering.all("ServiceAccount")] == [used] * made
    assert rendering.pod["spec"]["serviceAccountName"] == used
