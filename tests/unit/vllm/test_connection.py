# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one request to a real socket brings, however its server behaves."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
import zlib

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import connection
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import (
    ConnectionForbiddenError,
    Session,
    failure,
    read,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Answer
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.text import LONGEST, readable
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import Tls, direct

from tests.unit.vllm.sockets import Behaviour, raw, says, serving

LIMIT = 20_000
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_BODY_BYTES", LIMIT)


def encoded(content: bytes, how: str = "gzip") -> Behaviour:
    return says(content, head=f"Content-Encoding: {how}\r\n")


JSON = b'{"a": 1}'
CASES = [
    ("JSON", says(JSON), 200, None),
    ("nothing", says(b""), 200, None),
    ("HTML", says(b"<html>"), 200, None),
    ("no UTF-8", says(b"\xff\xfe"), 200, None),
    ("deep JSON", says(b"[" * 19_000), 200, None),
    ("long number", says(b"1" * 9_000), 200, None),
    ("error", says(JSON, "500 Internal Server Error"), 500, None),
    ("status that is new", says(JSON, "299 Fine"), 299, None),
    ("redirect", says(b"{}", "302 Found", "Location: http://192.0.2.1/\r\n"), 302, None),
    ("as long as allowed", says(b" " * LIMIT), 200, None),
    ("longer", says(b" " * (LIMIT + 1)), None, "too_large"),
    ("much longer", says(b" " * (LIMIT * 9)), None, "too_large"),
    ("longer than said", says(b"", head=f"X: y\r\n\r\n{' ' * 99}"), 200, None),
    ("without a length", raw(b"HTTP/1.1 200 OK\r\n\r\n" + JSON), 200, None),
    ("without a length, longer", raw(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (LIMIT + 1)), None, "too_large"),
    ("HTTP/1.0", raw(b"HTTP/1.0 200 OK\r\n\r\n" + JSON), 200, None),
    ("chunks", raw(CHUNKED + b'4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n'), 200, None),
    ("chunks, longer", raw(CHUNKED + b"5000\r\n" + b" " * 0x5000 + b"\r\n0\r\n\r\n"), None, "too_large"),
    ("chunks that end early", raw(CHUNKED + b'9\r\n{"a"'), None, "malformed"),
    ("chunks without a length", raw(CHUNKED + b"zz\r\nx"), None, "malformed"),
    ("gzip", encoded(gzip.compress(JSON)), 200, None),
    ("deflate", encoded(zlib.compress(JSON), "Deflate"), 200, None),
    ("gzip bomb", encoded(gzip.compress(b" " * (LIMIT * 9))), 200, "too_large"),
    ("gzip, broken", encoded(b"\x1f\x8bbroken"), None, "malformed"),
    ("gzip that is none", encoded(JSON), None, "malformed"),
    ("gzip, cut off", encoded(gzip.compress(b"[1, 2, 3, 4, 5, 6]" * 9)[:30]), 200, None),
    ("closes", lambda peer: None, None, "closed"),
    ("another protocol", raw(b"SSH-2.0-x\r\n\r\n"), None, "malformed"),
    ("status that is none", raw(b"HTTP/1.1 abc\r\n\r\n"), None, "malformed"),
    ("status line too long", raw(b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n"), None, "malformed"),
    ("too many headers", raw(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500), None, "malformed"),
    ("header too long", raw(b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000 + b"\r\n\r\n"), None, "malformed"),
    ("cut off", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), None, "malformed"),
    ("cut off at once", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), None, "malformed"),
    ("cut off within the head", raw(b"HTTP/1.1 200 OK\r\nContent-Le"), 200, None),
]


@pytest.mark.parametrize(("behave", "status", "error"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_answer(behave: Behaviour, status: int | None, error: str | None) -> None:
    with serving(behave) as server, server.session() as session:
        answer = session.ask("GET", "/v1/models", 5.0)
    assert (answer.status, answer.error) == (status, error)
    assert answer.payload in (None, {"a": 1}, {})
    assert len(answer.detail) <= LONGEST + 20
    assert "\n" not in answer.detail


@pytest.mark.parametrize("name", ["JSON", "error", "without a length", "HTTP/1.0", "chunks", "gzip", "deflate"])
def test_payload(name: str) -> None:
    behave = next(row[1] for row in CASES if row[0] == name)
    with serving(behave) as server, server.session() as session:
        assert session.ask("GET", "/", 5.0).payload == {"a": 1}


def test_what_is_sent() -> None:
    with serving(says(JSON)) as server:
        connect, _unused = direct(f"http://127.0.0.1:{server.port}", Tls())
        with Session(connect, "/base", {"Authorization": "Bearer k"}) as session:
            session.ask("POST", "/v1/completions", 5.0, {"model": "m"})
        with Session(connect) as session:
            session.ask("GET", "/health", 5.0)
    (head, body), bare = server.requests[0].decode().split("\r\n\r\n"), server.requests[1].decode()
    assert head.startswith("POST /base/v1/completions HTTP/1.1\r\n")
    assert {"Accept: application/json", "Authorization: Bearer k", "Content-Type: application/json"} <= set(
        head.split("\r\n")
    )
    assert json.loads(body) == {"model": "m"}
    assert bare.startswith("GET /health HTTP/1.1\r\n")
    assert "Authorization" not in bare
    assert "Content-Type" not in bare


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_not_followed(status: str) -> None:
    with serving(says(b"<html>", status, "Location: /elsewhere\r\n")) as server, server.session() as session:
        answer = session.ask("GET", "/v1/models", 5.0)
    assert (answer.status, answer.detail) == (int(status[:3]), "leads to /elsewhere")
    assert len(server.requests) == 1


def test_a_closed_port() -> None:
    with serving(says(b"")) as server:
        pass
    with server.session() as session:
        assert session.ask("GET", "/", 5.0).error == "refused"


@pytest.mark.parametrize("key", ["secret\n", "secret\r\nX: y", "secret\x00", "sécrêt", "secret\u2028"])
def test_a_key_that_no_header_can_hold_is_not_told(key: str) -> None:
    """The message goes into a module's result and progress, where only the key as it was given is hidden."""
    with serving(says(JSON)) as server:
        connect, _unused = direct(f"http://127.0.0.1:{server.port}", Tls())
        with Session(connect, headers={"Authorization": f"Bearer {key}"}) as session:
            answer = session.ask("GET", "/", 5.0)
    assert "cret" not in answer.detail
    assert "crêt" not in answer.detail


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
def test_a_name_that_cannot_be_one(host: str) -> None:
    connect, _unused = direct(f"http://{host}:1", Tls())
    with Session(connect) as session:
        assert session.ask("GET", "/", 5.0).error == "resolve"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionForbiddenError("x"), "forbidden"),
        (socket.gaierror(-2, "Name or service not known"), "resolve"),
        (TimeoutError(), "timeout"),
        (ConnectionRefusedError(), "refused"),
        (ConnectionResetError(), "reset"),
        (BrokenPipeError(), "reset"),
        (OSError(113, "No route to host"), "reset"),
        (http.client.RemoteDisconnected("x"), "closed"),
        (http.client.BadStatusLine("x"), "malformed"),
        (http.client.IncompleteRead(b"x", 1), "malformed"),
        (zlib.error("x"), "malformed"),
        (ssl.SSLCertVerificationError("x"), "tls"),
        (ssl.SSLEOFError("x"), "closed"),
        (UnicodeError("label empty or too long"), "resolve"),
        (ValueError("Invalid header value b'Bearer secret'"), "malformed"),
    ],
)
def test_kind_of_failure(error: Exception, kind: str) -> None:
    assert failure(error).error == kind
    assert failure(error).detail
    assert "secret" not in failure(error).detail


@pytest.mark.parametrize(
    ("content", "location", "answer"),
    [
        (b"", "", Answer(200)),
        (b"null", "", Answer(200, None, detail="null")),
        (b"[1]", "", Answer(200, [1], detail="[1]")),
        (b"a\r\nb\x1b[31m", "", Answer(200, detail="a  b [31m", text="a\r\nb\x1b[31m")),
        (b"\xff", "", Answer(200, detail="\ufffd", text="\ufffd")),
        (b"", "http://x/", Answer(200, detail="leads to http://x/")),
        (b"", "x" * 999, Answer(200, detail=f"leads to {'x' * 491}…")),
    ],
)
def test_body(content: bytes, location: str, answer: Answer) -> None:
    assert read(200, content, location) == answer


def test_any_body_can_be_read() -> None:
    parts = [bytes([byte]) for byte in range(256)] + ["é中🙂\u2028".encode(), b'{"a": 1}', b"[", b"\xed\xa0\x80"]
    for content in [first + second for first in parts for second in (b"", b"x", b"\n", b"\xff", b"]")]:
        answer = read(200, content)
        assert answer.detail == readable(content.decode(errors="replace"))
        assert answer.detail.isprintable()
        assert answer.text in ("", content.decode(errors="replace"))
