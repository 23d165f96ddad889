# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to real sockets that behave well and badly. Each has a deadline far below a test's patience."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import (
    MAX_BODY_BYTES,
    Server,
    ask,
    direct,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Answer

Behaviour = Callable[[socket.socket], None]


@contextmanager
def serving(behave: Behaviour) -> Iterator[int]:
    """Serve connections one after another on a port that the kernel chooses."""
    listener = socket.create_server(("127.0.0.1", 0))

    def loop() -> None:
        while True:
            try:
                peer, _unused = listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                try:
                    behave(peer)
                except OSError:
                    continue

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def says(content: bytes, status: str = "200 OK") -> Behaviour:
    return lambda peer: peer.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)


def silent(peer: socket.socket) -> None:
    peer.recv(1)


def dripping(peer: socket.socket) -> None:
    """Send a byte now and then, so that no single read ever takes long."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    peer.settimeout(0.02)
    while True:
        peer.sendall(b" ")
        try:
            if peer.recv(1) == b"":
                return
        except TimeoutError:
            continue


def get(port: int, deadline: float = 5.0, scheme: str = "http") -> Answer:
    connect, path = direct(f"{scheme}://127.0.0.1:{port}", validate_certs=False)
    return ask(Server(connect, path, {}, deadline), "GET", "/v1/models")


@pytest.mark.parametrize(
    ("behave", "status", "error"),
    [
        (says(b'{"a": 1}'), 200, None),
        (says(b""), 200, None),
        (says(b"<html>"), 200, None),
        (says(b"\xff\xfe"), 200, None),
        (says(b"[" * 100_000), 200, None),
        (says(b"{}", "302 Found\r\nLocation: http://192.0.2.1/"), 302, None),
        (says(b" " * (MAX_BODY_BYTES + 1)), 200, "too_large"),
        (lambda peer: None, None, "closed"),
        (lambda peer: peer.sendall(b"SSH-2.0-x\r\n\r\n"), None, "malformed"),
        (lambda peer: peer.sendall(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500), None, "malformed"),
        (lambda peer: peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), None, "malformed"),
    ],
)
def test_answers(behave: Behaviour, status: int | None, error: str | None) -> None:
    with serving(behave) as port:
        answer = get(port)
    assert (answer.status, answer.error) == (status, error)


@pytest.mark.parametrize("behave", [silent, dripping])
def test_the_deadline_holds_for_the_whole_request(behave: Behaviour) -> None:
    with serving(behave) as port:
        assert get(port, deadline=0.2).error == "timeout"


def test_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert get(port).error == "refused"


def test_https_to_a_plain_port() -> None:
    with serving(says(b"no TLS here")) as port:
        assert get(port, scheme="https").error == "tls"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h:1", ""),
        ("http://h:1/", ""),
        ("http://h:1/v1", ""),
        ("https://h/development/v1/", "/development"),
        ("https://h/development", "/development"),
    ],
)
def test_base_path(url: str, path: str) -> None:
    assert direct(url)[1] == path


@pytest.mark.parametrize("url", ["", "h:1", "ftp://h", "http://", "http://h:x", "http://h:70000"])
def test_bad_urls(url: str) -> None:
    with pytest.raises(InvalidInputError, match="Invalid url"):
        direct(url)


def test_a_missing_authority_is_named() -> None:
    connect, _unused = direct("https://127.0.0.1:1", ca_cert="/nowhere/ca.pem")
    with pytest.raises(InvalidInputError, match=r"/nowhere/ca\.pem"):
        connect(1)
