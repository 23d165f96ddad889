# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers as bytes, in parts of any size, and what comes instead of them."""

from __future__ import annotations

import asyncio
import errno
import http.client
import socket
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._health.exchange import (
    Exchange,
    Place,
    is_whole,
    parsed,
    received,
    request_of,
    trouble,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._health.workers import Workers
from hypothesis import given
from hypothesis import strategies as st

PLAIN = b'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{"a": 1}'
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n'
UNTIL_THE_END = b'HTTP/1.1 200 OK\r\n\r\n{"a": 1}'
SQUEEZED = zlib.compress(b'{"a": 1}')
GZIP = b"HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\ncontent-length: %d\r\n\r\n%s" % (len(SQUEEZED), SQUEEZED)
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN
FOLDED = b'HTTP/1.1 200 OK\r\nx-a: b\r\n content-length: 1\r\ncontent-length: 8\r\n\r\n{"a": 1}'


def in_parts(data: bytes, size: int) -> Callable[[], Awaitable[bytes]]:
    parts: Iterator[bytes] = iter([data[start : start + size] for start in range(0, len(data), size)])

    async def more() -> bytes:
        return next(parts, b"")

    return more


@pytest.mark.parametrize("data", [PLAIN, CHUNKED, UNTIL_THE_END, GZIP, CONTINUED, FOLDED])
@pytest.mark.parametrize("size", [1, 7, 65536])
def test_answers(data: bytes, size: int) -> None:
    whole = asyncio.run(received(in_parts(data, size)))
    answer = parsed(whole)
    assert (answer.status, answer.payload) == (200, {"a": 1})


@pytest.mark.parametrize("data", [PLAIN, CHUNKED])
def test_an_answer_ends_although_its_connection_stays_open(data: bytes) -> None:
    assert is_whole(bytearray(data))
    assert not is_whole(bytearray(data[:-1]))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "closed"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", "malformed"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 7\r\n\r\nnothing", "malformed"),
    ],
)
def test_what_is_no_answer(data: bytes, kind: str) -> None:
    with pytest.raises((OSError, http.client.HTTPException, zlib.error)) as caught:
        parsed(data)
    assert trouble(caught.value).error == kind


@given(st.binary(max_size=200), st.integers(1, 60))
def test_no_bytes_lead_to_anything_else(data: bytes, size: int) -> None:
    for start in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"):
        with suppress(OSError, ValueError, http.client.HTTPException, zlib.error):
            parsed(asyncio.run(received(in_parts(start + data, size))))


@pytest.mark.parametrize("data", [b"x" * 70_000, b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_200_000])
def test_an_endless_answer_is_cut(data: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        asyncio.run(received(in_parts(data, 16384)))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.EHOSTUNREACH, "no route"), "unreachable"),
        (OSError(errno.ENETUNREACH, "no network"), "unreachable"),
        (OSError(errno.EMFILE, "too many files"), "checker"),
        (PermissionError(errno.EPERM, "firewall"), "checker"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "refused"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "reset"),
        (socket.gaierror(socket.EAI_NONAME, "no name"), "resolve"),
        (socket.gaierror(socket.EAI_AGAIN, "again"), "resolve"),
        (UnicodeError("label too long"), "resolve"),
    ],
)
def test_trouble(error: Exception, kind: str) -> None:
    assert trouble(error).error == kind


def test_a_request() -> None:
    place = Place("10.0.0.1", 8000, "a.b.svc.cluster.local:8000")
    head, _unused, body = request_of("POST", "/v1/x", place, {"Authorization": "Bearer k"}, {"a": 1}).partition(
        b"\r\n\r\n"
    )
    lines = head.split(b"\r\n")
    assert lines[:2] == [b"POST /v1/x HTTP/1.1", b"Host: a.b.svc.cluster.local:8000"]
    assert {b"Authorization: Bearer k", b"Connection: close", b"Content-Length: 8"} <= set(lines)
    assert body == b'{"a": 1}'


def ask(monkeypatch: pytest.MonkeyPatch, resolve: Callable[..., object], host: str = "a.b", seconds: float = 5) -> str:
    """The kind of trouble that a name leads to."""
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    names = Workers("names", 2)
    try:
        answer = asyncio.run(Exchange(names).ask(Place(host, 1, host), b"", seconds))
    finally:
        names.end()
    return str(answer.error)


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_unused: object, **_unused_too: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert ask(monkeypatch, fail) == "resolve"


def test_a_name_server_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    answered = threading.Event()
    try:
        assert ask(monkeypatch, lambda *_unused, **_unused_too: answered.wait(10), seconds=0.05) == "resolve"
    finally:
        answered.set()


def test_an_address_is_not_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *names, **_unused: asked.append(names))
        place = Place("127.0.0.1", nobody.getsockname()[1], "x")
        assert asyncio.run(Exchange(Workers("names")).ask(place, b"", 5)).error == "refused"
    assert asked == []
