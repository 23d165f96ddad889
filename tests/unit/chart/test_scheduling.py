# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which nodes the pods may run, and by whose leave."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.chart.rendering import Helm, Manifest, rendered

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
H100 = {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-H100-80GB-HBM3", "NVIDIA-H200"]}
ZONE_A = {"key": "zone", "operator": "In", "values": ["a"]}
ZONE_B = {"key": "zone", "operator": "In", "values": ["b"]}
PREFERRED = [{"weight": 1, "preference": {"matchExpressions": [ZONE_A]}}]
SELECTOR = {"app.kubernetes.io/name": "vllm-deployment", "app.kubernetes.io/instance": "gpt-oss-20b"}


def required(*terms: list[Manifest]) -> Manifest:
    """Return a node affinity of alternatives."""
    return {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}}


@pytest.mark.parametrize(
    ("own", "merged"),
    [
        ({}, {"nodeAffinity": required([H100])}),
        ({"nodeAffinity": required([ZONE_A], [ZONE_B])}, {"nodeAffinity": required([ZONE_A, H100], [ZONE_B, H100])}),
        (
            {
                "podAntiAffinity": {REQUIRED: []},
                "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": PREFERRED},
            },
            {
                "podAntiAffinity": {REQUIRED: []},
                "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": PREFERRED, **required([H100])},
            },
        ),
        (
            {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchFields": [ZONE_A]}]}}},
            {
                "nodeAffinity": {
                    REQUIRED: {"nodeSelectorTerms": [{"matchFields": [ZONE_A], "matchExpressions": [H100]}]}
                }
            },
        ),
    ],
    ids=["alone", "with alternatives", "beside other kinds", "with fields"],
)
def test_products_join_the_affinity(helm: Helm, own: Manifest, merged: Manifest) -> None:
    spec = rendered(helm, gpu__products=H100["values"], affinity=own).pod["spec"]
    assert spec["affinity"] == merged


def test_products_of_another_vendor(helm: Helm) -> None:
    gpu = {"products": ["MI300X"], "productLabel": "amd.com/gpu.product-name"}
    spec = rendered(helm, gpu=gpu, affinity=None).pod["spec"]
    assert spec["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"] == [
        {"matchExpressions": [{"key": "amd.com/gpu.product-name", "operator": "In", "values": ["MI300X"]}]}
    ]


def test_nothing_asked_for_nothing_said(helm: Helm) -> None:
    assert not {"affinity", "topologySpreadConstraints", "resourceClaims"} & helm.template().pod["spec"].keys()


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, {"matchLabels": SELECTOR}),
        ({"labelSelector": {"matchLabels": {"a": "b"}}}, {"matchLabels": {"a": "b"}}),
    ],
)
def test_spread(helm: Helm, selector: dict[str, Any], expected: Manifest) -> None:
    constraint = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", **selector}
    (found,) = rendered(helm, topologySpreadConstraints=[constraint]).pod["spec"]["topologySpreadConstraints"]
    assert found == {**constraint, "labelSelector": expected}


@pytest.mark.parametrize("kind", ["resourceClaimName", "resourceClaimTemplateName"])
def test_claims_take_the_place_of_the_extended_resource(helm: Helm, kind: str) -> None:
    rendering = rendered(helm, gpu={"claims": [{"name": "gpus", kind: "two"}], "count": 2}, model__tensorParallelSize=2)
    resources = rendering.container["resources"]
    assert rendering.pod["spec"]["resourceClaims"] == [{"name": "gpus", kind: "two"}]
    assert resources["claims"] == [{"name": "gpus"}]
    assert not [name for side in ("requests", "limits") for name in resources[side] if "gpu" in name]
    assert "--gpu-memory-utilization=0.9" in rendering.container["args"]
    assert rendering.one("Deployment")["spec"]["strategy"] == {"type": "Recreate"}


def test_queue_of_the_workload(helm: Helm) -> None:
    deployment = rendered(helm, kueue={"queueName": "gpus", "priorityClass": "serving"}).one("Deployment")
    labels = deployment["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/queue-name"] == "gpus"
    assert labels["kueue.x-k8s.io/priority-class"] == "serving"
    assert not [name for name in helm.template().one("Deployment")["metadata"]["labels"] if "kueue" in name]
