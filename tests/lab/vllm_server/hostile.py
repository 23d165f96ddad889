# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that no client should have to bear: a good one goes in, what is sent instead comes out."""

from __future__ import annotations

import functools
import itertools
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.lab.vllm_server.wire import Request, Response, render_head

Way = Callable[[Request, Response], Response]

PAUSE = 0.2
ELSEWHERE = "http://203.0.113.7:9/elsewhere"
HTML = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>It works</h1></body></html>"
GARBAGE = b"\x00\x15\xffSSH-2.0-nothing\r\n\xde\xad\xbe\xef"
MEBIBYTE = 2**20
GIBIBYTE = 2**30
FILLER = b',{"id":"filler","object":"model"}' * 2000


def distort(way: str, request: Request, response: Response) -> Response:
    """What is sent instead of this response."""
    return WAYS[way](request, response)


def instead(response: Response) -> Way:
    """Always the same answer."""
    return lambda _request, _good: response


def change(edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Way:
    """The answer's JSON object, edited."""

    def way(_request: Request, good: Response) -> Response:
        if good.stream or good.content_type != "application/json":
            return good
        return good._replace(body=json.dumps(edit(json.loads(good.body)), separators=(",", ":")).encode())

    return way


def state_error_as_string(document: dict[str, Any]) -> dict[str, Any]:
    """As other servers do."""
    error = document.get("error")
    return {**document, "error": error["message"]} if isinstance(error, dict) else document


def spoil_names(document: dict[str, Any]) -> dict[str, Any]:
    """Each model twice: with null for a name, and without one."""
    entries = [{key: value for key, value in entry.items() if key != "id"} for entry in document.get("data", [])]
    return {**document, "data": [{**entry, "id": None} for entry in entries] + entries}


def send(parts: Iterable[bytes], pause: float = 0.0) -> Response:
    """These bytes and no more, with a pause after each part; the connection closes after them."""

    def take_over(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
            if pause:
                time.sleep(pause)

    return Response(200, take_over=take_over)


def bytewise(data: bytes) -> Iterator[bytes]:
    """Byte by byte."""
    return (data[place : place + 1] for place in range(len(data)))


def within_head(good: Response, parts: Iterable[bytes]) -> Response:
    """The answer, with more between its first line and its other headers."""
    first, _unused, rest = render_head(good).partition(b"\r\n")
    return send(itertools.chain([first, b"\r\n"], parts, [rest + good.body]))


def header_lines() -> Iterator[bytes]:
    """100,000 of them, in parts of 1,000."""
    for start in range(0, 100_000, 1000):
        yield b"".join(b"x-%d: y\r\n" % number for number in range(start, start + 1000))


def reset(connection: socket.socket) -> None:
    """Close with RST at once; socketserver would send FIN first."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())


def fill(_request: Request, good: Response) -> Response:
    """The list of models, with 100 MB of models that nobody asked for."""
    begin, end, rest = good.body.rpartition(b"]")
    parts = itertools.chain([begin], itertools.repeat(FILLER, 100_000_000 // len(FILLER) + 1), [end + rest])
    return good._replace(body=b"", stream=parts)


def label_gzip(good: Response, body: bytes) -> Response:
    """Say that the body is compressed."""
    return good._replace(body=body, headers=(*good.headers, ("content-encoding", "gzip")))


def squeeze(_request: Request, good: Response) -> Response:
    """The same answer, compressed, although nobody asked for that."""
    import zlib

    if not good.body:
        return good
    packer = zlib.compressobj(wbits=31)
    return label_gzip(good, packer.compress(good.body) + packer.flush())


@functools.cache
def squeeze_blanks(size: int) -> tuple[bytes, int]:
    """Deflated blanks, so many of them, without the stream's end; and their checksum."""
    import zlib

    block, count = b" " * MEBIBYTE, size // MEBIBYTE
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)  # looks back at nothing, so it can be repeated
    checksum = functools.reduce(lambda value, _unused: zlib.crc32(block, value), range(count), 0)
    return packed * count, checksum


def squeeze_bomb(body: bytes, size: int) -> bytes:
    """A gzip file of so many blanks (a number of MiB) before this body: JSON still."""
    import zlib

    blanks, checksum = squeeze_blanks(size)
    packer = zlib.compressobj(9, wbits=-15)
    end = struct.pack("<II", zlib.crc32(body, checksum), size + len(body))
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + blanks + packer.compress(body) + packer.flush() + end


WAYS: dict[str, Way] = {
    "error-string": change(state_error_as_string),
    "no-usage": change(lambda document: {key: value for key, value in document.items() if key != "usage"}),
    "models-empty": change(lambda document: {**document, "data": []}),
    "models-not-a-list": change(lambda document: {**document, "data": " ".join(e["id"] for e in document["data"])}),
    "names-null": change(spoil_names),
    "not-found": instead(Response(404, b'{"detail":"Not Found"}')),
    "garbage-text": instead(Response(200, b"vllm:num_requests_running{ NaN NaN\n" + GARBAGE, "text/plain")),
    "html-ok": instead(Response(200, HTML, "text/html")),
    "html-error": instead(Response(502, HTML.replace(b"It works", b"Bad gateway"), "text/html")),
    "redirect": instead(Response(307, content_type=None, headers=(("location", ELSEWHERE),))),
    "redirect-loop": lambda request, _good: Response(302, content_type=None, headers=(("location", request.path),)),
    "deep-json": lambda _request, _good: Response(200, b"[" * 100_000 + b"]" * 100_000),
    "invalid-utf8": lambda _request, good: good._replace(body=good.body.replace(b'"list"', b'"li\xff\xfest"', 1)),
    "truncated-json": lambda _request, good: good._replace(body=good.body[: len(good.body) // 2]),
    "truncated-body": lambda _request, good: send([render_head(good, len(good.body) + 1000) + good.body]),
    "gzip": squeeze,
    "gzip-broken": lambda _request, good: label_gzip(good, good.body),
    "gzip-bomb": lambda _request, good: label_gzip(good, squeeze_bomb(good.body, GIBIBYTE)),
    "big-body": fill,
    "endless-stream": lambda _request, _good: Response(
        200, stream=itertools.chain([b'{"object":"list","data":[{}'], itertools.repeat(FILLER))
    ),
    "slow-drip": lambda _request, good: send(itertools.chain([render_head(good)], bytewise(good.body)), PAUSE),
    "slow-headers": lambda _request, good: send(itertools.chain(bytewise(render_head(good)), [good.body]), PAUSE),
    "header-bomb": lambda _request, good: within_head(good, header_lines()),
    "long-header": lambda _request, good: within_head(
        good, itertools.chain([b"x-long: "], itertools.repeat(b"y" * 1_000_000, 10), [b"\r\n"])
    ),
    "continue-forever": lambda _request, _good: send(itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)),
    "not-http": lambda _request, _good: send([GARBAGE]),
    "empty-reply": lambda _request, _good: send([]),
    "reset": lambda _request, _good: Response(200, take_over=reset),
}
