# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replicas by load: what the autoscalers ask for, and what the chart then leaves to them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.chart.rendering import Helm, Rendering, rendered

KEDA = "keda.sh/v1alpha1/ScaledObject"
POD = "gpt-oss-20b-vllm-deployment-6d4cf56db6-x7k2p"


def scaled(helm: Helm, by: str, **keys: Any) -> Rendering:
    """Render with one of the autoscalers."""
    return rendered(helm, (f"--api-versions={KEDA}",), autoscaling={by: {"enabled": True}, **keys})


def targets(rendering: Rendering) -> dict[str, Any]:
    """Return the HorizontalPodAutoscaler's metrics with their targets."""
    metrics = [metric["pods"] for metric in rendering.one("HorizontalPodAutoscaler")["spec"]["metrics"]]
    assert {metric["target"]["type"] for metric in metrics} == {"AverageValue"}
    return {metric["metric"]["name"]: metric["target"]["averageValue"] for metric in metrics}


def test_no_autoscaler_unless_asked_for(helm: Helm) -> None:
    rendering = helm.template()
    assert rendering.one("Deployment")["spec"]["replicas"] == 1
    assert not rendering.all("HorizontalPodAutoscaler") + rendering.all("ScaledObject")


@pytest.mark.parametrize(("usage", "quantity"), [(0.8, "800m"), (0.29, "290m"), (1, "1000m"), (0.005, "5m")])
def test_hpa_asks_for_what_vllm_measures(helm: Helm, usage: float, quantity: str) -> None:
    found = targets(scaled(helm, "hpa", kvCacheUsage=usage, requestsWaiting=7))
    assert found == {"vllm:num_requests_waiting": "7", "vllm:kv_cache_usage_perc": quantity}


def test_hpa_by_the_names_of_an_adapter(helm: Helm) -> None:
    names = {"enabled": True, "requestsWaitingMetric": "vllm_waiting", "kvCacheUsageMetric": "vllm_cache"}
    assert set(targets(scaled(helm, "hpa", hpa=names))) == {"vllm_waiting", "vllm_cache"}


def test_keda_asks_prometheus_for_the_pods_of_this_release(helm: Helm) -> None:
    triggers = scaled(helm, "keda").one("ScaledObject")["spec"]["triggers"]
    queries = [trigger["metadata"]["query"] for trigger in triggers]
    matchers = [re.fullmatch(r'sum\((\S+)\{namespace="system",pod=~"(\S+)"\}\)', query) for query in queries]
    found = {match[1]: match[2] for match in matchers if match}
    assert set(found) == {"vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"}
    for pattern in found.values():
        assert re.fullmatch(pattern, POD)
        assert not re.fullmatch(pattern, POD.replace("-6d4cf", "-other-6d4cf"))
    assert [trigger["metadata"]["threshold"] for trigger in triggers] == ["0.8", "4"]
    assert {trigger["metricType"] for trigger in triggers} == {"AverageValue"}


def test_keda_with_credentials_for_prometheus(helm: Helm) -> None:
    keys = {"enabled": True, "authenticationRef": "prometheus", "prometheusAddress": "https://p.test"}
    for trigger in scaled(helm, "keda", keda=keys).one("ScaledObject")["spec"]["triggers"]:
        assert trigger["authenticationRef"] == {"name": "prometheus"}
        assert trigger["metadata"]["serverAddress"] == "https://p.test"


@pytest.mark.parametrize(
    ("by", "kind", "least", "most", "behavior"),
    [
        ("hpa", "HorizontalPodAutoscaler", "minReplicas", "maxReplicas", ("behavior",)),
        (
            "keda",
            "ScaledObject",
            "minReplicaCount",
            "maxReplicaCount",
            ("advanced", "horizontalPodAutoscalerConfig", "behavior"),
        ),
    ],
)
def test_bounds_and_pace(helm: Helm, by: str, kind: str, least: str, most: str, behavior: tuple[str, ...]) -> None:
    spec = scaled(helm, by, minReplicas=2, maxReplicas=5, stepSeconds=120, scaleDownSeconds=60).one(kind)["spec"]
    assert (spec[least], spec[most]) == (2, 5)
    assert spec["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "gpt-oss-20b-vllm-deployment",
    }
    for key in behavior:
        spec = spec[key]
    step = [{"type": "Pods", "value": 1, "periodSeconds": 120}]
    assert spec == {"scaleUp": {"policies": step}, "scaleDown": {"policies": step, "stabilizationWindowSeconds": 60}}


@pytest.mark.parametrize("by", ["hpa", "keda"])
@pytest.mark.parametrize(("least", "budgets"), [(1, 0), (2, 1)])
def test_the_rest_follows_the_fewest_replicas(helm: Helm, by: str, least: int, budgets: int) -> None:
    rendering = scaled(helm, by, minReplicas=least, maxReplicas=4)
    spec = rendering.one("Deployment")["spec"]
    assert "replicas" not in spec
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert len(rendering.all("PodDisruptionBudget")) == budgets
