# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The little of the Kubernetes API that the lab needs: list, and watch with resume, as plain JSON.

The official client takes half a second to import and hides the JSON that the resolver maps.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.lab.errors import LabError

Object = dict[str, Any]

_CONNECT_SECONDS = 5
_READ_SECONDS = 30
# The server ends a watch after this time, and the client gives up on a silent one a little later.
_WATCH_SECONDS = 240


class ExpiredError(Exception):
    """The watch can not be resumed from this version: list again."""


class KubeApi:
    """One connection to the API server of a kubeconfig's current context. Not to be shared by threads."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        contexts = {entry["name"]: entry["context"] for entry in config["contexts"]}
        context = contexts[config["current-context"]]
        cluster = next(entry["cluster"] for entry in config["clusters"] if entry["name"] == context["cluster"])
        user = next(entry["user"] for entry in config["users"] if entry["name"] == context["user"])
        self.server: str = cluster["server"]
        self._session = requests.Session()
        # A proxy of the user's environment has no business on the loopback.
        self._session.trust_env = False
        self._session.verify = _file(cluster, "certificate-authority")
        self._session.cert = (_file(user, "client-certificate"), _file(user, "client-key"))

    def get(self, path: str) -> Object:
        response = self._session.get(f"{self.server}{path}", timeout=(_CONNECT_SECONDS, _READ_SECONDS))
        response.raise_for_status()
        found: Object = response.json()
        return found

    def create(self, path: str, content: Object) -> None:
        response = self._session.post(f"{self.server}{path}", json=content, timeout=(_CONNECT_SECONDS, _READ_SECONDS))
        if not response.ok:
            name = content["metadata"]["name"]
            raise LabError(f"The API server refused {content['kind']} {name}: {response.text}")

    def patch(self, path: str, content: Object) -> None:
        response = self._session.patch(
            f"{self.server}{path}",
            data=json.dumps(content),
            headers={"Content-Type": "application/strategic-merge-patch+json"},
            timeout=(_CONNECT_SECONDS, _READ_SECONDS),
        )
        if not response.ok:
            raise LabError(f"The API server refused to change {path}: {response.text}")

    def delete(self, path: str) -> None:
        response = self._session.delete(f"{self.server}{path}", timeout=(_CONNECT_SECONDS, _READ_SECONDS))
        if not response.ok:
            raise LabError(f"The API server refused to delete {path}: {response.text}")

    def is_served(self, path: str) -> bool:
        response = self._session.get(f"{self.server}{path}", timeout=(_CONNECT_SECONDS, _READ_SECONDS))
        return response.ok

    def ready_problem(self) -> str | None:
        """Why the server is not ready; None when it is."""
        try:
            response = self._session.get(f"{self.server}/readyz", timeout=(_CONNECT_SECONDS, _READ_SECONDS))
        except requests.RequestException as error:
            return str(error)
        return None if response.ok else f"/readyz answers {response.status_code}"

    def watch(self, path: str, version: str) -> Iterator[tuple[str, Object]]:
        """Events (type, object) after this version, until the server ends the watch."""
        query: dict[str, str | int] = {"watch": 1, "allowWatchBookmarks": 1, "timeoutSeconds": _WATCH_SECONDS}
        with self._session.get(
            f"{self.server}{path}",
            params={**query, "resourceVersion": version},
            stream=True,
            timeout=(_CONNECT_SECONDS, _WATCH_SECONDS + _READ_SECONDS),
        ) as response:
            if response.status_code == requests.codes.gone:
                raise ExpiredError
            response.raise_for_status()
            for line in response.iter_lines(chunk_size=None):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ExpiredError(event["object"].get("message"))
                yield event["type"], event["object"]


def _file(entry: Object, name: str) -> str:
    """The path of a certificate or key, which may be given inline."""
    if inline := entry.get(f"{name}-data"):
        # The file has to outlive this call: the TLS library reads it at each new connection.
        with tempfile.NamedTemporaryFile(prefix="lab-", delete=False) as target:
            target.write(base64.b64decode(inline))
        return target.name
    return str(entry[name])
