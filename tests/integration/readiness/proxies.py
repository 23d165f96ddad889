# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between the module and an API server, and spoils what passes: connections, or single HTTP requests."""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

LOOPBACK = "127.0.0.1"
SECONDS_TO_CONNECT = 5.0
SECONDS_TO_END = 5.0
CHUNK = 65536
LONGEST_HEAD = 65536

Address = tuple[str, int]


class Request(NamedTuple):
    """What the module asked of the API server, and when."""

    moment: float
    method: str
    path: str
    query: dict[str, str]

    @property
    def resource(self) -> str:
        """The last word of the path: of a list, its resource."""
        return self.path.rpartition("/")[2]

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") == "1"

    @property
    def is_list(self) -> bool:
        return "labelSelector" in self.query and not self.is_watch


class Forwarder:
    """Passes connections on to `target` unless it is told otherwise. Its port stays the same.

    `delay` is waited before each piece that is passed on.
    """

    def __init__(self, target: Address) -> None:
        self.target = target
        self.delay = 0.0
        self.accepted = 0
        self.flowing = threading.Event()
        self.flowing.set()
        self.ended = threading.Event()
        self.listener = bound(0)
        self.port = int(self.listener.getsockname()[1])
        self.lock = threading.Lock()
        self.clients: set[socket.socket] = set()
        self.threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"https://{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(self, *_unused: object) -> None:
        self.ended.set()
        self.flowing.set()
        shut(self.listener)
        self.cut()
        for thread in self.threads:
            thread.join(SECONDS_TO_END)

    def listen(self) -> None:
        """Take connections, again or for the first time."""
        self.listener.listen(64)
        self.begin(self.accept, self.listener)

    def refuse(self) -> None:
        """Refuse connections from now on; those that are open are cut."""
        shut(self.listener)
        # A port that is bound and not listened on refuses, and nobody else gets it.
        self.listener = bound(self.port)
        self.cut()

    def cut(self) -> None:
        """End each open connection."""
        with self.lock:
            clients = list(self.clients)
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def stall(self) -> None:
        """Keep connections open, take new ones, and pass no byte on."""
        self.flowing.clear()

    def resume(self) -> None:
        self.flowing.set()

    def begin(self, target: Callable[[socket.socket], None], argument: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(argument,), daemon=True)
        self.threads = [each for each in self.threads if each.is_alive()] + [thread]
        thread.start()

    def accept(self, listener: socket.socket) -> None:
        """Serve each client in a thread of its own."""
        while not self.ended.is_set():
            try:
                client, _unused = listener.accept()
            except OSError:
                return
            self.accepted += 1
            with self.lock:
                self.clients.add(client)
            self.begin(self.run, client)

    def run(self, client: socket.socket) -> None:
        """Serve a client, and close it whatever happens."""
        try:
            with contextlib.suppress(OSError):
                self.serve(client)
        finally:
            with self.lock:
                self.clients.discard(client)
            shut(client)

    def serve(self, client: socket.socket) -> None:
        """Pass everything on, both ways."""
        self.flowing.wait()
        with socket.create_connection(self.target, SECONDS_TO_CONNECT) as upstream:
            upstream.settimeout(None)
            self.relay(client, upstream)

    def relay(self, client: socket.socket, upstream: socket.socket) -> None:
        """Pass on what comes from either side until one of them ends."""
        other = {client: upstream, upstream: client}
        while True:
            for source in select.select([client, upstream], [], [])[0]:
                data = source.recv(CHUNK)
                while isinstance(source, ssl.SSLSocket) and source.pending():
                    data += source.recv(CHUNK)
                self.flowing.wait()
                self.ended.wait(self.delay)
                if not data:
                    return
                other[source].sendall(data)


class Answerer(Forwarder):
    """Speaks plain HTTP to its clients and TLS to the API server, and answers some requests itself.

    Args:
        target: the API server.
        tls: with its authority and an account's certificate.
    """

    def __init__(self, target: Address, tls: ssl.SSLContext) -> None:
        super().__init__(target)
        # Nothing comes on the connection then but what is passed on.
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        self.tls = tls
        self.requests: list[Request] = []
        self.answer: Callable[[Request], bytes | None] = lambda request: None
        self.watch_seconds = 0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def since(self, moment: float) -> list[Request]:
        """The requests that came after a moment of the monotonic clock."""
        return [request for request in list(self.requests) if request.moment >= moment]

    def serve(self, client: socket.socket) -> None:
        """Take one request, and answer it or pass it on with all that follows."""
        head, rest = read_head(client)
        if not head:
            return
        request = parse(head)
        self.requests.append(request)
        self.flowing.wait()
        answer = self.answer(request)
        if answer is not None:
            client.sendall(answer)
            return
        with (
            socket.create_connection(self.target, SECONDS_TO_CONNECT) as plain,
            self.tls.wrap_socket(plain, server_hostname=LOOPBACK) as upstream,
        ):
            upstream.settimeout(None)
            upstream.sendall(closing(self.shortened(head)) + rest)
            self.relay(client, upstream)

    def shortened(self, head: bytes) -> bytes:
        """A watch that the API server ends after `watch_seconds`, if they are set."""
        seconds = f"timeoutSeconds={self.watch_seconds}".encode()
        return re.sub(rb"timeoutSeconds=\d+", seconds, head, count=1) if self.watch_seconds else head


def bound(port: int) -> socket.socket:
    """A socket on a port of the loopback that does not listen yet."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    return listener


def shut(each: socket.socket) -> None:
    """Wake who waits for it, and close it."""
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


def read_head(client: socket.socket) -> tuple[bytes, bytes]:
    """A request's line and headers, and what came of its body; both empty if it has left."""
    data = b""
    while b"\r\n\r\n" not in data and len(data) < LONGEST_HEAD:
        more = client.recv(CHUNK)
        if not more:
            return b"", b""
        data += more
    head, _unused, rest = data.partition(b"\r\n\r\n")
    return head, rest


def parse(head: bytes) -> Request:
    method, target, _unused = head.split(b"\r\n")[0].decode("latin-1").split(" ", 2)
    parts = urlsplit(target)
    return Request(
        time.monotonic(), method, parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}
    )


def closing(head: bytes) -> bytes:
    """A request whose connection ends with its answer, so that each request has a connection of its own."""
    if b"\r\nupgrade:" in head.lower():
        return head + b"\r\n\r\n"
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


def reply(status: int, body: str | dict[str, Any] = "", kind: str = "application/json", **headers: str) -> bytes:
    """An HTTP answer after which the connection ends. Header names have underscores for hyphens."""
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    named = {"Content-Type": kind, "Content-Length": str(len(content)), "Connection": "close"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode() + content


def status(code: int, message: str, reason: str = "") -> dict[str, Any]:
    """What the API server says of a failure."""
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message} | (
        {"reason": reason} if reason else {}
    )
