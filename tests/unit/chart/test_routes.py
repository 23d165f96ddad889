# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways in from outside the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.chart.rendering import Helm, Manifest, rendered

NAME = "gpt-oss-20b-vllm-deployment"
ROUTE = "--api-versions=gateway.networking.k8s.io/v1/HTTPRoute"
POOL = "--api-versions=inference.networking.k8s.io/v1/InferencePool"
BOTH: dict[str, Any] = {
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "public", "namespace": "gateways"}]},
    "inferencePool": {"enabled": True, "endpointPicker": {"name": "picker"}},
}


def rule(helm: Helm, **values: Any) -> Manifest:
    """Return the HTTPRoute's only rule."""
    (found,) = rendered(helm, (ROUTE, POOL), **values).one("HTTPRoute")["spec"]["rules"]
    known: Manifest = found
    return known


def test_none_unless_asked_for(helm: Helm) -> None:
    rendering = rendered(helm, (ROUTE, POOL))
    assert not [item for kind in ("Ingress", "HTTPRoute", "InferencePool") for item in rendering.all(kind)]


def test_ingress_leads_to_the_service_and_lets_in_v1(helm: Helm) -> None:
    keys = {"enabled": True, "hosts": ["a.test", "b.test"], "className": "nginx", "tlsSecretName": "tls"}
    found = rendered(helm, ingress={**keys, "annotations": {"timeout": "600"}}).one("Ingress")
    backend = {"service": {"name": NAME, "port": {"name": "http"}}}
    paths = {"paths": [{"path": "/v1", "pathType": "Prefix", "backend": backend}]}
    assert found["metadata"]["annotations"] == {"timeout": "600"}
    assert found["spec"] == {
        "ingressClassName": "nginx",
        "tls": [{"secretName": "tls", "hosts": ["a.test", "b.test"]}],
        "rules": [{"host": host, "http": paths} for host in ("a.test", "b.test")],
    }


@pytest.mark.parametrize("port", [8000, 80])
def test_route_leads_to_the_service(helm: Helm, port: int) -> None:
    values = {"httpRoute": {**BOTH["httpRoute"], "requestTimeout": "600s"}, "service__port": port}
    assert rule(helm, **values) == {
        "matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}],
        "timeouts": {"request": "600s"},
        "backendRefs": [{"name": NAME, "port": port}],
    }


def test_route_belongs_to_its_gateway(helm: Helm) -> None:
    spec = rendered(helm, (ROUTE,), httpRoute={**BOTH["httpRoute"], "hostnames": ["a.test"]}).one("HTTPRoute")["spec"]
    assert spec["parentRefs"] == [{"name": "public", "namespace": "gateways"}]
    assert spec["hostnames"] == ["a.test"]


def test_route_leads_to_the_pool_if_there_is_one(helm: Helm) -> None:
    assert rule(helm, **BOTH)["backendRefs"] == [
        {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": NAME}
    ]


def test_pool_holds_the_pods_that_serve(helm: Helm) -> None:
    rendering = rendered(helm, (ROUTE, POOL), **BOTH)
    assert rendering.one("InferencePool")["spec"] == {
        "selector": {"matchLabels": rendering.one("Service")["spec"]["selector"]},
        "targetPorts": [{"number": 8000}],
        "endpointPickerRef": {"name": "picker", "port": {"number": 9002}, "failureMode": "FailClose"},
    }


@pytest.mark.parametrize(
    ("known", "kinds"),
    [((), set()), ((ROUTE,), {"HTTPRoute"}), ((POOL,), {"InferencePool"})],
    ids=["none", "route", "pool"],
)
def test_only_what_the_cluster_knows(helm: Helm, known: tuple[str, ...], kinds: set[str]) -> None:
    rendering = rendered(helm, known, **BOTH)
    assert {kind for kind in ("HTTPRoute", "InferencePool") if rendering.all(kind)} == kinds


def test_route_does_not_lead_to_a_pool_that_is_not_made(helm: Helm) -> None:
    (found,) = rendered(helm, (ROUTE,), **BOTH).one("HTTPRoute")["spec"]["rules"]
    assert found["backendRefs"] == [{"name": NAME, "port": 8000}]
