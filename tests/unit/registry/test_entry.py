# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for each value of an entry."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import (
    Endpoint,
    namespace_of,
    parse_endpoint,
    shown,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import (
    Desired,
    check_json,
    check_model_name,
    desired_from,
)
from hypothesis import given
from hypothesis import strategies as st

GOOD = "demo.system.svc.cluster.local:8000"
LONGEST = "a" * 63
NOTHING: dict[str, Any] = dict.fromkeys(Desired._fields) | {
    "model_name": "demo",
    "environment": "staging",
    "state": "present",
    "status": "ready",
    "metadata_mode": "merge",
}

labels = st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
endpoints = st.builds(Endpoint, labels, labels, st.integers(1, 65535))


@pytest.mark.parametrize(
    ("text", "service", "namespace", "port"),
    [
        ("gpt-oss-20b-vllm-deployment.system.svc.cluster.local:8000", "gpt-oss-20b-vllm-deployment", "system", 8000),
        ("llama-2-7b-development.models.svc.cluster.local:8000", "llama-2-7b-development", "models", 8000),
        ("mixtral-production.system.svc.cluster.local:1", "mixtral-production", "system", 1),
        ("a.1.svc.cluster.local:65535", "a", "1", 65535),
        (f"{LONGEST}.{LONGEST}.svc.cluster.local:80", LONGEST, LONGEST, 80),
    ],
)
def test_endpoint(text: str, service: str, namespace: str, port: int) -> None:
    assert parse_endpoint(text) == Endpoint(service, namespace, port)
    assert str(parse_endpoint(text)) == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must not be empty"),
        ("gpt-oss-20b", "must include port (e.g., service.namespace.svc.cluster.local:8000)"),
        ("demo.system.svc.cluster.local", "must include port"),
        ("demo.system.svc.cluster.local:", "must include port"),
        ("demo.system.svc.cluster.local:0", "number from 1 to 65535"),
        ("demo.system.svc.cluster.local:65536", "number from 1 to 65535"),
        ("demo.system.svc.cluster.local:08000", "number from 1 to 65535"),
        ("demo.system.svc.cluster.local:+8000", "number from 1 to 65535"),
        ("demo.system.svc.cluster.local:80:80", "number from 1 to 65535"),
        ("demo.system.svc.cluster.local:٨٠٠٠", "number from 1 to 65535"),
        ("demo.system.svc.cluster.local:http", "number from 1 to 65535"),
        ("http://demo.system.svc.cluster.local:8000", "must not have a scheme"),
        ("demo.system.svc.cluster.local:8000/v1", "without path"),
        ("demo.system.svc.cluster.local:8000?x", "without path"),
        ("user@demo.system.svc.cluster.local:8000", "without path, credentials"),
        ("demo.system.svc.cluster.local:8000\n", "or spaces"),
        (" demo.system.svc.cluster.local:8000", "or spaces"),
        ("demo:8000", "host must be <service-name>.<namespace>.svc.cluster.local"),
        ("demo.system:8000", "host must be"),
        ("demo.system.svc:8000", "host must be"),
        ("demo.system.svc.cluster.local.:8000", "host must be"),
        ("demo.system.svc.example.com:8000", "host must be"),
        ("pod.demo.system.svc.cluster.local:8000", "host must be"),
        ("10.0.0.1:8000", "host must be"),
        ("[::1]:8000", "number from 1 to 65535"),
        ("Demo.system.svc.cluster.local:8000", "service name must have 1 to 63 lower case letters"),
        ("1demo.system.svc.cluster.local:8000", "begin with a letter"),
        ("-demo.system.svc.cluster.local:8000", "service name must"),
        ("demo-.system.svc.cluster.local:8000", "service name must"),
        (".system.svc.cluster.local:8000", "service name must"),
        (f"{LONGEST}a.system.svc.cluster.local:8000", "service name must have 1 to 63"),
        ("dém.system.svc.cluster.local:8000", "service name must"),
        ("demo.System.svc.cluster.local:8000", "namespace must"),
        ("demo._.svc.cluster.local:8000", "namespace must"),
        (f"demo.{LONGEST}a.svc.cluster.local:8000", "namespace must have 1 to 63"),
        ("demo..svc.cluster.local:8000", "namespace must"),
    ],
)
def test_endpoint_that_breaks_a_rule(text: str, rule: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_endpoint(text)
    message = caught.value.message
    assert message.startswith(f"Invalid endpoint format: {shown(text)}: Endpoint")
    assert rule in caught.value.why
    assert message.endswith("Write it as <service-name>.<namespace>.svc.cluster.local:<port>.")
    assert message.isprintable()


@given(endpoints)
def test_every_endpoint_is_read_as_it_was_written(endpoint: Endpoint) -> None:
    assert parse_endpoint(str(endpoint)) == endpoint
    assert namespace_of(str(endpoint)) == endpoint.namespace


@given(st.text() | st.from_regex(r"[a-z.]*svc\.cluster\.local:?[0-9]*"))
def test_any_text_is_an_endpoint_or_refused(text: str) -> None:
    if namespace_of(text) is not None:
        assert str(parse_endpoint(text)) == text
        return
    with pytest.raises(InvalidInputError) as caught:
        parse_endpoint(text)
    assert len(caught.value.message) < 2000
    assert caught.value.message.isprintable()


def test_a_long_value_is_not_repeated() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_endpoint("x" * 10_000_000)
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("name", ["gpt-oss-20b", "unsloth/gpt-oss-20b", "ü 日本", "a" * 255, "'; DROP TABLE x; --"])
def test_model_name(name: str) -> None:
    check_model_name(name)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "must not be empty"),
        ("a" * 256, "at most 255 characters, and has 256"),
        ("a\0b", "control characters"),
        ("a\nb", "control characters"),
        ("a\u202eb", "invisible"),
        ("a\ud800", "invisible"),
        (" a", "begin or end with a space"),
        ("a ", "begin or end with a space"),
    ],
)
def test_model_name_that_breaks_a_rule(name: str, rule: str) -> None:
    with pytest.raises(InvalidInputError, match="Invalid model_name") as caught:
        check_model_name(name)
    assert rule in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"endpoint": "demo"}, "Invalid endpoint format: demo"),
        ({"endpoint": GOOD, "namespace": "other"}, "Invalid namespace: other: The endpoint lies in namespace 'system'"),
        ({"namespace": "Other"}, "Invalid namespace: Other"),
        ({"namespace": ""}, "Invalid namespace"),
        ({"revision": 0}, "Invalid revision: 0"),
        ({"revision": 2**31}, "between 1 and 2147483647"),
        ({"organization_id": "x"}, "Invalid organization_id: x: It must be a UUID"),
        ({"cost_per_1k_tokens": -0.1}, "Invalid cost_per_1k_tokens"),
        ({"cost_per_1k_tokens": float("nan")}, "Invalid cost_per_1k_tokens"),
        ({"cost_per_1k_tokens": float("inf")}, "Invalid cost_per_1k_tokens"),
        ({"metadata": {"a": float("nan")}}, "Invalid metadata"),
        ({"metadata": {"a": ["\0"]}}, "NUL"),
        ({"metadata": {"\0": 1}}, "NUL"),
        ({"metadata": {"a": "\ud800"}}, "surrogates"),
    ],
)
def test_values_that_break_a_rule(given: dict[str, Any], rule: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        desired_from(NOTHING | given)
    assert rule in caught.value.message


def test_values() -> None:
    desired = desired_from(
        NOTHING
        | {
            "endpoint": GOOD,
            "namespace": "system",
            "cost_per_1k_tokens": 0.00005,
            "organization_id": "ABCDEF00-0000-0000-0000-000000000000",
        }
    )
    assert desired.cost_per_1k_tokens == 0.0001
    assert desired.organization_id == "abcdef00-0000-0000-0000-000000000000"
    assert desired.label == "model 'demo' in environment 'staging'"


def test_metadata_may_hold_a_written_escape() -> None:
    assert check_json("metadata", {"a": "\\u0000 is not a NUL"})


def test_metadata_of_endless_depth() -> None:
    deep: dict[str, Any] = {}
    for _unused in range(100_000):
        deep = {"a": deep}
    with pytest.raises(InvalidInputError, match="moderate depth"):
        check_json("metadata", deep)
