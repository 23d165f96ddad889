# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No server holds a request up for longer than its seconds, and a connection serves for as many as it can."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Session, within

from tests.unit.vllm.sockets import Behaviour, dripping, keeps, raw, serving, silent, whole

SECONDS = 0.03
# A machine that is busy is late itself.
LATEST = 1.5

OK = b"HTTP/1.1 200 OK\r\n"


def stops(peer: socket.socket) -> None:
    peer.sendall(OK + b"Content-Length: 9\r\n\r\n{")
    silent(peer)


SLOW = [
    ("says nothing", silent),
    ("drips a body", dripping(OK + b"Content-Length: 1000000\r\n\r\n")),
    ("drips a body without a length", dripping(OK + b"\r\n")),
    ("drips a whole JSON without a length", dripping(OK + b'\r\n{"data": []}')),
    ("drips chunks", dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")),
    ("drips a header", dripping(OK + b"X: ", b"x")),
    ("drips headers", dripping(OK, b"X: y\r\n")),
    ("drips a status", dripping(b"HTTP/1.1 200 ", b"x")),
    ("asks to go on without end", dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    ("stops within a body", stops),
]


@pytest.mark.parametrize("behave", [row[1] for row in SLOW], ids=[row[0] for row in SLOW])
def test_the_seconds_are_for_the_whole_request(behave: Behaviour) -> None:
    with serving(behave) as server, server.session() as session:
        begin = time.monotonic()
        answer = session.ask("GET", "/", SECONDS)
        assert time.monotonic() - begin < LATEST
    assert (answer.status, answer.error, answer.detail) == (None, "timeout", "no answer within 0.03 s")


def test_a_request_is_given_up_when_the_server_is_known_to_end() -> None:
    with serving(silent) as server, server.session() as session:
        timer = threading.Timer(SECONDS, session.abandon)
        timer.start()
        begin = time.monotonic()
        answer = session.ask("GET", "/", 30)
        assert time.monotonic() - begin < LATEST
        timer.join()
        assert (answer.status, answer.error, answer.detail) == (None, "closed", "the server began to end")
        assert session.ask("GET", "/", 30) == answer, "it is not asked again"
        assert not session.meets_tls(30)


def blocks(until: threading.Event) -> Callable[[float], http.client.HTTPConnection]:
    """Something that connects too late, as a name server that does not answer."""

    def connect(_seconds: float) -> http.client.HTTPConnection:
        until.wait(LATEST)
        raise ConnectionRefusedError

    return connect


def test_the_seconds_are_for_connecting_too() -> None:
    release = threading.Event()
    begin = time.monotonic()
    with Session(blocks(release)) as session:
        answer = session.ask("GET", "/", SECONDS)
    assert time.monotonic() - begin < LATEST
    assert answer.error == "timeout"
    release.set()


def test_what_connecting_took_is_not_left_for_the_answer() -> None:
    with serving(silent) as server:
        connect = server.session().connect

        def late(seconds: float) -> http.client.HTTPConnection:
            time.sleep(SECONDS)
            return connect(seconds)

        begin = time.monotonic()
        with Session(late) as session:
            assert session.ask("GET", "/", SECONDS * 1.5).error == "timeout"
        assert time.monotonic() - begin < SECONDS * 1.5 + LATEST - SECONDS


def test_a_connection_without_a_timeout_of_its_own_is_cut() -> None:
    """As that of a port-forward, which is one end of a pair of sockets."""
    near, far = socket.socketpair()
    connection = http.client.HTTPConnection("localhost")
    connection.sock = near
    with far, Session(lambda _seconds: connection) as session:
        assert session.ask("GET", "/", SECONDS).error == "timeout"


class Noted(http.client.HTTPConnection):
    """A connection that tells when it is closed."""

    def __init__(self) -> None:
        super().__init__("localhost")
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


def test_a_connection_that_comes_too_late_is_closed() -> None:
    made, release = Noted(), threading.Event()

    def connect(_seconds: float) -> http.client.HTTPConnection:
        release.wait(LATEST)
        return made

    with pytest.raises(TimeoutError):
        within(0.01, connect)
    assert not made.closed.is_set()
    release.set()
    assert made.closed.wait(LATEST)


@pytest.mark.parametrize("error", [ConnectionRefusedError("x"), TimeoutError("x"), ValueError("x")])
def test_why_connecting_failed_is_raised(error: Exception) -> None:
    def connect(_seconds: float) -> http.client.HTTPConnection:
        raise error

    with pytest.raises(type(error), match="x"):
        within(LATEST, connect)


KEPT = whole(b"{}")


def ask_thrice(behave: Behaviour) -> tuple[list[str | None], int]:
    """The errors of three requests in one session, and the number of connections."""
    with serving(behave) as server, server.session() as session:
        errors = [session.ask("GET", "/", LATEST).error for _turn in range(3)]
    return errors, len(server.requests)


@pytest.mark.parametrize(
    ("behave", "connections"),
    [
        (keeps(KEPT, KEPT, KEPT), 1),
        (keeps(whole(b""), whole(b""), whole(b"")), 1),
        (keeps(KEPT, whole(b"{}", "Connection: close\r\n")), 2),
        (keeps(whole(b"{}", "Connection: close\r\n")), 3),
        (raw(b"HTTP/1.1 200 OK\r\n\r\n{}"), 3),
        (raw(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"), 3),
    ],
)
def test_a_connection_is_used_again_if_it_may_be(behave: Behaviour, connections: int) -> None:
    assert ask_thrice(behave) == ([None] * 3, connections)


def test_a_session_goes_on_after_a_failure() -> None:
    last = whole(b"{}", "Connection: close\r\n")
    behaviours = iter([raw(b"SSH-2.0\r\n\r\n"), raw(last), silent, raw(last)])

    def behave(peer: socket.socket) -> None:
        next(behaviours)(peer)

    with serving(behave) as server, server.session() as session:
        errors = [session.ask("GET", "/", seconds).error for seconds in (LATEST, LATEST, SECONDS, LATEST)]
    assert errors == ["malformed", None, "timeout", None]
    assert len(server.requests) == 4


def test_each_request_has_seconds_of_its_own() -> None:
    """A list of models has ten, and the completion after it thirty, over the same connection."""
    first = 0.2

    def behave(peer: socket.socket) -> None:
        peer.sendall(KEPT)
        peer.recv(65536)
        time.sleep(first + SECONDS)
        peer.sendall(KEPT)

    with serving(behave) as server, server.session() as session:
        assert session.ask("GET", "/", first).error is None
        assert session.ask("GET", "/", LATEST).error is None
    assert len(server.requests) == 1


def test_a_session_leaves_nothing_behind() -> None:
    gone = threading.Event()

    def behave(peer: socket.socket) -> None:
        peer.sendall(KEPT)
        if peer.recv(1) == b"":
            gone.set()

    with serving(behave) as server:
        with server.session() as session:
            session.ask("GET", "/", LATEST)
            assert not gone.is_set()
        assert gone.wait(LATEST)
        session.close()
