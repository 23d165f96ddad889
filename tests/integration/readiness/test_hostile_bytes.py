# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any bytes at all as a server's answers: never a proof, never an error of ours."""

from __future__ import annotations

import json
import os
import socket
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import REASONS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.readiness.deployments import parameters, ready
from tests.integration.readiness.peers import COMPLETION, MODELS, Peer, requests, response

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
# As in tests/unit/conftest.py: a fixed sample, or many new examples in a soak.
sampled = settings(
    max_examples=int(os.environ.get("SOAK_EXAMPLES", "5000")) if SOAK else 150,
    derandomize=not SOAK,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
GOOD = {"/v1/models": response(json.dumps(MODELS).encode()), "/health": response(b"")}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
STATUSES = (b"200 OK", b"100 Continue", b"101 X", b"204 X", b"206 X", b"304 X", b"401 X", b"404 X", b"503 X", b"999 X")
HEADERS = (
    b"Content-Length: 0", b"Content-Length: 7", b"Content-Length: -1", b"Content-Length: 99999999999999999999",
    b"Content-Length: x", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Content-Encoding: gzip",
    b"Content-Encoding: deflate", b"Content-Encoding: br", b"Connection: close", b"Connection: keep-alive",
    b"Location: http://127.0.0.1:1/", b"Location: \xff\x00", b"no colon", b": no name", b" folded",
)  # fmt: skip
SIZES = (b"0", b"1", b"7", b"-1", b"ffffffffffffffff", b"zz", b"", b"1;x=y", b"0x3")


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def chunked(parts: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(size + b"\r\n" + data + b"\r\n" for size, data in parts) + b"0\r\n\r\n"


def headed(status: bytes, headers: list[bytes], body: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *headers, b"", body])


json_bodies = st.builds(encoded, values)
bodies = (
    st.binary(max_size=200)
    | json_bodies
    | st.builds(lambda value: zlib.compress(encoded(value)), values)
    | st.builds(chunked, st.lists(st.tuples(st.sampled_from(SIZES) | st.binary(max_size=4), st.binary(max_size=20))))
)
answers = (
    st.binary(max_size=200)
    | st.builds(lambda end: b"HTTP/1.1 " + end, st.binary(max_size=100))
    | st.builds(
        headed,
        st.sampled_from(STATUSES) | st.binary(max_size=12),
        st.lists(st.sampled_from(HEADERS) | st.binary(max_size=30), max_size=5),
        bodies,
    )
    | st.builds(lambda value: response(encoded(value)), values)
)


class Parrot:
    """A server that says to each path what it was taught, and closes."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.peer = Peer(self.handle)

    def handle(self, connection: socket.socket) -> None:
        for path in requests(connection):
            answer = self.answers.get(path, b"")
            connection.sendall(answer)
            if answer != GOOD.get(path):
                return


@pytest.fixture(scope="module")
def parrot() -> Iterator[Parrot]:
    found = Parrot()
    with found.peer:
        yield found


def closing(body: bytes) -> bytes:
    return response(body, "200 OK", "Connection: close")


def look(parrot: Parrot, taught: dict[str, bytes]) -> dict[str, Any]:
    """One look at it; that it is not ready fails nothing."""
    parrot.answers = taught
    return ready(parameters(model="a", url=parrot.peer.url, request_timeout=1.0), once=True)


def check(found: dict[str, Any]) -> None:
    assert found["ready"] is False
    assert found["reason"] in REASONS


def test_a_parrot_that_is_taught_well_is_ready(parrot: Parrot) -> None:
    assert look(parrot, {**GOOD, "/v1/completions": closing(encoded(COMPLETION))})["ready"]


@sampled
@given(answers)
def test_any_answer_for_a_list_of_models(parrot: Parrot, answer: bytes) -> None:
    check(look(parrot, {"/v1/models": answer}))


@sampled
@given(answers)
def test_any_answer_for_a_completion(parrot: Parrot, answer: bytes) -> None:
    check(look(parrot, {**GOOD, "/v1/completions": answer}))


@sampled
@given(st.sampled_from(["choices", "usage", "finish_reason", "completion_tokens"]), values | st.integers(-2, 2))
def test_any_value_in_the_place_of_one_that_proves(parrot: Parrot, name: str, value: Any) -> None:
    proves = name == "completion_tokens" and isinstance(value, int) and not isinstance(value, bool) and value > 0
    completion = json.loads(json.dumps(COMPLETION))
    for place in (completion, completion["choices"][0], completion["usage"]):
        if name in place:
            place[name] = value
    assert look(parrot, {**GOOD, "/v1/completions": closing(encoded(completion))})["ready"] is proves


@sampled
@given(values)
def test_any_value_in_the_place_of_the_models(parrot: Parrot, value: Any) -> None:
    for document in ({"data": value}, {"data": [value]}, {"data": [{"id": value}]}, value):
        check(look(parrot, {"/v1/models": response(encoded(document))}))
