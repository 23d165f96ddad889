# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers with TLS, servers without, and whoever mixes them up."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Session
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import Tls

from tests.unit.vllm.sockets import Behaviour, dripping, keeps, raw, says, serving, silent, whole

SECONDS = 1.0
HELLO = says(b'{"a": 1}')


@pytest.fixture
def unverified(certificate: Path) -> Tls:
    """Settings that verify nothing. The system's authorities take long to read, and are not needed."""
    return Tls(str(certificate), validate=False)


@pytest.fixture
def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize(
    ("trusted", "validate", "error"),
    [(True, True, None), (False, False, None), (False, True, "tls"), (True, False, None)],
)
def test_certificate(
    certificate: Path, server_side: ssl.SSLContext, trusted: bool, validate: bool, error: str | None
) -> None:
    tls = Tls(str(certificate) if trusted else None, validate)
    with serving(HELLO, server_side) as server, server.session("https", tls) as session:
        answer = session.ask("GET", "/", SECONDS)
    assert answer.error == error
    assert answer.payload == (None if error else {"a": 1})
    assert ("certificate" in answer.detail.lower()) == (error is not None)


def test_a_name_that_the_certificate_is_not_for(certificate: Path, server_side: ssl.SSLContext) -> None:
    context = Tls(str(certificate)).context()
    with serving(HELLO, server_side) as server:

        def connect(seconds: float) -> http.client.HTTPConnection:
            made = http.client.HTTPConnection("localhost", timeout=seconds)
            stream = socket.create_connection(("127.0.0.1", server.port), seconds)
            made.sock = context.wrap_socket(stream, server_hostname="other.example")
            return made

        with Session(connect) as session:
            assert session.ask("GET", "/", SECONDS).error == "tls"


def test_the_deadline_of_a_request_in_tls(server_side: ssl.SSLContext, unverified: Tls) -> None:
    for behave in (silent, dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")):
        with serving(behave, server_side) as server, server.session("https", unverified) as session:
            assert session.ask("GET", "/", 0.1).error == "timeout"


@pytest.mark.parametrize("behave", [HELLO, raw(b"no TLS here")])
def test_https_to_a_plain_port(unverified: Tls, behave: Behaviour) -> None:
    with serving(behave) as server, server.session("https", unverified) as session:
        assert session.ask("GET", "/", SECONDS).error == "tls"


def test_http_to_a_port_with_tls(server_side: ssl.SSLContext) -> None:
    with serving(HELLO, server_side) as server, server.session() as session:
        assert session.ask("GET", "/", SECONDS).error in ("closed", "reset")
        assert session.meets_tls(SECONDS)


def test_a_connection_is_given_up_before_tls_is_looked_for() -> None:
    with serving(keeps(whole(b"{}"), b"")) as server, server.session() as session:
        assert session.ask("GET", "/", SECONDS).error is None
        assert not session.meets_tls(SECONDS)
        assert session.connection is None
    assert len(server.requests) == 2


@pytest.mark.parametrize("behave", [HELLO, lambda peer: None, silent], ids=["answers", "closes", "says nothing"])
def test_a_plain_server_does_not_meet_tls(behave: Behaviour) -> None:
    with serving(behave) as server, server.session() as session:
        assert not session.meets_tls(0.1)


def test_no_server_does_not_meet_tls() -> None:
    with serving(HELLO) as server:
        pass
    with server.session() as session:
        assert not session.meets_tls(SECONDS)


def test_the_search_for_tls_ends_on_a_connection_without_a_timeout_of_its_own() -> None:
    """As that of a port-forward, whose other end may stay silent for ever."""
    near, far = socket.socketpair()
    connection = http.client.HTTPConnection("localhost")
    connection.sock = near
    saved = threading.Timer(1.5, far.close)
    saved.start()
    begin = time.monotonic()
    with far, Session(lambda _seconds: connection) as session:
        assert not session.meets_tls(0.1)
    saved.cancel()
    assert time.monotonic() - begin < 1.2


@pytest.mark.parametrize("content", [None, "", "no certificate"], ids=["missing", "empty", "something else"])
def test_an_authority_that_cannot_be_read(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidInputError, match=rf"Cannot read ca_cert {path}"):
        Tls(str(path)).context()
