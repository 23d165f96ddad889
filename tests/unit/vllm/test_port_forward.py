# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP through the API server's port-forward, with an API server that speaks as much of it as is needed."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Session
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import Tls, port_forward
from kubernetes.client import Configuration

from tests.unit.vllm.sockets import Listening, serving, silent, whole

PORT = 8000
SECONDS = 5.0
DATA, ERROR = b"\x00", b"\x01"


def frame(content: bytes) -> bytes:
    """A binary frame of a server, which masks nothing."""
    assert len(content) < 126
    return bytes([0x82, len(content)]) + content


def unmasked(stream: socket.socket) -> bytes:
    """What a client's frame holds."""
    head = exactly(stream, 2)
    length = head[1] & 0x7F
    if length == 126:
        length = int.from_bytes(exactly(stream, 2))
    mask, content = exactly(stream, 4), exactly(stream, length)
    return bytes(byte ^ mask[place % 4] for place, byte in enumerate(content))


def exactly(stream: socket.socket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        more = stream.recv(length - len(content))
        if not more:
            raise ConnectionResetError
        content += more
    return content


class ApiServer:
    """Forwards one port: tells its number on both channels, and answers each message as told; nothing ends it."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.seen: list[bytes] = []
        self.listening: Listening | None = None

    def behave(self, peer: socket.socket) -> None:
        assert self.listening
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", self.listening.requests[-1], re.IGNORECASE)
        assert key
        accept = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        protocol = b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n"
        peer.sendall(head + protocol + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        number = PORT.to_bytes(2, "little")
        peer.sendall(frame(DATA + number) + frame(ERROR + number))
        for answer in self.answers:
            self.seen.append(unmasked(peer))
            if not answer:
                return
            peer.sendall(frame(answer))
        # The client's library drops what came just before an end.
        silent(peer)


def session(api: ApiServer, listening: Listening, tls: Tls | None = None) -> Session:
    api.listening = listening
    configuration = Configuration(host=f"http://127.0.0.1:{listening.port}")
    kube: Any = SimpleNamespace(configuration=configuration, credentials=lambda: {"authorization": "Bearer t"})
    return Session(port_forward(kube, "ns", "p", PORT, tls))


def test_requests_share_one_port_forward() -> None:
    answer = DATA + whole(b'{"a": 1}')
    with serving((api := ApiServer(answer, answer)).behave) as listening, session(api, listening) as asking:
        assert asking.ask("GET", "/v1/models", SECONDS).payload == {"a": 1}
        assert asking.ask("GET", "/health", SECONDS).status == 200
    assert [each[:1] for each in api.seen] == [DATA, DATA]
    assert api.seen[0][1:].startswith(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n")
    assert len(listening.requests) == 1
    asked = listening.requests[0].decode()
    assert asked.startswith(f"GET /api/v1/namespaces/ns/pods/p/portforward?ports={PORT} HTTP/1.1\r\n")
    assert "authorization: Bearer t" in asked


def test_a_port_on_which_nothing_listens() -> None:
    refused = ERROR + b"failed to connect to localhost:8000 inside namespace: connection refused"
    with serving((api := ApiServer(refused)).behave) as listening, session(api, listening) as asking:
        answer = asking.ask("GET", "/v1/models", SECONDS)
    assert answer.status is None
    assert answer.error in ("closed", "reset")


@pytest.mark.parametrize("name", ["m.ns.svc.cluster.local", "other.example"])
def test_tls_is_spoken_within(certificate: Path, name: str) -> None:
    tls = Tls(str(certificate), name=name)
    with serving((api := ApiServer(b"")).behave) as listening, session(api, listening, tls) as asking:
        assert asking.ask("GET", "/v1/models", SECONDS).error == "closed"
    hello = api.seen[0]
    assert hello[1:3] == b"\x16\x03"
    assert name.encode() in hello
