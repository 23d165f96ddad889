# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes API by plain HTTPS: importing the Kubernetes client takes longer than starting this kubelet."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import urllib3
import yaml

Json = dict[str, Any]

MERGE = "application/strategic-merge-patch+json"
CONNECTIONS = 8
TIMEOUT = urllib3.Timeout(connect=5, read=30)


class ApiError(Exception):
    """The API server refused, or (status 0) could not be reached."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """Calls for any thread, and `call` for coroutines."""

    def __init__(self, kubeconfig: Path, private_dir: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        context = _named(config, "contexts", config["current-context"])["context"]
        cluster = _named(config, "clusters", context["cluster"])["cluster"]
        user = _named(config, "users", context["user"])["user"]
        self.server: str = cluster["server"].rstrip("/")
        self.headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        self.pool = urllib3.PoolManager(
            maxsize=CONNECTIONS + 4,
            retries=False,
            ca_certs=_file(cluster, "certificate-authority", kubeconfig, private_dir),
            cert_file=_file(user, "client-certificate", kubeconfig, private_dir),
            key_file=_file(user, "client-key", kubeconfig, private_dir),
        )
        self._workers = ThreadPoolExecutor(CONNECTIONS, "api")

    async def call(self, method: str, path: str, body: Json | None = None, content_type: str = MERGE) -> Json:
        """`request` in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, self.request, method, path, body, content_type)

    def request(self, method: str, path: str, body: Json | None = None, content_type: str = MERGE) -> Json:
        """One request and its answer. ApiError if it fails."""
        headers = {**self.headers, "Content-Type": content_type if method == "PATCH" else "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            response = self.pool.request(method, self.server + path, body=data, headers=headers, timeout=TIMEOUT)
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, str(error)) from error
        if response.status >= 400:
            raise ApiError(response.status, explain(response.data))
        document: Json = json.loads(response.data)
        return document

    def stream(self, path: str, seconds: float) -> urllib3.BaseHTTPResponse:
        """An answer that goes on, such as a watch's. ApiError if it does not begin."""
        limits = urllib3.Timeout(connect=5, read=seconds)
        try:
            response = self.pool.request(
                "GET", self.server + path, headers=self.headers, timeout=limits, preload_content=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, str(error)) from error
        if response.status >= 400:
            raise ApiError(response.status, explain(response.data))
        return response


def explain(body: bytes) -> str:
    """The message of a Status object, or whatever was answered instead."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:500]


def _named(config: Json, section: str, name: str) -> Json:
    return next(entry for entry in config[section] if entry["name"] == name)


def _file(section: Json, name: str, kubeconfig: Path, private_dir: Path) -> str | None:
    """The path of a certificate or key; what the kubeconfig holds itself is written to a private file."""
    if section.get(name):
        return str((kubeconfig.parent / section[name]).resolve())
    if not section.get(f"{name}-data"):
        return None
    path = private_dir / f"{name}.pem"
    private_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(base64.b64decode(section[f"{name}-data"]))
    return str(path)
