# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what a cluster has, and asks the guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.guard import Cluster, decide
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.wanted import Wanted
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ForbiddenError, Kube
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reading import has_ended
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.release import INSTANCE_LABEL

Json = Mapping[str, Any]

# All pods of a large cluster in one answer would be too much for it and for us.
PAGE = 500
UNENDED = "status.phase!=Succeeded,status.phase!=Failed"


def guarded(kube: Kube, namespace: str, release: str | None, wanted: Wanted) -> dict[str, Any]:
    """Whether pods can start, beside those of a release or in their place.

    Args:
        kube: the API server.
        namespace: of the release.
        release: its name; without one, no pod counts as old.
        wanted: the new pods.

    Raises:
        InferenceError: something may not be read; then the result's `reason` is `forbidden`.
    """
    cluster = read_cluster(kube, namespace)
    return decide(cluster, wanted, [pod for pod in cluster.pods if release and is_old(pod, namespace, release)])


def is_old(pod: Json, namespace: str, release: str) -> bool:
    """Whether a pod is one of a release that new ones replace: no Job of it, and no hook."""
    about = pod["metadata"]
    mine = about["namespace"] == namespace and (about.get("labels") or {}).get(INSTANCE_LABEL) == release
    owners = {each["kind"] for each in about.get("ownerReferences") or ()}
    is_aside = "Job" in owners or "helm.sh/hook" in (about.get("annotations") or {})
    return mine and not is_aside and not has_ended(pod)


def read_cluster(kube: Kube, namespace: str | None) -> Cluster:
    """Nodes, pods, quotas and limit ranges as they are now.

    Raises:
        InferenceError: as guarded has it.
    """
    nodes = listed(kube, "nodes", "/api/v1/nodes")
    pods = listed(kube, "pods of all namespaces", "/api/v1/pods", fieldSelector=UNENDED)
    if not namespace:
        return Cluster(nodes, pods)
    where = f"/api/v1/namespaces/{namespace}"
    quotas = listed(kube, f"resourcequotas of namespace {namespace}", f"{where}/resourcequotas")
    try:
        ranges = listed(kube, f"limitranges of namespace {namespace}", f"{where}/limitranges")
    except InferenceError as error:
        if error.result.get("reason") != ForbiddenError.reason:
            raise
        return Cluster(nodes, pods, quotas, None)
    return Cluster(nodes, pods, quotas, ranges)


def listed(kube: Kube, what: str, path: str, **query: Any) -> list[dict[str, Any]]:
    """All objects of a kind, page by page.

    Raises:
        InferenceError: they may not be read, or the API server cannot be asked.
    """
    found: list[dict[str, Any]] = []
    token: str | None = None
    while token is None or token:
        try:
            page = kube.get(path, limit=PAGE, **{"continue": token}, **query)
        except ForbiddenError as error:
            remedy = f"Allow it to list {what}."
            raise InferenceError(
                f"This account may not list {what}", error.why, remedy, {"reason": error.reason}
            ) from error
        found += page.get("items") or []
        token = (page.get("metadata") or {}).get("continue") or ""
    return found
