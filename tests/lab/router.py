# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's reference router: completions by model name and environment, routed as the ai-aas router does.

    POST /{environment}/v1/completions           also without the environment, which means development
    POST /{environment}/v1/chat/completions
    GET  /healthz

With LAB_ROUTER_API_KEY set, completions need the same value in the header X-API-Key. Answers carry
X-Route-Endpoint and X-Route-Source (cache or database).

For tests of the race between a registry change and the cache:

    POST /_lab/hold      requests that miss the cache now stop between reading the registry and filling the cache
    GET  /_lab/hold      {"waiting": how many stopped there}
    POST /_lab/release   lets them go on
"""

from __future__ import annotations

import argparse
import hmac
import http.client
import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.lab.process import LOOPBACK
from tests.lab.resolver import Resolver, Target, UnresolvableError
from tests.lab.routes import ENVIRONMENTS, Gate, RouteError, RouteTable

DEADLINE_SECONDS = 60.0
_SYNC_SECONDS = 30.0
_PATHS = ("/v1/completions", "/v1/chat/completions")
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Router:
    """What every request needs."""

    table: RouteTable
    resolver: Resolver
    gate: Gate
    api_key: str | None
    deadline_seconds: float


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, router: Router) -> None:
        self.router = router
        super().__init__((LOOPBACK, port), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, {"status": "ok"})
        elif self.path == "/_lab/hold":
            self._answer(200, {"waiting": self.server.router.gate.waiting()})
        else:
            self._answer(404, RouteError(404, "not_found", f"There is no {self.path} here.").body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        gate = self.server.router.gate
        if self.path == "/_lab/hold":
            gate.hold()
            self._answer(200, {"held": True})
        elif self.path == "/_lab/release":
            gate.release()
            self._answer(200, {"held": False})
        else:
            try:
                self._route(body)
            except RouteError as error:
                self._answer(error.status, error.body)

    def _route(self, body: bytes) -> None:
        router = self.server.router
        ends_at = time.monotonic() + router.deadline_seconds
        environment, path = split_path(self.path)
        given = self.headers.get("X-API-Key") or ""
        if router.api_key and not hmac.compare_digest(given.encode(), router.api_key.encode()):
            raise RouteError(
                401, "invalid_api_key", "The header X-API-Key is missing or wrong.", "authentication_error"
            )
        entry, source = router.table.lookup(environment, model_of(body))
        target = locate(router.resolver, entry.deployment_endpoint)
        route = {"X-Route-Endpoint": entry.deployment_endpoint, "X-Route-Source": source}
        self._proxy(target, path, body, route, ends_at)

    def _proxy(self, target: Target, path: str, body: bytes, route: Mapping[str, str], ends_at: float) -> None:
        """Pass the request on and the answer back, within one deadline for both."""
        headers = {name: self.headers[name] for name in ("Content-Type", "Authorization") if name in self.headers}
        with closing(http.client.HTTPConnection(*target, timeout=_remaining(ends_at))) as connection:
            try:
                connection.request("POST", path, body=body, headers=headers)
                answer = connection.getresponse()
                first = answer.read1(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _upstream_error(route["X-Route-Endpoint"], error) from error
            try:
                self._pass_back(connection, answer, first, route, ends_at)
            except (OSError, http.client.HTTPException, RouteError) as error:
                # The status has been sent already: only a cut connection can tell the client.
                self.log_error("the answer of %s broke off: %s", route["X-Route-Endpoint"], error)
                self.close_connection = True

    def _pass_back(
        self,
        connection: http.client.HTTPConnection,
        answer: http.client.HTTPResponse,
        chunk: bytes,
        route: Mapping[str, str],
        ends_at: float,
    ) -> None:
        self.send_response(answer.status)
        length = answer.getheader("Content-Length")
        framing = {"Content-Length": length} if length else {"Connection": "close"}
        kind = {"Content-Type": answer.getheader("Content-Type") or "application/json"}
        self._end_headers({**kind, **framing, **route})
        while chunk:
            self.wfile.write(chunk)
            self.wfile.flush()
            if connection.sock is not None:
                connection.sock.settimeout(_remaining(ends_at))
            chunk = answer.read1(_CHUNK)

    def _answer(self, status: int, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self._end_headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _end_headers(self, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def split_path(path: str) -> tuple[str, str]:
    """The environment and the model server's path of a request's path."""
    environment, served = "development", urlsplit(path).path
    for name in ENVIRONMENTS:
        if served.startswith(f"/{name}/"):
            environment, served = name, served.removeprefix(f"/{name}")
    if served not in _PATHS:
        known = ", ".join(f"/{{environment}}{entry}" for entry in _PATHS)
        raise RouteError(404, "not_found", f"There is no {path} here. There are {known} for {', '.join(ENVIRONMENTS)}.")
    return environment, served


def model_of(body: bytes) -> str:
    try:
        model = json.loads(body)["model"]
    except (ValueError, KeyError, TypeError) as error:
        raise RouteError(400, "invalid_body", "The body must be a JSON object with a `model`.") from error
    if not isinstance(model, str) or not model:
        raise RouteError(400, "invalid_body", "`model` must be a non-empty string.")
    return model


def locate(resolver: Resolver, endpoint: str) -> Target:
    """The process behind an endpoint. As in the ai-aas router, http:// is prepended to what the registry holds."""
    parts = urlsplit(f"http://{endpoint}")
    try:
        return resolver.resolve(parts.hostname or "", parts.port or 80)
    except (UnresolvableError, ValueError) as error:
        raise RouteError(502, "bad_gateway", f"{endpoint} cannot be reached: {error}.", "server_error") from error


def _upstream_error(endpoint: str, error: Exception) -> RouteError:
    if isinstance(error, TimeoutError):
        return RouteError(504, "gateway_timeout", f"{endpoint} did not answer in time.", "server_error")
    why = str(error) or type(error).__name__
    return RouteError(502, "bad_gateway", f"{endpoint} failed to answer: {why}", "server_error")


def _remaining(ends_at: float) -> float:
    remaining = ends_at - time.monotonic()
    if remaining <= 0:
        raise RouteError(504, "gateway_timeout", "The deadline of the request has passed.", "server_error")
    return remaining


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab.router",
        description="The lab's router. Reads KUBECONFIG, DATABASE_URL, REDIS_URL and LAB_ROUTER_API_KEY.",
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--deadline", type=float, default=DEADLINE_SECONDS, help="seconds for a whole request")
    arguments = parser.parse_args()
    gate = Gate()
    table = RouteTable(os.environ["DATABASE_URL"], os.environ.get("REDIS_URL"), gate, hold_seconds=arguments.deadline)
    resolver = Resolver(Path(os.environ["KUBECONFIG"]))
    api_key = os.environ.get("LAB_ROUTER_API_KEY") or None
    # Bound before the mirrors are filled, so that a taken port shows at once.
    server = Server(arguments.port, Router(table, resolver, gate, api_key, arguments.deadline))
    resolver.start(_SYNC_SECONDS)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
