# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rendering is what Kubernetes 1.29 to 1.37 accepts, field by field."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.unit.chart.golden_renderings import LAYERINGS, OPTIONS
from tests.unit.chart.kubernetes_schemas import VERSIONS, UnknownKindError, problems
from tests.unit.chart.rendering import MINIMAL, SEED_MODEL, ChartError, Helm, Manifest, Rendering, merge
from tests.unit.chart.test_health_check import HEALTH

Json = dict[str, Any]

# What Kubernetes has no schema for. Their own are in the lab (tests/integration/chart/test_custom_resources.py).
CUSTOM = {
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "InferencePool": "inference.networking.k8s.io/v1",
    "LeaderWorkerSet": "leaderworkerset.x-k8s.io/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "PrometheusRule": "monitoring.coreos.com/v1",
    "ScaledObject": "keda.sh/v1alpha1",
    "ServiceMonitor": "monitoring.coreos.com/v1",
}
# A cluster that has it all. A Helm that was built without release flags takes Kubernetes 1.20 otherwise.
KNOWN = (
    *(f"--api-versions={version}/{kind}" for kind, version in CUSTOM.items()),
    "--api-versions=resource.k8s.io/v1",
    "--kube-version=1.37.0",
)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SELECTED = {"namespaceLabels": {"team": "a"}, "podLabels": {"app": "gateway"}}

# Most of what can be turned on beside each other, over any model and environment.
FEATURES: Json = {
    "hubToken": {"existingSecret": {"name": "hub"}},
    "apiKey": {"existingSecret": {"name": "key"}},
    "lora": {"adapters": [{"name": "legal", "path": "org/legal"}], "maxRank": 32},
    "caBundle": {"configMap": {"name": "authorities"}},
    "proxy": {"https": "http://proxy.example.com:3128", "direct": ["example.com"]},
    "gpu": {"products": ["NVIDIA-H100-80GB-HBM3", "NVIDIA-H200"]},
    "autoscaling": {"hpa": {"enabled": True}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "kueue": {"queueName": "gpus", "priorityClass": "serving"},
    "networkPolicy": {"enabled": True, "clients": [SELECTED]},
    "ingress": {"enabled": True, "hosts": ["models.example.com"], "className": "nginx", "tlsSecretName": "tls"},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway", "namespace": "edge"}], "requestTimeout": "600s"},
    "inferencePool": {"enabled": True, "endpointPicker": {"name": "picker"}},
    "prometheus": {name: {"enabled": True} for name in ("serviceMonitor", "rules", "dashboards")},
    "image": {"pullSecrets": [{"name": "registry"}]},
    "priorityClassName": "serving",
    "runtimeClassName": "nvidia",
    "nodeSelector": {"pool": "gpu"},
    "podAnnotations": {"team": "a"},
    "extraEnv": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    "extraVolumes": [{"name": "adapters", "persistentVolumeClaim": {"claimName": "adapters"}}],
    "extraVolumeMounts": [{"name": "adapters", "mountPath": "/adapters", "readOnly": True}],
    "deployId": "42",
}
CLAIM: Json = {"model": {"source": {"type": "claim", "claim": {"name": "weights"}}}}
# What excludes some of these, and the first version that has it.
VARIANTS: dict[str, tuple[Json, str]] = {
    "health check": (HEALTH, "1.29"),
    "download": (merge(CLAIM, {"model": {"revision": COMMIT, "download": {"enabled": True}}}), "1.29"),
    "host path": ({"model": {"source": {"type": "hostPath", "hostPath": {"path": "/srv/model"}}}}, "1.29"),
    "object store": (
        {"model": {"source": {"type": "objectStore", "objectStore": {"uri": "s3://models/a", "region": "eu"}}}},
        "1.29",
    ),
    "image volume": ({"model": {"source": {"type": "image", "image": {"reference": "example.com/a:1"}}}}, "1.31"),
    "two replicas": ({"replicas": 2, "strategy": {"surge": True}}, "1.29"),
    "sleep alone": ({"drain": {"requestsSeconds": 0}}, "1.29"),
    "CPU": ({"gpu": {"count": 0}}, "1.29"),
    "pod monitor": (
        {"prometheus": {"serviceMonitor": {"enabled": False}, "podMonitor": {"enabled": True}}},
        "1.29",
    ),
    "KEDA": ({"autoscaling": {"keda": {"enabled": True}}}, "1.29"),
    "claims": ({"gpu": {"claims": [{"name": "gpus", "resourceClaimTemplateName": "two-gpus"}]}}, "1.31"),
    "nodes": (
        {"leaderWorkerSet": {"enabled": True}, "model": {"tensorParallelSize": 2}, "gpu": {"count": 1}},
        "1.29",
    ),
}


def objects_of(rendering: Rendering) -> list[Manifest]:
    """Return Kubernetes' own objects, and the pods that a custom resource would make."""
    groups = [item["spec"]["leaderWorkerTemplate"] for item in rendering.all("LeaderWorkerSet")]
    pods = [group[role] for group in groups for role in ("leaderTemplate", "workerTemplate")]
    own = [item for item in rendering.objects if item["kind"] not in CUSTOM]
    return [*own, *({"apiVersion": "v1", "kind": "Pod", **pod} for pod in pods)]


def refused(rendering: Rendering, since: str = VERSIONS[0]) -> list[str]:
    """Return what each version from this one on would refuse."""
    pairs = itertools.product(objects_of(rendering), VERSIONS[VERSIONS.index(since) :])
    return [problem for item, version in pairs for problem in problems(item, version)]


@pytest.mark.parametrize("layers", LAYERINGS, ids="+".join)
def test_shipped_values(helm: Helm, layers: tuple[str, str]) -> None:
    assert refused(helm.template(layers=layers, options=OPTIONS)) == []


@pytest.mark.parametrize("layers", LAYERINGS, ids="+".join)
def test_shipped_values_with_features(helm: Helm, layers: tuple[str, str]) -> None:
    assert refused(helm.template(FEATURES, layers=layers, options=KNOWN)) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants(helm: Helm, variant: str) -> None:
    values, since = VARIANTS[variant]
    assert refused(helm.template(merge(MINIMAL, values), options=KNOWN), since) == []


def test_features_and_variants_make_every_kind(helm: Helm) -> None:
    """A kind that no rendering here has would be validated by none of these tests."""
    renderings = [helm.template(FEATURES, layers=(SEED_MODEL, "production"), options=KNOWN)]
    renderings += [helm.template(merge(MINIMAL, values), options=KNOWN) for values, _since in VARIANTS.values()]
    objects = [item for rendering in renderings for item in rendering.objects]
    kinds = {item["kind"] for item in objects}
    assert {item["kind"]: item["apiVersion"] for item in objects if item["kind"] in CUSTOM} == CUSTOM
    assert kinds - set(CUSTOM) == {
        *("ConfigMap", "CronJob", "Deployment", "HorizontalPodAutoscaler", "Ingress", "Job", "NetworkPolicy", "Pod"),
        *("PodDisruptionBudget", "Service", "ServiceAccount"),
    }


@pytest.mark.parametrize(("version", "fine"), [("1.29.0", False), ("1.30.9", False), ("1.31.0", True)])
def test_image_volumes_are_refused_where_kubernetes_has_none(helm: Helm, version: str, fine: bool) -> None:
    values, _since = VARIANTS["image volume"]
    options = (f"--kube-version={version}",)
    if fine:
        assert helm.template(merge(MINIMAL, values), options=options).objects
    else:
        with pytest.raises(ChartError, match=r"needs Kubernetes 1\.31, where image volumes begin"):
            helm.template(merge(MINIMAL, values), options=options)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"spec": {"containers": [{"name": "a", "imagee": "x"}]}}, "'imagee' was unexpected"),
        ({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": "x"}]}]}}, "is not of type 'integer'"),
        ({"spec": {}}, "'containers' is a required property"),
    ],
    ids=["unknown field", "wrong type", "missing field"],
)
def test_a_mistake_is_seen_at_each_version(item: Json, problem: str, version: str) -> None:
    found = problems({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, **item}, version)
    assert len(found) == 1
    assert problem in found[0]


def test_kubernetes_own_schemas_know_no_custom_resource() -> None:
    with pytest.raises(UnknownKindError, match=r"monitoring.coreos.com/v1 ServiceMonitor in Kubernetes 1\.37"):
        problems({"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor"}, "1.37")
