# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the cluster is read, and which pods are the old ones."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.capacity import (
    guarded,
    is_old,
    listed,
    read_cluster,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ApiError, ForbiddenError, Kube

from tests.unit.capacity.makers import Json, node, pod, wanted

QUOTAS, RANGES = "/api/v1/namespaces/ns/resourcequotas", "/api/v1/namespaces/ns/limitranges"


class Pages:
    """An API server with a few objects of each kind, two to a page; what is an error is raised."""

    def __init__(self, kinds: dict[str, Any]) -> None:
        self.kinds = kinds
        self.asked: list[tuple[str, Json]] = []

    def get(self, path: str, **query: Any) -> Json:
        self.asked.append((path, query))
        found = self.kinds.get(path, [])
        if isinstance(found, Exception):
            raise found
        start = int(query["continue"] or 0)
        rest = {"continue": str(start + 2)} if found[start + 2 :] else {}
        return {"items": found[start : start + 2], "metadata": rest}


def kube(**kinds: Any) -> Kube:
    paths = {"nodes": "/api/v1/nodes", "pods": "/api/v1/pods", "quotas": QUOTAS, "ranges": RANGES}
    return cast(Kube, Pages({paths[name]: found for name, found in kinds.items()}))


FORBIDDEN = ForbiddenError("The Kubernetes API forbids to look", "cannot list it")


@pytest.mark.parametrize("count", range(6))
def test_all_pages_are_read(count: int) -> None:
    items = [node(f"n{number}") for number in range(count)]
    assert listed(kube(nodes=items), "nodes", "/api/v1/nodes") == items


def test_without_a_namespace_no_quota_is_asked_for() -> None:
    api = kube(nodes=[node()])
    assert read_cluster(api, None) == ([node()], [], (), ())
    assert {path for path, _unused in cast(Any, api).asked} == {"/api/v1/nodes", "/api/v1/pods"}


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("nodes", "may not list nodes: cannot list it. Allow it to list nodes."),
        ("pods", "Allow it to list pods of all namespaces."),
        ("quotas", "Allow it to list resourcequotas of namespace ns."),
    ],
)
def test_a_right_that_lacks_is_named(kind: str, told: str) -> None:
    with pytest.raises(InferenceError, match=told) as refused:
        read_cluster(kube(**{kind: FORBIDDEN}), "ns")
    assert refused.value.result == {"reason": "forbidden"}


def test_without_the_right_to_list_limit_ranges_the_answer_says_so() -> None:
    found = guarded(kube(nodes=[node()], ranges=FORBIDDEN), "ns", None, wanted())
    assert (found["decision"], found["not_counted"]) == ("install", ["limit ranges, which this account may not list"])


def test_another_error_is_told_as_it_is() -> None:
    with pytest.raises(ApiError, match="The Kubernetes API cannot be reached"):
        read_cluster(kube(ranges=ApiError("The Kubernetes API cannot be reached")), "ns")


def of_release(release: str = "r", namespace: str = "ns", phase: str = "Running", **about: Any) -> Json:
    one = pod(phase=phase)
    one["metadata"] |= {"namespace": namespace, "labels": {"app.kubernetes.io/instance": release}, **about}
    return one


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (of_release(), True),
        (of_release(ownerReferences=[{"kind": "ReplicaSet"}]), True),
        (of_release(deletionTimestamp="now"), True),
        (of_release("other"), False),
        (of_release(namespace="other"), False),
        (of_release(phase="Succeeded"), False),
        (of_release(ownerReferences=[{"kind": "Job"}]), False),
        (of_release(annotations={"helm.sh/hook": "test"}), False),
        (pod(), False),
    ],
)
def test_which_pods_are_old(given: Json, expected: bool) -> None:
    assert is_old(given, "ns", "r") is expected


@pytest.mark.parametrize(("release", "decision"), [("r", "recreate"), ("other", "refuse"), (None, "refuse")])
def test_the_pods_of_the_release_are_the_old_ones(release: str | None, decision: str) -> None:
    assert guarded(kube(nodes=[node()], pods=[of_release()]), "ns", release, wanted())["decision"] == decision
