# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster says of releases: each list of a namespace is read once, however many models are in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._drift.judge import NOT_COMPARED
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.running import Namespace, Running, is_gone
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.client import Release, read_release
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import stored_release
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.manifest import Manifest, Named
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.verified import INSTANCE, OWNER, records_in
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ForbiddenError, Kube, MissingError

Json = Mapping[str, Any]

THREADS = 8
SERVICE = Named("v1", "Service")


def read_namespaces(kube: Kube, names: Iterable[str]) -> dict[str, Namespace]:
    """Read all of them.

    Raises:
        InferenceError: the cluster cannot be reached, or a list that is needed may not be read there.
    """
    reader = Reader(kube)
    ordered = sorted(names)
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(ordered, pool.map(reader.namespace, ordered), strict=True))


class Reader:
    """Reads namespaces of one cluster."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube
        # Of a kind's API version: the names under which its kinds are listed.
        self.resources: dict[str, dict[str, str]] = {}

    def namespace(self, name: str) -> Namespace:
        core = f"/api/v1/namespaces/{name}"
        secrets = self.kube.every(f"{core}/secrets", labelSelector="owner=helm,status!=superseded")
        maps = self.kube.every(f"{core}/configmaps", labelSelector=f"app.kubernetes.io/managed-by={OWNER}")
        pods = self.kube.every(f"{core}/pods", labelSelector=INSTANCE)
        services = self.kube.every(f"{core}/services")
        newest, broken = newest_of(secrets)
        manifests = {release: Manifest(found.manifest) for release, found in newest.items() if not is_gone(found)}
        live, unseen = self.live(name, manifests.values(), {SERVICE: services})
        records = {each["metadata"]["labels"].get(INSTANCE): records_in(each.get("data") or {}) for each in maps}
        by_release: dict[str, list[Json]] = defaultdict(list)
        for pod in pods:
            by_release[pod["metadata"]["labels"][INSTANCE]].append(pod)
        return Namespace(
            {
                release: Running(
                    newest.get(release),
                    manifests.get(release, Manifest()),
                    {key: live[key] for key in manifests.get(release, Manifest()).names if key in live},
                    tuple(by_release[release]),
                    records.get(release, {}),
                    unseen,
                    broken.get(release, ""),
                )
                for release in {*newest, *broken}
            },
            {each["metadata"]["name"] for each in services},
        )

    def live(
        self, namespace: str, manifests: Iterable[Manifest], listed: Mapping[Named, list[dict[str, Any]]]
    ) -> tuple[dict[str, Json], set[str]]:
        """The objects that are there of the kinds that manifests have, and the kinds that may not be listed.

        Args:
            namespace: where they are.
            manifests: of its releases.
            listed: kinds that have been listed already.
        """
        kinds = {named for each in manifests for named in each.names.values()}
        live: dict[str, Json] = {}
        unseen: set[str] = set()
        for named in sorted(kinds):
            kind = named.kind
            if kind in NOT_COMPARED:
                continue
            try:
                items = listed[named] if named in listed else self.items(namespace, named)
            except ForbiddenError:
                unseen.add(kind)
                continue
            # In a list, items do not say their kind.
            live |= {f"{kind} {each['metadata']['name']}": {**each, "kind": kind} for each in items}
        return live, unseen

    def items(self, namespace: str, named: Named) -> list[dict[str, Any]]:
        """The objects of a kind in a namespace."""
        resource = self.resource(*named)
        return self.kube.every(f"{root(named.version)}/namespaces/{namespace}/{resource}") if resource else []

    def resource(self, version: str, kind: str) -> str:
        """Under which name a kind is listed; empty where the cluster does not know it."""
        if version not in self.resources:
            try:
                found = self.kube.get(root(version)).get("resources") or []
            except MissingError:
                found = []
            # Subresources have a slash in their names.
            self.resources[version] = {each["kind"]: each["name"] for each in found if "/" not in each["name"]}
        return self.resources[version].get(kind, "")


def root(version: str) -> str:
    """Where an API version is."""
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def newest_of(secrets: Iterable[Json]) -> tuple[dict[str, Release], dict[str, str]]:
    """The newest revision of each release, and why others cannot be read."""
    newest: dict[str, tuple[int, Json]] = {}
    for secret in secrets:
        labels = secret["metadata"]["labels"]
        number = int(labels["version"])
        if number > newest.get(labels["name"], (0, {}))[0]:
            newest[labels["name"]] = number, secret
    found: dict[str, Release] = {}
    broken: dict[str, str] = {}
    for name, (_unused, secret) in newest.items():
        try:
            found[name] = read_release(stored_release(secret))
        except InferenceError as error:
            broken[name] = error.message
    return found, broken
