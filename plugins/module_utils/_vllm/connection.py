# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to a model server, over whatever leads to it: one request, one deadline, a bounded answer."""

from __future__ import annotations

import http.client
import json
import math
import queue
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Answer
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.text import LONGEST, readable

# More than the longest honest answer to a completion of one token or a list of models.
MAX_BODY_BYTES = 1024 * 1024
LEAST_SECONDS = 0.05

# Opens a connection within a number of seconds; what it returns is connected.
Connect = Callable[[float], http.client.HTTPConnection]


class TooLargeError(http.client.HTTPException):
    """An answer that is longer than any honest one."""


class ConnectionForbiddenError(ConnectionError):
    """The Kubernetes API does not let the account reach the pod."""


class Session:
    """Requests to one server, over one connection as long as the server keeps it open.

    Args:
        connect: leads to the server.
        base_path: the path before /v1.
        headers: sent with each request.
        deadline: the moment (of time.monotonic) after which nothing is waited for any more.
    """

    def __init__(
        self,
        connect: Connect,
        base_path: str = "",
        headers: Mapping[str, str] | None = None,
        deadline: float = math.inf,
    ) -> None:
        self.connect = connect
        self.base_path = base_path
        self.headers = dict(headers or {})
        self.deadline = deadline
        self.connection: http.client.HTTPConnection | None = None
        self.abandoned = False

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None

    def abandon(self) -> None:
        """Wait for nothing any more; called from another thread, when the server is known to end."""
        self.abandoned = True
        connection = self.connection
        if connection and connection.sock:
            cut(connection.sock)

    def ask(self, method: str, path: str, seconds: float, body: Mapping[str, Any] | None = None) -> Answer:
        """Make one request within these seconds in all, and return its answer or what kept it from being answered.

        Redirects are never followed.
        """
        seconds = min(seconds, max(LEAST_SECONDS, self.deadline - time.monotonic()))
        deadline = time.monotonic() + seconds
        late = Answer(error="timeout", detail=f"no answer within {seconds:.3g} s")
        left = Answer(error="closed", detail="the server began to end")
        try:
            if self.connection is None:
                self.connection = within(seconds, self.connect)
            self.connection.sock.settimeout(seconds)
            cutter = Cutter(self.connection.sock, deadline - time.monotonic())
        except TimeoutError:
            return late
        except (OSError, ValueError, http.client.HTTPException) as error:
            return failure(error)
        if self.abandoned:
            return left
        try:
            with cutter:
                answer = self.exchange(self.connection, method, path, body)
        except (OSError, ValueError, http.client.HTTPException, zlib.error) as error:
            self.close()
            answer = late if isinstance(error, TimeoutError) else failure(error)
        # A body without a length ends with its connection, also where that was cut.
        if self.abandoned:
            return left
        return late if cutter.fired else answer

    def meets_tls(self, seconds: float) -> bool:
        """Whether the server, which closes a plain connection without a word, answers the beginning of a TLS one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.close()
        if self.abandoned:
            return False
        try:
            stream = context.wrap_socket(within(seconds, self.connect).sock, do_handshake_on_connect=False)
            stream.settimeout(seconds)
            with stream, Cutter(stream, seconds):
                stream.do_handshake()
        except (OSError, ValueError, http.client.HTTPException):
            return False
        return True

    def exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Mapping[str, Any] | None
    ) -> Answer:
        """Send a request and read its answer; what is not read whole ends the connection."""
        headers = {"Accept": "application/json", **self.headers}
        sent = None if body is None else json.dumps(body)
        if sent is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, self.base_path + path, sent, headers)
        response = connection.getresponse()
        response.fp = Limited(response.fp)  # type: ignore[assignment]
        content = response.read(MAX_BODY_BYTES + 1)
        if response.length:
            # A limited read takes the end of the stream for the end of the body.
            raise http.client.IncompleteRead(content[:100], response.length)
        if response.will_close or not response.isclosed():
            self.close()
        if response.headers.get("Content-Encoding", "").lower() in ("gzip", "deflate"):
            content = inflated(content)
        return read(response.status, content, response.headers.get("Location", ""))


class Limited:
    """What is read of a response, which is no more than an honest answer is long, whatever the response says."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.left = MAX_BODY_BYTES

    def read(self, amount: int | None = None) -> bytes:
        return self.take(self.file.read(self.bounded(amount)))

    def readline(self, amount: int | None = None) -> bytes:
        return self.take(self.file.readline(self.bounded(amount)))

    def bounded(self, amount: int | None) -> int:
        return self.left + 1 if amount is None or amount < 0 else min(amount, self.left + 1)

    def take(self, content: bytes) -> bytes:
        self.left -= len(content)
        if self.left < 0:
            raise TooLargeError(f"more than {MAX_BODY_BYTES} bytes")
        return content

    def close(self) -> None:
        self.file.close()

    def flush(self) -> None:
        self.file.flush()


class Cutter:
    """Ends a connection at its deadline, whatever it is waiting for: a socket's timeout only limits single reads."""

    def __init__(self, stream: socket.socket, seconds: float) -> None:
        self.stream = stream
        self.fired = False
        self.timer = threading.Timer(max(0.0, seconds), self.cut)
        self.timer.daemon = True

    def cut(self) -> None:
        self.fired = True
        cut(self.stream)

    def __enter__(self) -> Cutter:
        self.timer.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self.timer.cancel()


def cut(stream: socket.socket) -> None:
    """Wake whoever reads or writes, with an end of file."""
    try:
        stream.shutdown(socket.SHUT_RDWR)
    except OSError:
        stream.close()


def within(seconds: float, connect: Connect) -> http.client.HTTPConnection:
    """Connect within these seconds in all: no timeout covers a name server, several addresses and a handshake.

    Raises:
        TimeoutError: it took longer. What comes of it later is closed.
        OSError: it failed.
    """
    results: queue.SimpleQueue[http.client.HTTPConnection | Exception] = queue.SimpleQueue()
    late = threading.Event()

    def work() -> None:
        try:
            result: http.client.HTTPConnection | Exception = connect(seconds)
        except Exception as error:
            result = error
        results.put(result)
        if late.is_set():
            discard(results)

    threading.Thread(target=work, daemon=True, name="connect").start()
    try:
        result = results.get(timeout=seconds)
    except queue.Empty:
        late.set()
        discard(results)
        raise TimeoutError from None
    if isinstance(result, Exception):
        raise result
    return result


def discard(results: queue.SimpleQueue[http.client.HTTPConnection | Exception]) -> None:
    """Close a connection that came too late, if it has come."""
    try:
        result = results.get_nowait()
    except queue.Empty:
        return
    if isinstance(result, http.client.HTTPConnection):
        result.close()


def inflated(content: bytes) -> bytes:
    """A compressed body, as far as it may be long."""
    if len(content) > MAX_BODY_BYTES:
        return content
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(content, MAX_BODY_BYTES + 1)


def read(status: int, content: bytes, location: str = "") -> Answer:
    """Return the answer that a body holds; only JSON counts as a payload."""
    if len(content) > MAX_BODY_BYTES:
        return Answer(status, error="too_large", detail=f"the body is larger than {MAX_BODY_BYTES} bytes")
    text = readable(f"leads to {location}" if location else content[: 4 * LONGEST].decode(errors="replace"))
    if not content:
        return Answer(status, detail=text)
    try:
        return Answer(status, json.loads(content), detail=text)
    except (ValueError, RecursionError):
        return Answer(status, detail=text, text=content.decode(errors="replace"))


def failure(error: Exception) -> Answer:
    """Name the kind of a failure that came instead of an answer."""
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (ConnectionForbiddenError, "forbidden"),
        (TooLargeError, "too_large"),
        (ssl.SSLEOFError, "closed"),
        (ssl.SSLZeroReturnError, "closed"),
        (ssl.SSLError, "tls"),
        (socket.gaierror, "resolve"),
        (UnicodeError, "resolve"),
        (TimeoutError, "timeout"),
        (ConnectionRefusedError, "refused"),
        (http.client.RemoteDisconnected, "closed"),
        (ConnectionError, "reset"),
        (http.client.HTTPException, "malformed"),
        (zlib.error, "malformed"),
        (OSError, "reset"),
    )
    kind = next((name for cause, name in kinds if isinstance(error, cause)), "malformed")
    # Only the kinds above are known to repeat nothing of a request, which may hold a key.
    told = readable(str(error)) if any(isinstance(error, cause) for cause, _name in kinds) else ""
    return Answer(error=kind, detail=told or type(error).__name__)
