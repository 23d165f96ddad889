# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The revisions of a release that were ready once, kept beside Helm's history, which forgets.

A ConfigMap says what each one was. A Secret keeps Helm's own record of it, since that holds the values: put back into
the history it can be rolled back to by Helm itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ConflictError, Kube, MissingError

Json = dict[str, Any]

MERGE = "application/merge-patch+json"
OWNER = "ai_aas.inference"
INSTANCE = "app.kubernetes.io/instance"


class Store:
    """The records of one release."""

    def __init__(self, kube: Kube, namespace: str, release: str) -> None:
        self.kube = kube
        self.namespace = namespace
        self.release = release
        self.name = f"{release}-verified"

    def records(self) -> dict[int, Json]:
        """What is recorded, by the number of Helm's revision."""
        return records_in(self.data_of("configmaps"))

    def copies(self) -> dict[int, str]:
        """Helm's own records as far as they were kept, as its Secrets hold them."""
        return {int(number): text for number, text in self.data_of("secrets").items() if number.isdigit()}

    def data_of(self, kind: str) -> dict[str, str]:
        try:
            return self.kube.get(self.path(kind, self.name)).get("data") or {}
        except MissingError:
            return {}

    def stored(self, number: int) -> Json:
        """Helm's Secret of a revision.

        Raises:
            MissingError: Helm has forgotten it.
        """
        return self.kube.get(self.path("secrets", helm_secret(self.release, number)))

    def pods(self) -> list[Json]:
        return self.kube.items(self.path("pods"), labelSelector=f"{INSTANCE}={self.release}")

    def write(self, records: Mapping[int, Json | None], copies: Mapping[int, str | None]) -> None:
        """Add what is given and remove what is None. The copies come first: a record promises one."""
        self.merge("secrets", {str(number): text for number, text in copies.items()})
        texts = {number: None if record is None else json.dumps(record) for number, record in records.items()}
        self.merge("configmaps", {str(number): text for number, text in texts.items()})

    def merge(self, kind: str, data: Mapping[str, str | None]) -> None:
        """Set and remove keys of an object, made if it is not there."""
        body = {"data": data}
        try:
            self.kube.send("PATCH", self.path(kind, self.name), body, MERGE)
        except MissingError:
            labels = {INSTANCE: self.release, "app.kubernetes.io/managed-by": OWNER}
            given = {name: text for name, text in data.items() if text is not None}
            try:
                self.kube.send(
                    "POST", self.path(kind), {"metadata": {"name": self.name, "labels": labels}, "data": given}
                )
            except ConflictError:
                self.kube.send("PATCH", self.path(kind, self.name), body, MERGE)

    def put_back(self, number: int, copy: str) -> None:
        """Give Helm a revision back that it has forgotten."""
        labels = {"name": self.release, "owner": "helm", "status": "superseded", "version": str(number)}
        secret = {
            "type": "helm.sh/release.v1",
            "metadata": {"name": helm_secret(self.release, number), "labels": labels},
            "data": {"release": copy},
        }
        self.kube.send("POST", self.path("secrets"), secret)

    def path(self, kind: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")


def records_in(data: Mapping[str, str]) -> dict[int, Json]:
    """What a ConfigMap's data record, by the number of Helm's revision."""
    return {int(number): json.loads(text) for number, text in data.items() if number.isdigit()}


def helm_secret(release: str, number: int) -> str:
    """The name of the Secret in which Helm keeps a revision."""
    return f"sh.helm.release.v1.{release}.v{number}"
