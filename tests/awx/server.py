# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in as a server on loopback. It counts requests, and can fall silent after a number of writes."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.awx.access import Access
from tests.awx.api import VERSION, Api
from tests.awx.store import Store

ADMINISTRATOR = "token-of-an-administrator"
WRITES = ("POST", "PUT", "PATCH", "DELETE")
# What an AWX has that was just installed.
MANAGED_TYPES = (("Machine", "ssh"), ("Source Control", "scm"), ("Vault", "vault"), ("Container Registry", "registry"))


class Awx:
    """A stand-in with what a new AWX has, and one administrator.

    Args:
        playbooks: the files of every project, once it was brought.
        sync: how a project's update ends.
    """

    def __init__(self, playbooks: list[str], sync: str = "successful") -> None:
        self.store = Store(playbooks, sync)
        self.access = Access(self.store)
        self.api = Api(self.store, self.access)
        self.requests: Counter[str] = Counter()
        # After this many writes the answer is lost, and nothing is answered from then on; None is never.
        self.writes_left: int | None = None
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self.store.create("organizations", {"name": "Default"})
        self.store.create("execution_environments", {"name": "AWX EE (latest)", "image": "quay.io/ansible/awx-ee"})
        for name, kind in MANAGED_TYPES:
            number = self.store.next_id("credential_types")
            built_in = {"id": number, "type": "credential_type", "managed": True, "name": name, "kind": kind}
            self.store.items["credential_types"][number] = built_in | {"inputs": {}, "injectors": {}, "description": ""}
        self.add_user("admin", ADMINISTRATOR, is_superuser=True)

    def add_user(self, name: str, token: str, scope: str = "write", is_superuser: bool = False) -> dict[str, Any]:
        user = self.store.create("users", {"username": name, "is_superuser": is_superuser})
        self.access.tokens[token] = (user["id"], scope)
        return user

    @property
    def writes(self) -> int:
        return sum(self.requests[method] for method in WRITES)

    def answer(self, method: str, target: str, body: Any, token: str) -> tuple[int, Any] | None:
        """The answer to a request, or None if it is lost."""
        with self._lock:
            if self.writes_left is not None and self.writes_left <= 0:
                return None
            self.requests[method] += 1
            parts = urlsplit(target)
            answer = self.api.handle(method, parts.path, parse_qsl(parts.query), body, token)
            if method in WRITES and self.writes_left is not None:
                self.writes_left -= 1
                return None if self.writes_left <= 0 else answer
            return answer

    def start(self) -> str:
        """Begin to answer, and return the address."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()


def _handler(awx: Awx) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(size) or "null")
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            answer = awx.answer(self.command, self.path, body, token)
            if answer is None:
                self.close_connection = True
                return
            status, content = answer
            text = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("X-API-Product-Name", "AWX")
            self.send_header("X-API-Product-Version", VERSION)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def __getattr__(self, name: str) -> Any:
            """Every method is served alike."""
            if name.startswith("do_"):
                return self._serve
            raise AttributeError(name)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server calls
            """Requests are counted, not told."""

    return Handler
