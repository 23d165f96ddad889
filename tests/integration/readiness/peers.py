# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever may be found at an address instead of a model server, on sockets of this process."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

LOOPBACK = "127.0.0.1"
MODELS = {"object": "list", "data": [{"id": "a", "object": "model"}]}
CHOICE = {"index": 0, "text": " The", "finish_reason": "length"}
COMPLETION = {"object": "text_completion", "choices": [CHOICE], "usage": {"completion_tokens": 1}}
FULL = 0.2
TLS_HANDSHAKE = b"\x16"

Handle = Callable[[socket.socket], None]


class Peer:
    """Accepts connections and hands each to a function, in a thread of its own; counts them.

    Args:
        handle: takes a connection, which is closed after it.
        receive_buffer: bytes that the kernel takes for it.
    """

    def __init__(self, handle: Handle, receive_buffer: int | None = None) -> None:
        self.handle = handle
        self.count = 0
        self.listener = socket.socket()
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind((LOOPBACK, 0))
        self.listener.listen(128)
        self.url = f"http://{LOOPBACK}:{self.listener.getsockname()[1]}"
        self.connections: list[socket.socket] = []

    def __enter__(self) -> Peer:
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_unused: object) -> None:
        """Whoever reads or writes gets an end of file."""
        for each in (self.listener, *self.connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self) -> None:
        while True:
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            self.count += 1
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            self.handle(connection)
        self.connections.remove(connection)


def requests(connection: socket.socket) -> Iterator[str]:
    """The path of each request that comes, read whole. The beginning of TLS, which ends with no line, is none."""
    with connection.makefile("rb") as file:
        while file.peek(1)[:1] != TLS_HANDSHAKE and (line := file.readline(65536)):
            words, length = line.decode("latin-1").split(), 0
            while (header := file.readline(65536)) not in (b"\r\n", b""):
                name, _unused, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            file.read(length)
            yield words[1]


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def answering(models: Any = None, completion: Any = None, health: bytes | None = None) -> Handle:
    """A server with these answers: whole ones as bytes, or the JSON in a good one."""
    answers = {
        "/v1/models": whole(MODELS if models is None else models),
        "/v1/completions": whole(COMPLETION if completion is None else completion),
        "/health": response(b"") if health is None else health,
    }

    def handle(connection: socket.socket) -> None:
        for path in requests(connection):
            connection.sendall(answers[path])

    return handle


def whole(answer: Any) -> bytes:
    return answer if isinstance(answer, bytes) else response(json.dumps(answer).encode())


def sending(begin: bytes, rest: bytes = b"", count: int = 0) -> Handle:
    """A server that sends this to whoever asks, then so many times the rest, and closes."""

    def handle(connection: socket.socket) -> None:
        if next(requests(connection), None) is None:
            return
        connection.sendall(begin)
        for _unused in range(count):
            connection.sendall(rest)

    return handle


def silent(connection: socket.socket) -> None:
    """Reads and never answers."""
    while connection.recv(65536):
        pass


def deaf(ended: threading.Event) -> Handle:
    """Neither reads nor answers, until the end."""

    def handle(_connection: socket.socket) -> None:
        ended.wait()

    return handle


@contextmanager
def blackhole() -> Iterator[str]:
    """An address where no connection is ever made: the queue of its listener is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        address = listener.getsockname()
        while True:
            client = stack.enter_context(socket.socket())
            client.settimeout(FULL)
            try:
                client.connect(address)
            except TimeoutError:
                break
        yield f"http://{LOOPBACK}:{address[1]}"
