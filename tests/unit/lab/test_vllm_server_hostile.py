# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that no client should have to bear, as a client sees them."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.lab.vllm_server import hostile
from tests.lab.vllm_server.faults import FAULTS, HANGS
from tests.unit.lab.vllm_client import (
    BODY,
    COMPLETIONS,
    MODELS,
    ask,
    connected,
    in_force,
    is_healthy,
    read,
    request,
    serving,
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as number:
        yield number


@pytest.mark.parametrize(
    ("fault", "path", "status", "kind", "text"),
    [
        ("metrics-missing", "/metrics", 404, "application/json", b"Not Found"),
        ("metrics-garbage", "/metrics", 200, "text/plain", b"\xde\xad\xbe\xef"),
        ("html-ok", MODELS, 200, "text/html", b"It works"),
        ("html-error", MODELS, 502, "text/html", b"Bad gateway"),
        ("html-error", "/health", 502, "text/html", b"Bad gateway"),
    ],
)
def test_answers_of_something_else(port: int, fault: str, path: str, status: int, kind: str, text: bytes) -> None:
    with in_force(port, fault):
        answer = ask(port, path)
        assert (answer.status, answer.headers["content-type"]) == (status, kind)
        assert text in answer.body
        assert ask(port, "/_lab/fault").document["fault"]["way"] == FAULTS[fault].way


@pytest.mark.parametrize(
    ("fault", "status", "location"),
    [("redirect", 307, "http://203.0.113.7:9/elsewhere"), ("redirect-loop", 302, COMPLETIONS)],
)
def test_redirections(port: int, fault: str, status: int, location: str) -> None:
    with in_force(port, fault):
        answer = ask(port, COMPLETIONS, BODY)
        assert (answer.status, answer.headers["location"]) == (status, location)
        assert is_healthy(port)


@pytest.mark.parametrize(("path", "body"), [(MODELS, None), (COMPLETIONS, BODY)])
def test_json_that_is_cut_comes_in_a_whole_body(port: int, path: str, body: Any) -> None:
    with in_force(port, "truncated-json"):
        answer = ask(port, path, body)
        assert (answer.status, len(answer.body)) == (200, int(answer.headers["content-length"]))
        with pytest.raises(json.JSONDecodeError):
            json.loads(answer.body)


def test_a_body_can_end_before_its_length(port: int) -> None:
    with in_force(port, "truncated-body"), pytest.raises(http.client.IncompleteRead) as caught:
        ask(port, MODELS)
    assert caught.value.expected == 1000
    assert json.loads(caught.value.partial)["data"][0]["id"] == "a"


@pytest.mark.parametrize(("fault", "error"), [("invalid-utf8", UnicodeDecodeError), ("deep-json", RecursionError)])
def test_json_that_cannot_be_read(port: int, fault: str, error: type[Exception]) -> None:
    with in_force(port, fault):
        answer = ask(port, MODELS)
        assert answer.status == 200
        with pytest.raises(error):
            json.loads(answer.body)


def test_gzip_that_nobody_asked_for_is_valid(port: int) -> None:
    with in_force(port, "gzip"):
        answer = ask(port, COMPLETIONS, BODY)
        assert answer.headers["content-encoding"] == "gzip"
        assert json.loads(gzip.decompress(answer.body))["usage"]["completion_tokens"] == 1
        assert b"vllm:num_requests_running" in gzip.decompress(ask(port, "/metrics").body)
        assert is_healthy(port)


def test_gzip_can_be_a_lie(port: int) -> None:
    with in_force(port, "gzip-broken"):
        answer = ask(port, MODELS)
        assert answer.headers["content-encoding"] == "gzip"
        with pytest.raises(gzip.BadGzipFile):
            gzip.decompress(answer.body)


def test_a_gzip_bomb_is_small_on_the_wire(port: int) -> None:
    with in_force(port, "gzip-bomb"):
        answer = ask(port, MODELS)
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < 1_100_000
    assert int.from_bytes(answer.body[-4:], "little") >= hostile.GIBIBYTE
    small = gzip.decompress(hostile.squeeze_bomb(b'{"data":[]}', 3 * hostile.MEBIBYTE))
    assert small == b" " * 3 * hostile.MEBIBYTE + b'{"data":[]}'


def test_a_big_body_is_json_of_100_megabytes(port: int) -> None:
    with in_force(port, "big-body"), connected(port) as connection:
        request(connection, MODELS)
        response = connection.getresponse()
        size, first, last = 0, b"", b""
        while part := response.read(2**20):
            size, first, last = size + len(part), first or part, part
    assert size > 100_000_000
    begin = first[: first.rindex(b",")] + b"]}"
    assert [entry["id"] for entry in json.loads(begin)["data"]][:3] == ["a", "b", "filler"]
    assert last.endswith(b'"}]}')


@pytest.mark.parametrize(
    ("fault", "pattern", "size"),
    [
        ("endless-stream", rb'HTTP/1\.1 200 OK\r\n.*transfer-encoding: chunked\r\n.*"filler"', 5_000_000),
        ("continue-forever", rb"(HTTP/1\.1 100 Continue\r\n\r\n){1000}", 5_000_000),
    ],
)
def test_what_never_ends_is_fast(port: int, fault: str, pattern: bytes, size: int) -> None:
    with in_force(port, fault):
        got = read(port, MODELS, size)
        assert len(got) >= size
        assert re.match(pattern, got, re.DOTALL)
        assert is_healthy(port)


@pytest.mark.parametrize(
    ("fault", "pattern"), [("slow-drip", rb"HTTP/1\.1 200 OK\r\n.*\r\n\r\n{$"), ("slow-headers", rb"HT$")]
)
def test_what_is_slow_comes_byte_by_byte(port: int, fault: str, pattern: bytes) -> None:
    got = b""
    with in_force(port, fault), socket.create_connection(("127.0.0.1", port), timeout=0.9 * hostile.PAUSE) as client:
        client.sendall(f"GET {MODELS} HTTP/1.1\r\n\r\n".encode())
        begin = time.monotonic()
        while not re.match(pattern, got, re.DOTALL):
            assert len(got) < 1000
            with suppress(TimeoutError):
                got += client.recv(1000)
        assert hostile.PAUSE * 0.9 < time.monotonic() - begin < 5
        assert is_healthy(port)


def test_a_bomb_of_header_lines(port: int) -> None:
    with in_force(port, "header-bomb"):
        head, _unused, body = read(port, MODELS).partition(b"\r\n\r\n")
        assert head.count(b"\r\nx-") == 100_000
        assert json.loads(body)["data"][0]["id"] == "a"
        with pytest.raises(http.client.HTTPException):
            ask(port, MODELS)


def test_a_header_line_of_10_megabytes(port: int) -> None:
    with in_force(port, "long-header"):
        head, _unused, body = read(port, MODELS).partition(b"\r\n\r\n")
        assert max(map(len, head.split(b"\r\n"))) > 10_000_000
        assert json.loads(body)["data"][0]["id"] == "a"
        with pytest.raises(http.client.LineTooLong):
            ask(port, MODELS)


@pytest.mark.parametrize("path", [MODELS, "/health"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("not-http", http.client.BadStatusLine),
        ("empty-reply", http.client.RemoteDisconnected),
        ("reset", ConnectionResetError),
    ],
)
def test_what_is_no_answer(port: int, fault: str, path: str, error: type[Exception]) -> None:
    with in_force(port, fault):
        with pytest.raises(error) as caught:
            ask(port, path)
        assert caught.type is error
        assert ask(port, "/_lab/fault").status == 200


def test_every_way_is_that_of_a_fault() -> None:
    assert {fault.way for fault in FAULTS.values()} == {*hostile.WAYS, HANGS, ""}
