# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The custom resources of the Prometheus operator, of the Gateway API and of KEDA, as their own definitions want them.

The definitions of LeaderWorkerSet and of InferencePool are in no module that can be had: of these only the pods are
validated (tests/unit/chart/test_kubernetes.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.chart.places import CHART, HELMS, QUICK, Json, Place, RefusedError, layers
from tests.integration.conftest import SharedLab
from tests.lab import custom_resources
from tests.lab.kubeapi import KubeApi

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ON = {"enabled": True}
MONITORED: Json = {
    "prometheus": {"environment": "development", "serviceMonitor": ON, "rules": ON},
    "httpRoute": {**ON, "parentRefs": [{"name": "gateway"}], "hostnames": ["a.example.com"], "requestTimeout": "600s"},
    "autoscaling": {"keda": ON},
}
KINDS = ("servicemonitors", "prometheusrules", "httproutes", "scaledobjects")


@pytest.fixture(scope="module")
def definitions(lab: SharedLab) -> Iterator[None]:
    """The cluster knows them for these tests alone: what other tests deploy would have them too."""
    api = KubeApi(lab.kubeconfig)
    found = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in custom_resources.definitions(print)]
    try:
        for definition in found:
            api.create(DEFINITIONS, definition)
        yield
    finally:
        for definition in found:
            path = f"{DEFINITIONS}/{definition['metadata']['name']}"
            if api.is_served(path):
                api.delete(path)
        # Discovery names them for a moment longer, and Helm would send what the cluster does not take any more.
        cluster, names = Place("default", {**os.environ, **lab.env}), {each["metadata"]["name"] for each in found}
        cluster.wait("definitions that are gone", lambda: _are_gone(cluster, names))


@pytest.fixture
def known(definitions: None, place: Place) -> Place:
    """A namespace of a cluster that serves all of them."""
    kinds = (*KINDS, "podmonitors")
    place.wait("definitions that are served", lambda: all(_is_served(place, kind) for kind in kinds))
    return place


def _are_gone(place: Place, names: set[str]) -> bool:
    try:
        return names.isdisjoint(place.kubectl("api-resources", "--output=name").split())
    except RefusedError:
        # A part of the discovery fails while it changes.
        return False


def _is_served(place: Place, kind: str) -> bool:
    try:
        place.kubectl("get", kind)
    except RefusedError:
        return False
    return True


@pytest.mark.parametrize("helm", HELMS)
def test_they_are_accepted_and_removed(known: Place, helm: str) -> None:
    known.helm(helm, "install", "tiny", str(CHART), "--wait", "--timeout=60s", values={**QUICK, **MONITORED})
    for kind in KINDS:
        (found,) = known.get(kind)
        assert found["metadata"]["labels"]["app.kubernetes.io/instance"] == "tiny"
    known.helm(helm, "uninstall", "tiny", "--wait", "--timeout=60s")
    assert [known.get(kind) for kind in KINDS] == [[]] * len(KINDS)


def test_a_pod_monitor_is_accepted(known: Place) -> None:
    monitor: Json = {"prometheus": {"serviceMonitor": {"enabled": False}, "podMonitor": ON}}
    known.helm("Helm 3", "install", "tiny", str(CHART), values={**QUICK, **monitor})
    assert len(known.get("podmonitors")) == 1
    assert known.get("servicemonitors") == []


def test_production_is_monitored_by_its_values_alone(known: Place) -> None:
    model = "unsloth-gpt-oss-20b"
    known.helm("Helm 3", "install", "gpt", str(CHART), *layers(model, "production"), "--set=gpu.count=0")
    assert [len(known.get(kind)) for kind in ("servicemonitors", "prometheusrules")] == [1, 1]


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        ("ServiceMonitor", {"endpoints": [{"interval": "often"}], "selector": {}}, "spec.endpoints[0].interval"),
        ("PrometheusRule", {"groups": [{"rules": []}]}, "spec.groups[0].name"),
    ],
)
def test_mistakes_in_them_would_be_refused(known: Place, kind: str, spec: Json, words: str, tmp_path: Path) -> None:
    """Else the tests above would prove nothing."""
    item = {"apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}
    file = tmp_path / "item.yaml"
    file.write_text(yaml.safe_dump(item), encoding="utf-8")
    with pytest.raises(RefusedError) as refused:
        known.kubectl("create", "--filename", str(file))
    assert words in str(refused.value)
