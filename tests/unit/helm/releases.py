# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Helm and a Kubernetes API whose answers are written down before."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ansible_collections.ai_aas.inference.plugins.module_utils._helm.client import Helm
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.verified import Store
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ConflictError, Kube, MissingError

Json = dict[str, Any]

DIGEST = "sha256:" + "0123456789abcdef" * 4


def document(number: int = 1, status: str = "deployed", **values: Any) -> Json:
    """A revision as Helm keeps and prints it."""
    chart = {
        "metadata": {"name": "vllm-deployment", "version": "0.1.0"},
        "values": {"model": {"name": "", "revision": "", "servedNames": []}},
        "templates": [{"name": "templates/a.yaml", "data": "YQ=="}],
    }
    info = {"status": status, "last_deployed": "yesterday"}
    return {
        "name": "r", "version": number, "info": info, "chart": chart, "config": values, "manifest": str(values)
    }  # fmt: skip


def packed(release: Json) -> str:
    return base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()


def pod(image_id: str = f"docker.io/vllm@{DIGEST}", **metadata: Any) -> Json:
    return {"metadata": metadata, "status": {"containerStatuses": [{"imageID": image_id}]}}


class Cluster:
    """The Kubernetes API with one release, by the paths of its objects."""

    def __init__(self, *releases: Json, pods: Sequence[Json] = (pod(),)) -> None:
        self.objects: dict[str, Json] = {
            f"/api/v1/namespaces/ns/secrets/sh.helm.release.v1.r.v{each['version']}": {
                "data": {"release": packed(each)}
            }
            for each in releases
        }
        self.listed = pods
        self.sent: list[str] = []
        # What another writer makes just before a POST.
        self.rival: Json | None = None

    @property
    def store(self) -> Store:
        return Store(cast(Kube, self), "ns", "r")

    def get(self, path: str) -> Json:
        if path not in self.objects:
            raise MissingError("The Kubernetes API has no such object", path)
        return self.objects[path]

    def items(self, path: str, **query: str) -> Sequence[Json]:
        assert (path, query) == ("/api/v1/namespaces/ns/pods", {"labelSelector": "app.kubernetes.io/instance=r"})
        return self.listed

    def send(self, method: str, path: str, body: Mapping[str, Any], kind: str = "") -> Json:
        self.sent.append(f"{method} {path.removeprefix('/api/v1/namespaces/ns/')}")
        if method == "POST":
            path += f"/{body['metadata']['name']}"
            if self.rival is not None:
                self.objects[path], self.rival = self.rival, None
            if path in self.objects:
                raise ConflictError("The Kubernetes API refuses", "it exists")
            self.objects[path] = dict(body)
            return self.objects[path]
        assert kind == "application/merge-patch+json"
        found = self.get(path)
        merged = {**found.get("data", {}), **body["data"]}
        found["data"] = {name: value for name, value in merged.items() if value is not None}
        return found


class Program:
    """The `helm` program with one release's history.

    Args:
        releases: the revisions, the oldest first.
        refuses: what it says instead of rolling back.
    """

    def __init__(self, *releases: Json, refuses: str = "") -> None:
        self.releases = {each["version"]: each for each in releases}
        self.refuses = refuses
        self.ran: list[str] = []

    @property
    def helm(self) -> Helm:
        return Helm(self.run, "helm", "r", "ns")

    def run(self, words: Sequence[str], _content: str) -> tuple[int, str, str]:
        verb = words[1]
        if verb == "rollback":
            self.ran.append(" ".join(words[1:4]))
            return (1, "", f"Error: {self.refuses}") if self.refuses else (0, "", "")
        if not self.releases:
            return 1, "", "Error: release: not found"
        if verb == "history":
            return 0, json.dumps([line(each) for each in self.releases.values()]), ""
        number = int(words[words.index("--revision") + 1]) if "--revision" in words else max(self.releases)
        return 0, json.dumps(self.releases[number]), ""


def line(release: Json) -> Json:
    """What `helm history` prints of a revision."""
    return {
        "revision": release["version"],
        "status": release["info"]["status"],
        "updated": "yesterday",
        "chart": "vllm-deployment-0.1.0",
        "description": "",
    }
