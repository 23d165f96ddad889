# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to a server: a URL, the API server's port-forward, and its proxy."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import (
    ConnectionForbiddenError,
    Session,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import (
    Tls,
    api_context,
    api_proxy,
    direct,
    port_forward,
    refusal,
    refused_handshake,
)
from kubernetes.client import Configuration

from tests.unit.vllm.sockets import says, serving


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h:1", ""),
        ("http://h:1/", ""),
        ("http://h:1/v1", ""),
        ("HTTP://h:1/v1/", ""),
        ("http://h/development/v1/", "/development"),
        ("http://h/development", "/development"),
        ("http://h/v1/v1", "/v1"),
        ("http://h/openai-v1", "/openai-v1"),
        ("http://[::1]:8000/v1", ""),
        ("http://h:1//", ""),
        ("http://h:1/v1?x=y#z", ""),
    ],
)
def test_base_path(url: str, path: str) -> None:
    assert direct(url, Tls())[1] == path


@pytest.mark.parametrize(
    "url",
    [
        *("", "h:1", "//h:1", "/v1", "ftp://h", "unix:///run/x", "http://", "http:///v1", "http://:80", "http:h"),
        *("http://h:x", "http://h:70000", "http://h:-1", "http://[::1", "http://]", "http://[x]/", " "),
    ],
)
def test_bad_urls(url: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        direct(url, Tls())
    assert refused.value.what == f"Invalid url: {url}"
    assert refused.value.why
    assert refused.value.remedy == "Use http(s)://host:port."


def test_an_authority_is_read_before_anything_is_asked() -> None:
    with pytest.raises(InvalidInputError, match=r"/nowhere/ca\.pem"):
        direct("https://h", Tls("/nowhere/ca.pem"))
    assert direct("http://h", Tls("/nowhere/ca.pem"))[1] == ""


@pytest.mark.parametrize(
    ("validate", "checks", "mode"), [(True, True, ssl.CERT_REQUIRED), (False, False, ssl.CERT_NONE)]
)
def test_verification(certificate: Path, validate: bool, checks: bool, mode: ssl.VerifyMode) -> None:
    context = Tls(str(certificate), validate).context()
    assert (context.check_hostname, context.verify_mode) == (checks, mode)


FORBIDDEN = 'pods "p" is forbidden: User "u" cannot create resource "pods/portforward"'
STATUS = json.dumps({"kind": "Status", "apiVersion": "v1", "message": FORBIDDEN, "code": 403}, separators=(",", ":"))
HEAD = "Handshake status 403 Forbidden -+-+- {'content-length': '350'} -+-+- "


@pytest.mark.parametrize(
    ("reason", "told", "error"),
    [
        (f"{HEAD}{STATUS}\n", FORBIDDEN, ConnectionForbiddenError),
        (f"{HEAD}{STATUS}", FORBIDDEN, ConnectionForbiddenError),
        (f"{HEAD}{STATUS.encode()!r}", None, ConnectionForbiddenError),
        (f"{HEAD}None", "Handshake status 403 Forbidden", ConnectionForbiddenError),
        ("Handshake status 404 Not Found -+-+- {} -+-+- None", "Handshake status 404 Not Found", ConnectionResetError),
        ('x {"kind":"Status","message":"pods \\"p\\" not found"}', 'pods "p" not found', ConnectionResetError),
        ('x {"kind":"Status","message":', 'x {"kind":"Status","message":', ConnectionResetError),
        ('x {"kind":"Status"}', 'x {"kind":"Status"}', ConnectionResetError),
        ('x {"kind":"Status","message":"it is forbidden"}', "it is forbidden", ConnectionForbiddenError),
        ("[Errno 111] Connection refused", "[Errno 111] Connection refused", ConnectionResetError),
        ("", "", ConnectionResetError),
    ],
)
def test_refused_port_forward(reason: str, told: str | None, error: type[ConnectionError]) -> None:
    """The client puts the API server's answer into a text; older releases of websocket-client as its bytes."""
    refused = refused_handshake("p", reason)
    assert refused.__class__ is error
    if told is not None:
        assert refusal(reason) == told
        unsaid = error is ConnectionForbiddenError and "cannot" not in told
        verb = ": the account cannot create resource pods/portforward" if unsaid else ""
        assert str(refused) == f"port-forward to pod p: {told}{verb}"


def kube(host: str) -> Any:
    """An API server as the ways to a pod know it."""
    configuration = Configuration(host=host)
    return SimpleNamespace(configuration=configuration, credentials=lambda: {"authorization": "Bearer t"})


@pytest.mark.parametrize(
    ("status", "kind"), [("403 Forbidden", "forbidden"), ("404 Not Found", "reset"), ("500 Internal Error", "reset")]
)
def test_port_forward_that_the_api_server_refuses(status: str, kind: str) -> None:
    message = FORBIDDEN if kind == "forbidden" else "it is not there"
    body = json.dumps({"kind": "Status", "message": message}, separators=(",", ":")).encode()
    with serving(says(body, status)) as server:
        connect = port_forward(kube(f"http://127.0.0.1:{server.port}"), "ns", "p", 8000, None)
        with Session(connect) as session:
            answer = session.ask("GET", "/v1/models", 5.0)
    assert (answer.error, answer.detail) == (kind, f"port-forward to pod p: {message}"[:200])
    asked = server.requests[0].decode()
    assert asked.startswith("GET /api/v1/namespaces/ns/pods/p/portforward?ports=8000 HTTP/1.1")
    assert "authorization: Bearer t" in asked


def test_port_forward_to_an_api_server_that_is_away() -> None:
    with serving(says(b"")) as server:
        pass
    connect = port_forward(kube(f"http://127.0.0.1:{server.port}"), "ns", "p", 8000, None)
    with Session(connect) as session:
        assert session.ask("GET", "/v1/models", 5.0).error == "reset"


@pytest.mark.parametrize(
    ("prefix", "tls", "path"),
    [
        ("", None, "/api/v1/namespaces/ns/pods/p:8000/proxy"),
        ("/k8s/clusters/c/", None, "/k8s/clusters/c/api/v1/namespaces/ns/pods/p:8000/proxy"),
        ("", Tls(), "/api/v1/namespaces/ns/pods/https:p:8000/proxy"),
    ],
)
def test_proxy(prefix: str, tls: Tls | None, path: str) -> None:
    with serving(says(b'{"a": 1}')) as server:
        connect, base_path = api_proxy(kube(f"http://127.0.0.1:{server.port}{prefix}"), "ns", "p", 8000, tls)
        assert base_path == path
        with Session(connect, base_path) as session:
            assert session.ask("GET", "/v1/models", 5.0).payload == {"a": 1}
    assert server.requests[0].startswith(f"GET {path}/v1/models HTTP/1.1".encode())


@pytest.mark.parametrize(("name", "error"), [(None, None), ("api.example", None), ("other.example", "tls")])
def test_proxy_with_tls(name: str | None, error: str | None, certificate: Path) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    with serving(says(b'{"a": 1}'), server_side) as server:
        api = kube(f"https://127.0.0.1:{server.port}")
        api.configuration.ssl_ca_cert = str(certificate)
        api.configuration.tls_server_name = name
        connect, base_path = api_proxy(api, "ns", "p", 8000, None)
        with Session(connect, base_path) as session:
            answer = session.ask("GET", "/v1/models", 5.0)
    assert (answer.payload, answer.error) == (None if error else {"a": 1}, error)


def test_proxy_behind_another_proxy() -> None:
    with serving(says(b"", "403 Forbidden")) as server:
        api = kube("http://api.example:6443")
        api.configuration.proxy = f"http://127.0.0.1:{server.port}"
        connect, base_path = api_proxy(api, "ns", "p", 8000, None)
        with Session(connect, base_path) as session:
            assert session.ask("GET", "/v1/models", 5.0).error == "reset"
    assert server.requests[0].startswith(b"CONNECT api.example:6443 HTTP/1.")


@pytest.mark.parametrize(
    ("verify", "hostname", "checks", "mode"),
    [
        (True, None, True, ssl.CERT_REQUIRED),
        (True, True, True, ssl.CERT_REQUIRED),
        (True, False, False, ssl.CERT_REQUIRED),
        (False, None, False, ssl.CERT_NONE),
        (False, False, False, ssl.CERT_NONE),
    ],
)
def test_tls_of_the_api_server(
    certificate: Path, verify: bool, hostname: bool | None, checks: bool, mode: ssl.VerifyMode
) -> None:
    configuration = kube("https://api.example:6443").configuration
    configuration.ssl_ca_cert = str(certificate)
    configuration.verify_ssl, configuration.assert_hostname = verify, hostname
    context = api_context(configuration)
    assert context
    assert (context.check_hostname, context.verify_mode) == (checks, mode)


def test_an_api_server_without_tls() -> None:
    assert api_context(kube("http://127.0.0.1:8080").configuration) is None


@pytest.mark.parametrize("option", ["ssl_ca_cert", "cert_file"])
def test_files_of_a_kubeconfig_are_used(certificate: Path, option: str) -> None:
    configuration = kube("https://api.example").configuration
    configuration.ssl_ca_cert = str(certificate)
    setattr(configuration, option, "/nowhere/file.pem")
    with pytest.raises(FileNotFoundError):
        api_context(configuration)
