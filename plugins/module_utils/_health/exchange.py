# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request and its answer without a thread of its own, so that a thousand can be under way at once."""

from __future__ import annotations

import asyncio
import errno
import http.client
import io
import json
import re
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, cast

from ansible_collections.ai_aas.inference.plugins.module_utils._health.workers import Workers
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import (
    MAX_BODY_BYTES,
    TooLargeError,
    failure,
    inflated,
    read,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Answer

MAX_HEAD_BYTES = 64 * 1024
MOST_AT_ONCE = 64 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r\n", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.1 ([245]\d\d)[ \r]")
_UNUSUAL = re.compile(rb"\r\n(transfer-encoding|content-encoding|location|[ \t])", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN)
# No more files, ports or memory, or a firewall on this machine.
_CHECKER = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM, errno.EPERM, errno.EACCES)


class Place(NamedTuple):
    """Where a server listens, and the name that it goes by in the request."""

    host: str
    port: int
    name: str


def request_of(method: str, path: str, place: Place, headers: Mapping[str, str], body: object = None) -> bytes:
    """The bytes of a request, after whose answer the connection is closed."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {place.name}", "Accept: application/json", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


class Exchange:
    """Makes requests.

    Args:
        names: threads in which names are resolved.
        tls: how certificates are verified, or None without TLS.
    """

    def __init__(self, names: Workers, tls: ssl.SSLContext | None = None) -> None:
        self.names = names
        self.tls = tls

    async def ask(self, place: Place, request: bytes, seconds: float) -> Answer:
        """The answer within these seconds in all, or what kept it from coming."""
        resolved: list[str] = []
        try:
            async with asyncio.timeout(seconds):
                resolved += await self.addresses(place.host)
                return await self.exchange(place, resolved, request)
        except TimeoutError:
            if not resolved:
                return Answer(error="resolve", detail=f"the name server did not answer within {seconds:.3g} s")
            return Answer(error="timeout", detail=f"no answer within {seconds:.3g} s")
        except (OSError, ValueError, http.client.HTTPException, zlib.error) as error:
            return trouble(error)

    async def addresses(self, host: str) -> list[str]:
        """The addresses of a name, or an address as it is."""
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                socket.inet_pton(family, host)
            except (OSError, ValueError):
                continue
            return [host]
        found = await self.names.call(lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
        return list(dict.fromkeys(str(each[4][0]) for each in found))

    async def exchange(self, place: Place, addresses: list[str], request: bytes) -> Answer:
        """Send a request to the first address that takes a connection, and read its answer."""
        for address in addresses[:-1]:
            try:
                return await self.talk(place, address, request)
            except ConnectionRefusedError:
                continue
        return await self.talk(place, addresses[-1], request)

    async def talk(self, place: Place, address: str, request: bytes) -> Answer:
        if self.tls:
            return await talk_tls(place, address, self.tls, request)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as stream:
            stream.setblocking(False)
            await loop.sock_connect(stream, (address, place.port))
            await loop.sock_sendall(stream, request)
            return parsed(await received(lambda: loop.sock_recv(stream, MOST_AT_ONCE)))


async def talk_tls(place: Place, address: str, tls: ssl.SSLContext, request: bytes) -> Answer:
    reader, writer = await asyncio.open_connection(address, place.port, ssl=tls, server_hostname=place.host)
    try:
        writer.write(request)
        return parsed(await received(lambda: reader.read(MOST_AT_ONCE)))
    finally:
        writer.transport.abort()


async def received(more: Callable[[], Awaitable[bytes]]) -> bytes:
    """All bytes of an answer, up to what an honest one has."""
    data = bytearray()
    while not is_whole(data):
        part = await more()
        if not part:
            break
        data += part
        if len(data) > MAX_HEAD_BYTES + MAX_BODY_BYTES:
            raise TooLargeError(f"more than {MAX_BODY_BYTES} bytes")
    return bytes(data)


def is_whole(data: bytearray) -> bool:
    """Whether an answer has ended although its connection has not. Not every server closes it when asked to."""
    end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
    if end < 0:
        if len(data) > MAX_HEAD_BYTES:
            raise http.client.LineTooLong("header")
        return False
    head = bytes(data[: end + 2])
    length = _LENGTH.search(head)
    if length:
        return len(data) >= end + 4 + int(length[1])
    return bool(_CHUNKED.search(head)) and data.endswith(b"0\r\n\r\n")


class _Received:
    """Bytes in the place of the socket that http.client reads from."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self.data)


def parsed(data: bytes) -> Answer:
    """The answer in these bytes.

    Raises:
        http.client.HTTPException: they are none.
    """
    plain = plain_answer(data)
    if plain:
        return plain
    response = http.client.HTTPResponse(cast(Any, _Received(data)))
    response.begin()
    content = response.read()
    if response.headers.get("Content-Encoding", "").lower() in ("gzip", "deflate"):
        content = inflated(content)
    return read(response.status, content, response.headers.get("Location", ""))


def plain_answer(data: bytes) -> Answer | None:
    """An answer as vLLM gives it, with a length and nothing to be decoded: http.client would take 0.3 ms for it."""
    head, _unused, content = data.partition(b"\r\n\r\n")
    status, length = _STATUS.match(head), _LENGTH.search(head + b"\r\n")
    if not status or not length or int(length[1]) != len(content) or _UNUSUAL.search(head):
        return None
    return read(int(status[1]), content)


def trouble(error: Exception) -> Answer:
    """Name what came instead of an answer, apart where it is the checker's own."""
    number = error.errno if isinstance(error, OSError) else None
    if number in _UNREACHABLE:
        return Answer(error="unreachable", detail=f"no route to it from here: {errno.errorcode[number]}")
    if number in _CHECKER and not isinstance(error, ConnectionError):
        return Answer(error="checker", detail=f"this machine cannot connect: {errno.errorcode[number]}")
    return failure(error)
