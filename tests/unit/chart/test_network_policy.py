# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reaches the server and whom it reaches, as an evaluator of network policies says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.chart.network import Peer, allows
from tests.unit.chart.rendering import Helm, rendered
from tests.unit.chart.test_groups import GROUP, KNOWS_GROUPS
from tests.unit.chart.test_sources import DOWNLOAD

LABELS = {"app.kubernetes.io/name": "vllm-deployment", "app.kubernetes.io/instance": "gpt-oss-20b"}
SERVER = Peer("system", LABELS, ports={"http": 8000})
ROUTER = Peer("system", {"app.kubernetes.io/name": "api-router-service"})
PROMETHEUS = Peer("monitoring", {"app": "prometheus"})
GATEWAY = Peer("gateways", {"app": "envoy"})
DNS = Peer("kube-system", {"k8s-app": "kube-dns"})
HUB, HUB_V6 = Peer(address="3.165.1.2"), Peer(address="2600:9000:20a5::1")
DATABASE = Peer("databases", {"app": "postgresql"}, address="10.244.3.4")
API_SERVER, METADATA = Peer(address="10.96.0.1"), Peer(address="169.254.169.254")
METADATA_V6, OTHER_SIDE = Peer(address="fd00:ec2::254"), Peer(address="192.168.7.7")


def policies(helm: Helm, options: tuple[str, ...] = (), **values: Any) -> list[Any]:
    """Render the policies."""
    return rendered(helm, options, networkPolicy__enabled=True, **values).all("NetworkPolicy")


def test_none_unless_asked_for(helm: Helm) -> None:
    assert helm.template().all("NetworkPolicy") == []


@pytest.mark.parametrize(
    ("sender", "port", "expected"),
    [
        (ROUTER, 8000, True),
        (ROUTER, 8001, False),
        (PROMETHEUS, 8000, True),
        (Peer("other", ROUTER.labels), 8000, False),
        (Peer("system", {"app": "other"}), 8000, False),
        (GATEWAY, 8000, False),
        (DATABASE, 8000, False),
        (HUB, 8000, False),
        (SERVER, 8000, False),
    ],
    ids=["router", "another port", "Prometheus", "namesake", "neighbour", "gateway", "database", "internet", "replica"],
)
def test_who_reaches_the_server(helm: Helm, sender: Peer, port: int, expected: bool) -> None:
    assert allows(policies(helm), sender, SERVER, port) is expected


def test_the_release_s_own_test_reaches_it(helm: Helm) -> None:
    rendering = rendered(helm, networkPolicy__enabled=True)
    labels = rendering.one("Pod")["metadata"]["labels"]
    found = rendering.all("NetworkPolicy")
    assert allows(found, Peer("system", labels), SERVER, 8000)
    assert not allows(found, Peer("other", labels), SERVER, 8000)
    assert not allows(found, Peer("system", {**labels, "app.kubernetes.io/part-of": "other"}), SERVER, 8000)


def test_further_clients(helm: Helm) -> None:
    client = {"namespaceLabels": {"kubernetes.io/metadata.name": "gateways"}, "podLabels": {"app": "envoy"}}
    found = policies(helm, networkPolicy__clients=[client])
    assert allows(found, GATEWAY, SERVER, 8000)
    assert allows(found, ROUTER, SERVER, 8000)
    assert not allows(found, Peer("gateways", {"app": "other"}), SERVER, 8000)


@pytest.mark.parametrize(
    ("receiver", "port", "protocol", "expected"),
    [
        (DNS, 53, "UDP", True),
        (DNS, 53, "TCP", True),
        (DNS, 443, "TCP", False),
        (Peer("other", DNS.labels), 53, "UDP", False),
        (HUB, 443, "TCP", True),
        (HUB_V6, 443, "TCP", True),
        (HUB, 80, "TCP", False),
        (API_SERVER, 443, "TCP", False),
        (METADATA, 443, "TCP", False),
        (METADATA, 80, "TCP", False),
        (METADATA_V6, 443, "TCP", False),
        (OTHER_SIDE, 443, "TCP", False),
        (DATABASE, 443, "TCP", False),
        (DATABASE, 5432, "TCP", False),
    ],
)
def test_whom_the_server_reaches(helm: Helm, receiver: Peer, port: int, protocol: str, expected: bool) -> None:
    assert allows(policies(helm), SERVER, receiver, port, protocol) is expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, True),
        ({"model__source": {"type": "objectStore", "objectStore": {"uri": "s3://b/m"}}}, True),
        ({"model__source": {"type": "claim", "claim": {"name": "w"}}}, False),
        (DOWNLOAD, False),
        ({"model__name": "/models/tiny"}, False),
        ({"model__name": "/models/tiny", "lora__adapters": [{"name": "a", "path": "org/a"}]}, True),
        ({"model__name": "/models/tiny", "lora__adapters": [{"name": "a", "path": "/a"}]}, False),
        ({"networkPolicy__egress__internet__cidrs": ["3.165.0.0/16"]}, True),
        ({"networkPolicy__egress__internet__cidrs": ["3.166.0.0/16"]}, False),
        ({"networkPolicy__egress__internet__cidrs": []}, False),
    ],
    ids=["hub", "object store", "claim", "download", "path", "adapter of the hub", "adapter of a path", "its network",
         "another network", "no network"],
)  # fmt: skip
def test_internet_only_for_what_the_pod_downloads_itself(helm: Helm, values: dict[str, Any], expected: bool) -> None:
    found = policies(helm, **values)
    assert allows(found, SERVER, HUB, 443) is expected
    assert allows(found, SERVER, DNS, 53, "UDP")


def test_further_rules_and_a_dns_cache(helm: Helm) -> None:
    store = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "stores"}}}
    rules = [{"to": [store], "ports": [{"port": 9000}]}]
    found = policies(helm, networkPolicy__egress={"rules": rules, "dns": {"cidrs": ["169.254.20.10/32"]}})
    assert allows(found, SERVER, Peer("stores"), 9000)
    assert not allows(found, SERVER, Peer("stores"), 9001)
    assert allows(found, SERVER, Peer(address="169.254.20.10"), 53, "UDP")


def test_egress_can_be_left_open(helm: Helm) -> None:
    found = policies(helm, networkPolicy__egress__enabled=False)
    assert allows(found, SERVER, DATABASE, 5432)
    assert not allows(found, DATABASE, SERVER, 8000)


def test_pods_of_a_group_reach_each_other(helm: Helm) -> None:
    found = policies(helm, KNOWS_GROUPS, **GROUP)
    assert allows(found, SERVER, SERVER, 29500)
    assert not allows(found, Peer("system", {**LABELS, "app.kubernetes.io/instance": "other"}), SERVER, 29500)


def test_policy_of_one_release_leaves_others_alone(helm: Helm) -> None:
    other = Peer("system", {**LABELS, "app.kubernetes.io/instance": "other"}, ports={"http": 8000})
    assert allows(policies(helm), HUB, other, 8000)
