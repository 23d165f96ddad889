# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapters, authorities, proxies, and variables of the user's own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.chart.rendering import Helm, rendered

ADAPTERS = [{"name": "sql", "path": "org/sql-lora"}, {"name": "chat", "path": "/adapters/chat"}]


def test_adapters_are_served_by_name(helm: Helm) -> None:
    args = rendered(helm, lora={"adapters": ADAPTERS, "maxRank": 64}).container["args"]
    start = args.index("--lora-modules")
    assert args[start : start + 3] == ["--lora-modules", "sql=org/sql-lora", "chat=/adapters/chat"]
    assert {"--enable-lora", "--max-lora-rank=64"} <= set(args)


def test_no_adapters_no_flags(helm: Helm) -> None:
    assert not [word for word in rendered(helm, lora__maxRank=64).container["args"] if "lora" in word]
    assert "--max-lora-rank" not in " ".join(rendered(helm, lora__adapters=ADAPTERS).container["args"])


@pytest.mark.parametrize(("adapters", "offline"), [(ADAPTERS[:1], False), (ADAPTERS[1:], True), ([], True)])
def test_hub_is_asked_only_for_an_adapter_beside_mounted_weights(
    helm: Helm, adapters: list[dict[str, str]], offline: bool
) -> None:
    source = {"type": "claim", "claim": {"name": "weights"}}
    variables = rendered(helm, model__source=source, lora__adapters=adapters).variables
    assert ("HF_HUB_OFFLINE" in variables) is offline


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("configMap", {"name": "held", "items": [{"key": "ca.crt", "path": "ca.crt"}]}),
        ("secret", {"secretName": "held", "items": [{"key": "ca.crt", "path": "ca.crt"}]}),
    ],
)
def test_authorities(helm: Helm, kind: str, source: dict[str, Any]) -> None:
    rendering = rendered(helm, caBundle={kind: {"name": "held"}})
    (mount,) = [item for item in rendering.container["volumeMounts"] if item["name"] == "ca-bundle"]
    assert {"name": "ca-bundle", kind: source} in rendering.pod["spec"]["volumes"]
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
        assert rendering.variables[name] == f"{mount['mountPath']}/ca.crt"
    assert "SSL_CERT_FILE" not in helm.template().variables


@pytest.mark.parametrize(
    ("proxy", "names"),
    [
        ({}, set()),
        ({"direct": ["x.test"]}, set()),
        ({"https": "http://p.test:3128"}, {"https_proxy", "no_proxy"}),
        ({"http": "http://p.test", "https": "http://p.test"}, {"http_proxy", "https_proxy", "no_proxy"}),
    ],
    ids=["none", "nothing to bypass", "https", "both"],
)
def test_proxy(helm: Helm, proxy: dict[str, Any], names: set[str]) -> None:
    variables = rendered(helm, proxy=proxy).variables
    assert {name for name in variables if name.endswith("_proxy")} == names
    assert {name.lower() for name in variables if name.endswith("_PROXY")} == names


def test_cluster_is_reached_without_the_proxy(helm: Helm) -> None:
    variables = rendered(helm, proxy={"https": "http://p.test", "direct": ["mirror.test", ".svc"]}).variables
    assert variables["no_proxy"] == variables["NO_PROXY"]
    assert variables["no_proxy"].split(",") == [
        "localhost",
        "127.0.0.1",
        "::1",
        ".svc",
        ".cluster.local",
        "mirror.test",
    ]


def test_a_variable_of_the_user_takes_the_place_of_the_chart_s(helm: Helm) -> None:
    """Twice the same name is refused by Helm 4, which applies on the server."""
    rendering = rendered(helm, extraEnv=[{"name": "HF_HOME", "value": "/own"}, {"name": "OTHER", "value": "1"}])
    names = [item["name"] for item in rendering.container["env"]]
    assert rendering.variables["HF_HOME"] == "/own"
    assert len(names) == len(set(names))
    assert names[-2:] == ["HF_HOME", "OTHER"]
