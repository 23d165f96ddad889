# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 as uvicorn speaks it, on one socket; small, since the standard library's takes twice the time to import."""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Callable, Iterator
from typing import NamedTuple

REASONS = {
    200: "OK",
    302: "Found",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}

NO_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n"
    b"Invalid HTTP request received."
)


class Request(NamedTuple):
    """What a client asks; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Response(NamedTuple):
    """What it gets; a stream instead of a body goes out in chunks, and what takes over sends whatever it likes."""

    status: int
    body: bytes = b""
    content_type: str | None = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    stream: Iterator[bytes] | None = None
    take_over: Callable[[socket.socket], None] | None = None


def render_head(response: Response, length: int | None = None) -> bytes:
    """Status line and headers; the length is the body's, or a lie."""
    head = [f"HTTP/1.1 {response.status} {REASONS[response.status]}", "server: uvicorn"]
    head += [f"{name}: {value}" for name, value in response.headers]
    if response.content_type:
        head.append(f"content-type: {response.content_type}")
    if response.stream:
        head.append("transfer-encoding: chunked")
    else:
        head.append(f"content-length: {len(response.body) if length is None else length}")
    return "\r\n".join([*head, "", ""]).encode("latin-1")


class Handler(socketserver.StreamRequestHandler):
    """One connection, in its own thread. `answer` and `log` are set by the server's class."""

    answer: Callable[[Request], Response]
    log: Callable[[str], None]
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer requests until the client leaves."""
        try:
            while (request := self._read()) is not None:
                response = type(self).answer(request)
                self._log(request, response.status)
                self._write(response._replace(body=b"") if request.method == "HEAD" else response)
                if response.take_over or request.headers.get("connection", "").lower() == "close":
                    return
        except (OSError, ValueError):
            return  # the client left or talks something else; uvicorn says no more about it

    def finish(self) -> None:
        """Close without a word if the client is gone already."""
        try:
            super().finish()
        except OSError:
            return

    def _read(self) -> Request | None:
        first = self.rfile.read(1)
        if first and not first.isalpha():  # such as TLS, which need not have a line's end
            self.wfile.write(NO_HTTP)
            return None
        line = (first + self.rfile.readline(65537)).decode("latin-1").split()
        if len(line) != 3 or not line[2].startswith("HTTP/"):
            return None
        headers = {}
        while (text := self.rfile.readline(65537).decode("latin-1").strip()) != "":
            name, _unused, value = text.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return Request(line[0], line[1], headers, b"".join(self._chunks()))
        return Request(line[0], line[1], headers, self.rfile.read(int(headers.get("content-length", 0))))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(65537).split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline(65537)
        while self.rfile.readline(65537).strip():
            pass

    def _write(self, response: Response) -> None:
        if response.take_over:
            response.take_over(self.connection)
            return
        self.wfile.write(render_head(response) + response.body)
        if response.stream:
            for part in response.stream:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")

    def _log(self, request: Request, status: int) -> None:
        host, port = self.client_address[:2]
        line = f'"{request.method} {request.path} HTTP/1.1" {status} {REASONS[status]}'
        type(self).log(f"INFO:     {host}:{port} - {line}")
