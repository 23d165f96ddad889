# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers on real sockets that behave well and badly."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Session
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import Tls, direct

Behaviour = Callable[[socket.socket], None]

# None of the tests waits for this long.
SECONDS_OF_A_PEER = 5.0


@dataclass
class Listening:
    """A server: its port, and what each connection sent first."""

    port: int
    requests: list[bytes] = field(default_factory=list)

    def session(self, scheme: str = "http", tls: Tls | None = None) -> Session:
        connect, base_path = direct(f"{scheme}://127.0.0.1:{self.port}", tls or Tls(validate=False))
        return Session(connect, base_path)


def request(stream: socket.socket) -> bytes:
    """A whole request, whose body may come by itself; as much of it as comes."""
    content = stream.recv(65536)
    length = re.search(rb"Content-Length: (\d+)", content)
    while length and len(content.partition(b"\r\n\r\n")[2]) < int(length[1]):
        more = stream.recv(65536)
        if not more:
            break
        content += more
    return content


@contextmanager
def serving(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Listening]:
    """Serve connections one after another on a port that the kernel chooses; `behave` follows the first request."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Listening(listener.getsockname()[1])

    def meet(peer: socket.socket) -> None:
        peer.settimeout(SECONDS_OF_A_PEER)
        with tls.wrap_socket(peer, server_side=True) if tls else peer as stream:
            server.requests.append(request(stream))
            behave(stream)

    def loop() -> None:
        while True:
            try:
                peer, _unused = listener.accept()
            except OSError:
                return
            with peer:
                try:
                    meet(peer)
                except OSError:
                    continue

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(SECONDS_OF_A_PEER)
        assert not thread.is_alive()


def raw(content: bytes) -> Behaviour:
    """Send this and close."""
    return lambda peer: peer.sendall(content)


def says(content: bytes, status: str = "200 OK", head: str = "") -> Behaviour:
    length = f"Content-Length: {len(content)}\r\n"
    return raw(f"HTTP/1.1 {status}\r\n{length}{head}\r\n".encode() + content)


def silent(peer: socket.socket) -> None:
    """Say nothing until the other side goes."""
    peer.recv(1)


def dripping(head: bytes, drop: bytes = b" ") -> Behaviour:
    """Send something now and then, so that no single read ever takes long."""

    def behave(peer: socket.socket) -> None:
        peer.sendall(head)
        peer.settimeout(0.01)
        while True:
            peer.sendall(drop)
            try:
                if peer.recv(1) == b"":
                    return
            except TimeoutError:
                continue

    return behave


def keeps(*answers: bytes) -> Behaviour:
    """Give one answer to each request of a connection, and then close it."""

    def behave(peer: socket.socket) -> None:
        for place, answer in enumerate(answers):
            if place and not peer.recv(65536):
                return
            peer.sendall(answer)

    return behave


def whole(content: bytes, head: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n{head}\r\n".encode() + content
