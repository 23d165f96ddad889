# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a release usable again whose last operation was cut off. Deciding is pure; `recover` reads, waits and writes.

Helm refuses to touch a release that is pending. Its remedies, to roll back or to uninstall, change or remove what runs.
So the revision is only marked as failed, which is what Helm itself does with an operation that it sees fail: then an
upgrade goes on from the last revision that was deployed, and no object of the workload is touched before that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import packed_release, stored_release
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.plan import UNFINISHED
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ConflictError, Kube

Json = dict[str, Any]

WHY = "Cut off; marked as failed so that it can be deployed again"
SECONDS_BETWEEN_LOOKS = 1.0


class Newest(NamedTuple):
    """The newest revision of a release, as the Secret says in which Helm keeps it."""

    number: int
    status: str
    written: float
    secret: Json


def newest_of(secrets: list[Json]) -> Newest | None:
    """The newest of a release's revisions; None where there is no release.

    Args:
        secrets: those of Helm for this release. Helm labels each with its number, its status, and when it wrote it.
    """
    read = [(each["metadata"].get("labels") or {}, each) for each in secrets]
    found = [Newest(int(labels["version"]), labels.get("status", ""), moment_of(labels), each) for labels, each in read]
    return max(found, key=lambda each: each.number, default=None)


def moment_of(labels: Json) -> float:
    """When Helm wrote a revision, in seconds since 1970. It labels a change, and a creation."""
    return float(labels.get("modifiedAt") or labels.get("createdAt") or 0)


def seconds_left(newest: Newest | None, now: float, patience: float) -> float | None:
    """For how long an operation counts as alive; zero if it was cut off; None if there is none.

    Args:
        newest: the newest revision.
        now: seconds since 1970.
        patience: seconds after which an operation that has written nothing counts as cut off.
    """
    if newest is None or newest.status not in UNFINISHED:
        return None
    return min(max(0.0, newest.written + patience - now), patience)


class Repair(NamedTuple):
    """What was found and done. `status` is what the release was found in, or empty where there is none."""

    changed: bool
    status: str
    revision: int


def recover(
    store: Store, patience: float, now: Callable[[], float], sleep: Callable[[float], None], *, check: bool
) -> Repair:
    """Wait until no operation holds a release, or the one that does counts as cut off; then free the release.

    Raises:
        InferenceError: check mode finds an operation that may be alive.
    """
    while True:
        newest = store.newest()
        left = seconds_left(newest, now(), patience)
        if newest is None or left is None:
            return Repair(False, newest.status if newest else "", newest.number if newest else 0)
        if left > 0 and check:
            raise still_held(store, newest, left)
        if left > 0:
            sleep(min(left, SECONDS_BETWEEN_LOOKS))
        elif check or store.mark_failed(newest):
            return Repair(True, newest.status, newest.number)


def still_held(store: Store, newest: Newest, left: float) -> InferenceError:
    return InferenceError(
        f"Release {store.release} in namespace {store.namespace} is {newest.status} (revision {newest.number})",
        f"another operation may hold it for {left:.0f} s more",
        "Wait for it.",
    )


class Store:
    """Helm's own record of one release."""

    def __init__(self, kube: Kube, namespace: str, release: str) -> None:
        self.kube = kube
        self.namespace = namespace
        self.release = release
        self.path = f"/api/v1/namespaces/{namespace}/secrets"

    def newest(self) -> Newest | None:
        """The newest revision, or None."""
        return newest_of(self.kube.items(self.path, labelSelector=f"owner=helm,name={self.release}"))

    def mark_failed(self, newest: Newest) -> bool:
        """Mark a revision as failed, unless its operation goes on after all: then say False."""
        secret = newest.secret
        metadata = {**secret["metadata"], "labels": {**secret["metadata"]["labels"], "status": "failed"}}
        data = {**secret["data"], "release": packed_release(failed(stored_release(secret)))}
        try:
            self.kube.send("PUT", f"{self.path}/{metadata['name']}", {**secret, "metadata": metadata, "data": data})
        except ConflictError:
            return False
        return True


def failed(release: Json) -> Json:
    """A revision as Helm would keep it after a failure."""
    return {**release, "info": {**release["info"], "status": "failed", "description": WHY}}
