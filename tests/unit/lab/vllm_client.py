# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the stand-in for vLLM, and servers to ask."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.lab.vllm_server.__main__ import bind
from tests.lab.vllm_server.arguments import parse_arguments
from tests.lab.vllm_server.engine import Engine
from tests.lab.vllm_server.faults import HEALTHY

MODELS, COMPLETIONS = "/v1/models", "/v1/completions"
BODY = {"prompt": "x", "max_tokens": 1}


@contextmanager
def serving() -> Iterator[int]:
    """A server in this process, for tests that leave it healthy; its port."""
    listener = bind(parse_arguments(["org/m", "--served-model-name", "a", "b", "--port", "0"]), Engine(HEALTHY, 0))
    listener.server_activate()
    threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield listener.server_address[1]
    finally:
        listener.shutdown()
        listener.server_close()


@contextmanager
def in_force(port: int, fault: str) -> Iterator[None]:
    """Switch a fault on and off, as any test of another layer does."""
    assert ask(port, "/_lab/fault", {"fault": fault}).status == 200
    try:
        yield
    finally:
        assert ask(port, "/_lab/fault", {"fault": None}).status == 200
        wait_idle(port)


@contextmanager
def process(**env: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server of its own that has told its port."""
    command = [sys.executable, "-S", "-m", "tests.lab.vllm_server", "serve", "org/m", "--port", "0"]
    environment = {**os.environ, "LAB_VLLM_LOAD_SECONDS": "0", **env}
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert server.stderr
        line = ""
        while "Starting vLLM API server" not in line:
            line = server.stderr.readline()
            assert line, "it ended before it listened"
        yield server, int(line.rpartition(":")[2])
    finally:
        server.kill()
        server.communicate()


class Answer:
    """What a client got."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@contextmanager
def connected(port: int, seconds: float = 5) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        yield connection
    finally:
        connection.close()


def request(connection: http.client.HTTPConnection, path: str, body: Any = None) -> None:
    connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))


def ask(port: int, path: str, body: Any = None, seconds: float = 5) -> Answer:
    with connected(port, seconds) as connection:
        request(connection, path, body)
        return Answer(connection.getresponse())


def read(port: int, path: str, limit: int = 10**9, seconds: float = 5) -> bytes:
    """The bytes that come, at most so many, until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        parts, size = [], 0
        while size < limit and (part := connection.recv(2**20)):
            parts.append(part)
            size += len(part)
        return b"".join(parts)


def hangs(port: int, path: str, body: Any = None) -> bool:
    """Whether no answer comes for a moment."""
    try:
        ask(port, path, body, seconds=0.1)
    except TimeoutError:
        return True
    return False


def is_healthy(port: int) -> bool:
    return ask(port, "/health").status == 200


def wait_idle(port: int, seconds: float = 5) -> None:
    """Until what hung has ended: it would count in another test's metrics."""
    deadline = time.monotonic() + seconds
    while ask(port, "/load").document["server_load"]:
        assert time.monotonic() < deadline, "a request hangs still"
        time.sleep(0.01)
