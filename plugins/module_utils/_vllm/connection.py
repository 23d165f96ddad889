# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to a model server: directly, or through the API server's port-forward. One request, one deadline."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Answer, Probe

# More than the longest honest answer to a completion of one token or a list of models.
MAX_BODY_BYTES = 4 * 1024 * 1024

# Opens a connection within a number of seconds; what it returns is connected.
Connect = Callable[[float], http.client.HTTPConnection]


@dataclass(frozen=True)
class Server:
    """Where a model server answers: how to connect, the path before /v1, headers, seconds for each request."""

    connect: Connect
    base_path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    deadline: float = 30.0


def direct(url: str, ca_cert: str | None = None, validate_certs: bool = True) -> tuple[Connect, str]:
    """Return how to connect to a base URL, and the path in it.

    Raises:
        InvalidInputError: the URL has no http(s) scheme, no host, or a port that is none.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInputError(f"Invalid url: {url}", str(error), "Use http(s)://host:port.") from error
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidInputError(f"Invalid url: {url}", "it is not an http or https URL", "Use http(s)://host:port.")

    def connect(timeout: float) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = tls_context(ca_cert, validate_certs)
            connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=timeout)
        connection.connect()
        return connection

    return connect, parts.path.rstrip("/").removesuffix("/v1")


def tls_context(ca_cert: str | None, validate_certs: bool) -> ssl.SSLContext:
    """Return the TLS settings: the system's authorities or the given file's, or none at all if told so."""
    try:
        context = ssl.create_default_context(cafile=ca_cert)
    except OSError as error:
        raise InvalidInputError(f"Cannot read ca_cert {ca_cert}", str(error), "Name a readable PEM file.") from error
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def adopt(stream: socket.socket) -> http.client.HTTPConnection:
    """Return an HTTP connection over a stream that is already connected."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = stream
    return connection


class Cutter:
    """Ends a connection at its deadline, whatever it is waiting for: a socket's timeout only limits single reads."""

    def __init__(self, stream: socket.socket, seconds: float) -> None:
        self.stream = stream
        self.fired = False
        self.timer = threading.Timer(seconds, self.cut)
        self.timer.daemon = True

    def cut(self) -> None:
        """Wake whoever reads or writes, with an end of file."""
        self.fired = True
        try:
            self.stream.shutdown(socket.SHUT_RDWR)
        except OSError:
            self.stream.close()

    def __enter__(self) -> Cutter:
        self.timer.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self.timer.cancel()


def ask(server: Server, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
    """Make one request and return its answer, or what kept it from being answered. Never follows a redirect."""
    try:
        connection = server.connect(server.deadline)
    except (OSError, http.client.HTTPException) as error:
        return failure(error)
    headers = {"Accept": "application/json", "Connection": "close", **server.headers}
    sent = None if body is None else json.dumps(body)
    if sent is not None:
        headers["Content-Type"] = "application/json"
    cutter = Cutter(connection.sock, server.deadline)
    try:
        with cutter:
            connection.request(method, server.base_path + path, sent, headers)
            response = connection.getresponse()
            content = response.read(MAX_BODY_BYTES + 1)
        # A limited read takes the end of the stream for the end of the body.
        if response.length and len(content) <= MAX_BODY_BYTES:
            raise http.client.IncompleteRead(content[:200], response.length)
        return read(response.status, content)
    except (OSError, ValueError, http.client.HTTPException) as error:
        if cutter.fired:
            return Answer(error="timeout", detail=f"no answer within {server.deadline:g} s")
        return failure(error)
    finally:
        connection.close()


def read(status: int, content: bytes) -> Answer:
    """Return the answer that a body holds; only JSON counts as a payload."""
    if len(content) > MAX_BODY_BYTES:
        return Answer(status, error="too_large", detail=f"the body is larger than {MAX_BODY_BYTES} bytes")
    text = content[:200].decode(errors="replace").strip()
    if not content:
        return Answer(status)
    try:
        return Answer(status, json.loads(content), detail=text)
    except (ValueError, RecursionError):
        return Answer(status, detail=text)


def failure(error: Exception) -> Answer:
    """Name the kind of a failure that came instead of an answer."""
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (ssl.SSLError, "tls"),
        (socket.gaierror, "resolve"),
        (TimeoutError, "timeout"),
        (ConnectionRefusedError, "refused"),
        (http.client.RemoteDisconnected, "closed"),
        (ConnectionError, "reset"),
        (http.client.HTTPException, "malformed"),
    )
    kind = next((name for cause, name in kinds if isinstance(error, cause)), "reset")
    return Answer(error=kind, detail=str(error) or type(error).__name__)


def probe(server: Server, model: str, api: str = "completions") -> Probe:
    """Ask for the list of models, for one token of this model, and for /health after it; stop at a failure."""
    models = ask(server, "GET", "/v1/models")
    if models.status != 200:
        return Probe(models)
    completion = complete(server, model, api)
    if completion.status != 200:
        return Probe(models, completion)
    return Probe(models, completion, ask(server, "GET", "/health"))


def complete(server: Server, model: str, api: str = "completions") -> Answer:
    """Ask this model for one token; `api` is completions or chat. Never streamed: a stream's 200 proves nothing."""
    request: dict[str, Any] = {"model": model, "max_tokens": 1, "temperature": 0}
    if api == "chat":
        return ask(server, "POST", "/v1/chat/completions", {**request, "messages": [{"role": "user", "content": "Hi"}]})
    return ask(server, "POST", "/v1/completions", {**request, "prompt": "Hi"})
