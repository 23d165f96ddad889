# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses where no server is, and peers that break the manners of TCP or HTTP: in time, and in little memory."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import MAX_BODY_BYTES, Session
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import REASONS

from tests.integration.readiness.deployments import parameters, ready
from tests.integration.readiness.measured import Measured, measured
from tests.integration.readiness.peers import (
    MODELS,
    Handle,
    Peer,
    answering,
    blackhole,
    deaf,
    requests,
    response,
    sending,
    silent,
)

MOST_MEGABYTES = 150
SECONDS = 1.0
SECONDS_OVER = 2.0
MEGABYTE = 10**6
MOST = MAX_BODY_BYTES - 100
# More than may be held, and little enough to be borne if it is.
MUCH = 300 * MEGABYTE
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def wait_at(url: str, **params: Any) -> Measured:
    """A wait in a process of its own, with what holds however the peer behaves."""
    given = {"timeout": SECONDS, "request_timeout": SECONDS, **params}
    found = measured(parameters(**{"model": "a", "url": url, **given}))
    print(found)
    assert found.reason in {*REASONS, None}
    assert found.seconds <= given["timeout"] + SECONDS_OVER, str(found)
    assert found.megabytes < MOST_MEGABYTES, str(found)
    assert found.stderr == ""
    return found


def test_a_good_peer_is_ready() -> None:
    """What the others differ from."""
    with Peer(answering()) as peer:
        assert wait_at(peer.url).result["ready"]


def test_nobody_listens() -> None:
    with Peer(silent) as peer:
        pass
    assert wait_at(peer.url).reason == "not_serving"


def test_a_peer_that_never_answers() -> None:
    with Peer(silent) as peer:
        assert wait_at(peer.url).reason == "timeout"
        assert peer.count >= 1


def test_a_peer_that_does_not_read() -> None:
    """A request that fits into no buffer cannot be sent."""
    ended = threading.Event()
    with Peer(deaf(ended), receive_buffer=4096) as peer:
        found = wait_at(f"{peer.url}/{'x' * 8 * MEGABYTE}")
        ended.set()
    assert found.reason == "timeout"


def test_an_address_where_no_connection_is_made() -> None:
    with blackhole() as url:
        assert wait_at(url).reason == "timeout"


def test_a_tunnel_that_says_nothing_to_tls() -> None:
    """As a port-forward to a server that has just begun to listen: its socket has no timeout of its own."""
    ends: list[socket.socket] = []

    def connect(_seconds: float) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost")
        connection.sock, other = socket.socketpair()
        ends.append(other)
        return connection

    asking = threading.Thread(target=lambda: Session(connect).meets_tls(SECONDS), daemon=True)
    asking.start()
    asking.join(SECONDS + SECONDS_OVER)
    assert not asking.is_alive()
    ends[0].close()


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("no-such-name.invalid", id="unknown"),
        pytest.param("a..b", id="empty label"),
        pytest.param("a" * 64, id="long label"),
        pytest.param("a" * 5000 + ".invalid", id="long name"),
        pytest.param("xn--a.invalid", id="bad punycode"),
        pytest.param("☃.invalid", id="snowman"),
        pytest.param("a%00b", id="percent"),
        pytest.param("[::1%25nowhere]", id="no such zone"),
        pytest.param("256.256.256.256", id="no address"),
    ],
)
def test_a_name_that_does_not_resolve(host: str) -> None:
    found = ready(parameters(model="a", url=f"http://{host}:1", timeout=0.2))
    assert found.get("reason", "not_serving") in ("not_serving", "timeout")
    assert found["failed"]


def test_a_name_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """No timeout of a socket covers it."""
    ended = threading.Event()

    def ask(*_unused: Any, **_more: Any) -> Any:
        ended.wait(SECONDS + 2 * SECONDS_OVER)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    begin = time.monotonic()
    found = ready(parameters(model="a", url="http://somewhere.invalid", timeout=SECONDS))
    took = time.monotonic() - begin
    ended.set()
    assert (found["ready"], found["reason"]) == (False, "timeout")
    assert took <= SECONDS + SECONDS_OVER


@pytest.mark.parametrize(
    ("handle", "reason"),
    [
        pytest.param(sending(CHUNKED + b"-1\r\n", b"x" * MEGABYTE, MUCH // MEGABYTE), "not_vllm", id="negative chunk"),
        pytest.param(sending(CHUNKED + b"ffffffffffff\r\n", b"x" * MEGABYTE, 300), "not_vllm", id="huge chunk"),
        pytest.param(sending(CHUNKED, b"1;" + b"x" * 60_000 + b"\r\nx\r\n", 5000), "not_vllm", id="chunk extensions"),
        pytest.param(sending(CHUNKED + b"0\r\n", b"x: y\r\n" * 10_000, 5000), "not_vllm", id="endless trailer"),
        pytest.param(sending(CHUNKED + b"zz\r\nx\r\n"), "not_vllm", id="no chunk size"),
        pytest.param(
            sending(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"x" * MEGABYTE, 300),
            "not_vllm",
            id="huge length",
        ),
        pytest.param(
            sending(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"x" * MEGABYTE, 300), "not_vllm", id="no length"
        ),
        pytest.param(sending(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * MEGABYTE, 300), "not_vllm", id="until the end"),
        pytest.param(sending(b"HTTP/1.1 ", b"9" * MEGABYTE, 300), "not_vllm", id="endless status line"),
        pytest.param(sending(b"HTTP/0.9 200 OK\r\n\r\n{}"), "not_vllm", id="another version"),
        pytest.param(sending(b"HTTP/1.1 99999 OK\r\n\r\n{}"), "not_vllm", id="no status"),
        pytest.param(sending(b"HTTP/1.1 204 No Content\r\n\r\n"), "server_error", id="no content"),
        pytest.param(sending(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "server_error", id="another protocol"),
        pytest.param(sending(b"\r\n" * 100), "not_vllm", id="empty lines"),
    ],
)
def test_a_peer_that_breaks_http(handle: Handle, reason: str) -> None:
    with Peer(handle) as peer:
        # On a slow machine it is the time that ends it.
        assert wait_at(peer.url, fail_fast="suspect").reason in (reason, "timeout")


def test_chunks_of_two_bytes_take_no_more_memory_than_large_ones() -> None:
    """Each part of an answer costs more than its bytes."""
    with Peer(sending(CHUNKED, b"2\r\nxy\r\n" * 10_000, 400)) as peer:
        wait_at(peer.url, request_timeout=20, timeout=20, fail_fast="suspect")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("[" * 400 + "]" * 400, id="lists in lists"),
        pytest.param('{"":{}}', id="objects in objects"),
        pytest.param("{}", id="empty objects"),
        pytest.param('""', id="empty texts"),
        pytest.param("1e5", id="numbers"),
        pytest.param('"\\ud800\\udfff😀"', id="texts"),
    ],
)
def test_json_that_takes_more_memory_than_its_text(value: str) -> None:
    """As much of it as may be read, or more."""
    text = ",".join([value] * (MOST // (len(value.encode()) + 1)))
    with Peer(sending(response(f'{{"data":[{text}]}}'.encode()))) as peer:
        found = wait_at(peer.url, request_timeout=10, timeout=10, fail_fast="suspect")
    assert found.reason in ("wrong_name", "not_vllm")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed(status: int) -> None:
    with Peer(answering()) as other:
        there = response(b"", f"{status} Moved", f"Location: {other.url}/v1/models")
        for handle in (answering(models=there), answering(completion=there)):
            with Peer(handle) as peer:
                found = ready(parameters(model="a", url=peer.url, timeout=0.5))
                assert (found["ready"], found["reason"]) == (False, "not_vllm")
                assert other.url in found["failed"]
        assert other.count == 0


def test_no_proxy_of_the_environment_is_asked() -> None:
    """The key of the server would go there."""
    with Peer(answering()) as other, Peer(answering()) as peer:
        variables = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), other.url)
        found = measured(parameters(model="a", url=peer.url, timeout=SECONDS), env=variables)
        assert found.result["ready"]
        assert (other.count, peer.count) == (0, 2)


def slowly(pieces: Callable[[str], Iterator[bytes]]) -> Handle:
    """A server that answers each path in pieces, with a pause before each."""
    pause = threading.Event()

    def handle(connection: socket.socket) -> None:
        for path in requests(connection):
            for piece in pieces(path):
                pause.wait(0.2)
                connection.sendall(piece)

    return handle


def test_a_byte_each_fifth_of_a_second() -> None:
    whole = response(json.dumps(MODELS).encode())
    with Peer(slowly(lambda _path: (whole[place : place + 1] for place in range(len(whole))))) as peer:
        assert wait_at(peer.url).reason == "timeout"


def test_many_names_that_are_each_answered_just_in_time() -> None:
    """Each request is within its own time; all together are not within the wait's."""
    names = [f"name-{number}" for number in range(20)]
    models = {"data": [{"id": name} for name in ("a", *names)]}
    good = {"choices": [{"finish_reason": "length"}], "usage": {"completion_tokens": 1}}

    def pieces(path: str) -> Iterator[bytes]:
        yield response(json.dumps(models if path == "/v1/models" else good).encode())

    with Peer(slowly(pieces)) as peer:
        wait_at(peer.url, aliases=names)
