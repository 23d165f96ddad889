# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters that make endpoints and take them apart, and the test for them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.ai_aas.inference.plugins.filter.build_service_endpoint import build_service_endpoint
from ansible_collections.ai_aas.inference.plugins.filter.parse_service_endpoint import parse_service_endpoint
from ansible_collections.ai_aas.inference.plugins.test.service_endpoint import is_service_endpoint
from hypothesis import given
from hypothesis import strategies as st

ENDPOINT = "gpt-oss-20b.system.svc.cluster.local:8000"
REFUSED = [
    ("", "Endpoint must not be empty"),
    ("gpt-oss-20b", "Endpoint must include port"),
    (f"http://{ENDPOINT}", "Endpoint must not have a scheme"),
    ("a.b.svc.cluster.local:0", "number from 1 to 65535"),
    ("a.b.svc.cluster.local:65536", "number from 1 to 65535"),
    ("a.svc.cluster.local:8000", "Endpoint's host must be"),
    ("1a.b.svc.cluster.local:8000", "Endpoint's service name must have"),
    ("a.B.svc.cluster.local:8000", "Endpoint's namespace must have"),
    (8000, "It must be a string"),
    (None, "It must be a string"),
    (["a.b.svc.cluster.local:8000"], "It must be a string"),
]


def test_parse() -> None:
    assert parse_service_endpoint(ENDPOINT) == {"service": "gpt-oss-20b", "namespace": "system", "port": 8000}


@pytest.mark.parametrize(("value", "rule"), REFUSED)
def test_what_is_no_endpoint_is_refused_with_the_rule(value: object, rule: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        parse_service_endpoint(value)
    assert rule in str(caught.value)
    assert caught.value.__cause__ is None
    assert not is_service_endpoint(value)


def test_is_endpoint() -> None:
    assert is_service_endpoint(ENDPOINT) is True


@pytest.mark.parametrize("value", [b"a.b.svc.cluster.local:1", {}, 1.5, True, object()])
def test_whatever_it_is_the_test_answers(value: object) -> None:
    assert is_service_endpoint(value) is False


@pytest.mark.parametrize(
    ("service", "namespace", "port", "expected"),
    [
        ("gpt-oss-20b", "system", 8000, ENDPOINT),
        ("gpt-oss-20b", "system", "8000", ENDPOINT),
        ("a", "1", 65535, "a.1.svc.cluster.local:65535"),
    ],
)
def test_build(service: str, namespace: str, port: int, expected: str) -> None:
    assert build_service_endpoint(service, namespace, port) == expected


def test_build_takes_the_port_of_vllm() -> None:
    assert build_service_endpoint("gpt-oss-20b", namespace="system") == ENDPOINT


@pytest.mark.parametrize(
    ("service", "namespace", "port", "rule"),
    [
        ("", "system", 8000, "Endpoint's service name must have"),
        ("a.b", "system", 8000, "Endpoint's host must be"),
        ("a", "System", 8000, "Endpoint's namespace must have"),
        ("a", "b", 0, "number from 1 to 65535"),
        ("a", "b", True, "number from 1 to 65535"),
        ("a", "b", None, "number from 1 to 65535"),
        ("a.b.svc.cluster.local:80", "c", 1, "number from 1 to 65535"),
        ("http://a", "b", 1, "must not have a scheme"),
        (1, "b", 8000, "Invalid service name: 1: It must be a string"),
        ("a", None, 8000, "Invalid namespace: None: It must be a string"),
    ],
)
def test_build_refuses(service: object, namespace: object, port: int, rule: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        build_service_endpoint(service, namespace, port)
    assert rule in str(caught.value)


LABEL = st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)


@given(service=LABEL, namespace=LABEL | st.from_regex(r"[0-9]{1,63}", fullmatch=True), port=st.integers(1, 65535))
def test_what_is_built_is_parsed_into_its_parts(service: str, namespace: str, port: int) -> None:
    endpoint = build_service_endpoint(service, namespace, port)
    assert is_service_endpoint(endpoint)
    assert parse_service_endpoint(endpoint) == {"service": service, "namespace": namespace, "port": port}


@given(service=st.text(), namespace=st.text(), port=st.integers())
def test_what_is_built_of_anything_has_these_parts_or_is_refused(service: str, namespace: str, port: int) -> None:
    try:
        endpoint = build_service_endpoint(service, namespace, port)
    except AnsibleFilterError:
        return
    assert parse_service_endpoint(endpoint) == {"service": service, "namespace": namespace, "port": port}


def test_ansible_finds_them_by_name() -> None:
    expression = (
        "{{ [endpoint is ai_aas.inference.service_endpoint, 8000 is ai_aas.inference.service_endpoint, "
        "(endpoint | ai_aas.inference.parse_service_endpoint).port, "
        "'gpt-oss-20b' | ai_aas.inference.build_service_endpoint(namespace='system')] }}"
    )
    program = Path(sys.executable).with_name("ansible")
    task = ["-m", "ansible.builtin.debug", "-a", json.dumps({"msg": expression}), "-e", f"endpoint={ENDPOINT}"]
    done = subprocess.run([str(program), "localhost", *task], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.partition("=>")[2])["msg"] == [True, False, 8000, ENDPOINT]
