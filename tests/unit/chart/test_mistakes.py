# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in the optional parts, with what Helm says to them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.chart.rendering import MINIMAL, ChartError, Helm, merge, nest
from tests.unit.chart.test_groups import GROUP, KNOWS_GROUPS

CLAIM = {"type": "claim", "claim": {"name": "weights"}}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
DOWNLOAD: dict[str, Any] = {"source": CLAIM, "revision": COMMIT, "download": {"enabled": True}}
CPU_CLAIM = {"claims": [{"name": "a", "resourceClaimName": "b"}], "count": 0}

# path, value, what Helm says
MISTAKES: list[tuple[str, Any, str]] = [
    # the source
    (
        "model.source.type",
        "s3",
        "at '/model/source/type': value must be one of 'hub', 'claim', 'hostPath', 'image', 'obj",
    ),
    ("model.source.type", "claim", 'model.source.claim.name is empty, and model.source.type "claim" needs it'),
    ("model.source.type", "hostPath", "model.source.hostPath.path is empty"),
    ("model.source.type", "image", "model.source.image.reference is empty"),
    ("model.source.type", "objectStore", "model.source.objectStore.uri is empty"),
    (
        "model.source.claim.name",
        "weights",
        'model.source.claim is set, and model.source.type is "hub": set it to "claim"',
    ),
    (
        "model.source.claim",
        {"name": "w", "subPath": "../other"},
        "at '/model/source/claim/subPath': '../other' does not",
    ),
    ("model.source.claim", {"name": "w", "subPath": "a/../.."}, "at '/model/source/claim/subPath': 'a/../..' does not"),
    ("model.source.hostPath.path", "srv", "at '/model/source/hostPath/path': 'srv' does not match pattern"),
    ("model.source.objectStore.uri", "https://b/m", "at '/model/source/objectStore/uri': 'https://b/m' does not match"),
    (
        "model.source.objectStore.endpoint",
        "http://a:b@c",
        "at '/model/source/objectStore/endpoint': 'http://a:b@c' does",
    ),
    ("model", {"source": CLAIM, "revision": "main"}, "model.revision is of the hub, and model.source.type is"),
    # the download
    ("model.download.enabled", True, 'the download goes into a claim, and model.source.type is "hub"'),
    ("model", {**DOWNLOAD, "revision": ""}, 'model.download needs a commit (40 hexadecimal digits), and got ""'),
    ("model", {**DOWNLOAD, "revision": "main"}, 'and got "main": a branch or tag moves'),
    ("model", {**DOWNLOAD, "name": "/models/tiny"}, '"/models/tiny" is no hub id such as unsloth/gpt-oss-20b'),
    (
        "model",
        merge(DOWNLOAD, nest("source.claim.subPath", "a")),
        "model.source.claim.subPath: a download has a folder",
    ),
    ("model.download.timeoutSeconds", 0, "at '/model/download/timeoutSeconds': minimum: got 0, want 1"),
    # adapters
    ("lora.adapters", [{"name": "tiny", "path": "org/a"}], 'lora.adapters: the name "tiny" is served already'),
    ("lora.adapters", [{"name": "a", "path": "x"}, {"name": "a", "path": "y"}], 'the name "a" is served already'),
    ("lora.adapters", [{"name": "a"}], "at '/lora/adapters/0': missing property 'path'"),
    ("lora.maxRank", 20, "at '/lora/maxRank': value must be one of 0, 1, 8, 16"),
    # GPUs
    ("gpu.claims", [{"name": "a"}], 'gpu.claims: "a" needs one of resourceClaimTemplateName and resourceClaimName'),
    (
        "gpu.claims",
        [{"name": "a", "resourceClaimName": "b", "resourceClaimTemplateName": "c"}],
        "needs one of resourceClaimTemplateName and resourceClaimName",
    ),
    ("gpu", CPU_CLAIM, "gpu.claims: gpu.count is 0"),
    ("gpu.products", ["NVIDIA H100"], "at '/gpu/products/0': 'NVIDIA H100' does not match pattern"),
    ("model.pipelineParallelSize", 2, "gpu.count is 1: raise it, or set leaderWorkerSet.enabled to use several nodes"),
    (
        "leaderWorkerSet.enabled",
        True,
        "the cluster does not know leaderworkerset.x-k8s.io/v1: install the LeaderWorker",
    ),
    ("leaderWorkerSet.size", 1, "at '/leaderWorkerSet/size': minimum: got 1, want 2"),
    # autoscaling
    (
        "autoscaling",
        {"hpa": {"enabled": True}, "keda": {"enabled": True}},
        "autoscaling.hpa and autoscaling.keda are both",
    ),
    ("autoscaling.keda.enabled", True, "the cluster does not know keda.sh/v1alpha1: install KEDA"),
    (
        "autoscaling",
        {"hpa": {"enabled": True}, "minReplicas": 3},
        "minReplicas is 3, and autoscaling.maxReplicas only 2",
    ),
    ("autoscaling.minReplicas", 0, "at '/autoscaling/minReplicas': minimum: got 0, want 1"),
    ("autoscaling.kvCacheUsage", 80, "at '/autoscaling/kvCacheUsage': maximum: got 80, want 1"),
    ("autoscaling.stepSeconds", 3600, "at '/autoscaling/stepSeconds': maximum: got 3,600, want 1,800"),
    # security, volumes, connections
    (
        "podSecurityContext.runAsUser",
        0,
        "0 is root, which runAsNonRoot refuses: set podSecurityContext.runAsNonRoot=false",
    ),
    ("hostIPC", True, "at '': additional properties 'hostIPC' not allowed"),
    ("extraVolumes", [{"name": "model", "emptyDir": {}}], 'extraVolumes: the name "model" is the chart\'s own'),
    (
        "caBundle",
        {"configMap": {"name": "a"}, "secret": {"name": "b"}},
        "caBundle.configMap and caBundle.secret are both",
    ),
    ("proxy.https", "proxy:3128", "at '/proxy/https': 'proxy:3128' does not match pattern"),
    (
        "networkPolicy.egress.internet.cidrs",
        ["hub.test"],
        "at '/networkPolicy/egress/internet/cidrs/0': 'hub.test' does",
    ),
    ("networkPolicy.clients", [{"podLabels": {}}], "at '/networkPolicy/clients/0': missing property 'namespaceLabels'"),
    ("topologySpreadConstraints", [{"topologyKey": "zone"}], "missing properties 'maxSkew', 'whenUnsatisfiable'"),
    ("kueue.queueName", "a b", "at '/kueue/queueName': 'a b' does not match pattern"),
    # ways in
    ("ingress.enabled", True, "ingress.hosts is empty, and ingress.enabled needs one"),
    ("ingress.path", "v1", "at '/ingress/path': 'v1' does not match pattern"),
    ("httpRoute.enabled", True, "httpRoute.parentRefs is empty, and httpRoute.enabled needs the Gateway"),
    ("httpRoute.requestTimeout", "10 min", "at '/httpRoute/requestTimeout': '10 min' does not match pattern"),
    ("inferencePool.enabled", True, "inferencePool.endpointPicker.name is empty"),
    # arguments that have an owner by now
    ("extraArgs", ["--load-format=dummy"], "extraArgs: --load-format is set by model.source.type"),
    ("extraArgs", ["--enable-lora"], "extraArgs: --enable-lora is set by lora.adapters"),
    ("extraArgs", ["--nnodes", "2"], "extraArgs: --nnodes is set by leaderWorkerSet.size"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), MISTAKES, ids=[f"{path}-{number}" for number, (path, *_unused) in enumerate(MISTAKES)]
)
def test_mistakes_are_named(helm: Helm, path: str, value: Any, message: str) -> None:
    with pytest.raises(ChartError) as refused:
        helm.template(merge(MINIMAL, nest(path, value)))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gpu": {"count": 4}}, "needs 16 GPUs in a group, and leaderWorkerSet.size times gpu.count is 8"),
        ({"autoscaling": {"hpa": {"enabled": True}}}, "this chart scales a Deployment only"),
    ],
)
def test_mistakes_in_a_group(helm: Helm, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ChartError) as refused:
        helm.template(merge(merge(MINIMAL, GROUP), values), options=KNOWS_GROUPS)
    assert message in str(refused.value)


def test_password_of_a_proxy_is_refused(helm: Helm) -> None:
    with pytest.raises(ChartError) as refused:
        helm.template(merge(MINIMAL, nest("proxy.https", "http://user:hunter2@proxy.test:3128")))
    assert "at '/proxy/https'" in str(refused.value)
