# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the router's tests need around it: a model server, and a registry and a cache to look into."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

import psycopg2
import redis
import requests

from tests.lab.kubeapi import KubeApi

DEADLINE = 20.0
TABLE = """
    CREATE TABLE model_registry_entries (
        model_id uuid PRIMARY KEY DEFAULT gen_random_uuid(), model_name text NOT NULL, revision int NOT NULL DEFAULT 1,
        deployment_status text NOT NULL, deployment_endpoint text, deployment_environment text NOT NULL,
        deployment_namespace text, UNIQUE (model_name, deployment_environment))
"""


class ModelServer(BaseHTTPRequestHandler):
    """Completes, fails or dawdles, as the prompt says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = request.get("prompt")
        if prompt == "dawdle":
            time.sleep(2)
        status = 400 if prompt == "fail" else 200
        content = {"path": self.path, "model": request["model"], "authorization": self.headers.get("Authorization")}
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if prompt == "stream":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (body[:5], body[5:], b""):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Silence."""


@dataclass
class World:
    """A router with its registry, its cache and the names that resolve."""

    url: str
    database_url: str
    cache: redis.Redis
    namespace: str

    @property
    def endpoint(self) -> str:
        return f"llama.{self.namespace}.svc.cluster.local:80"

    def execute(self, statement: str, *values: object) -> None:
        connection = psycopg2.connect(self.database_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
        finally:
            connection.close()

    def register(self, name: str, *, environment: str = "development", **columns: object) -> None:
        row: dict[str, object] = {"deployment_status": "ready", "deployment_endpoint": self.endpoint}
        row |= {"deployment_namespace": self.namespace, **columns}
        names = ", ".join(row)
        self.execute(
            f"INSERT INTO model_registry_entries (model_name, deployment_environment, {names})"  # noqa: S608
            " VALUES (%s, %s, %s, %s, %s)",
            name,
            environment,
            *row.values(),
        )

    def complete(self, model: str, *, environment: str | None = None, **words: Any) -> requests.Response:
        path = f"/{environment}/v1/completions" if environment else "/v1/completions"
        body = {"model": model, "prompt": words.pop("prompt", "hi")}
        return requests.post(f"{self.url}{path}", json=body, timeout=DEADLINE, **words)


def wait_for(what: str, condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {DEADLINE:.0f} s for {what} in vain"
        time.sleep(0.02)
    return found


def create(api: KubeApi, path: str, kind: str, name: str, labels: dict[str, str] | None = None, **rest: Any) -> None:
    version = "v1" if path.startswith("/api/") else "/".join(path.split("/")[2:4])
    metadata = {"name": name, "labels": labels or {}}
    api.create(path, {"apiVersion": version, "kind": kind, "metadata": metadata, **rest})
