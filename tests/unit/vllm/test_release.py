# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several releases of a namespace, over the same three lists."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.feed import Feed
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ApiError, ForbiddenError, Kube
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Workload
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.release import Releases

from tests.unit.vllm.objects import LABEL, Json, deployment, pod, replicaset

APPS, CORE = "/apis/apps/v1/namespaces/ns", "/api/v1/namespaces/ns"
DEPLOYMENTS, SETS, PODS = f"{APPS}/deployments", f"{APPS}/replicasets", f"{CORE}/pods"


def of(release: str, item: Json) -> Json:
    item["metadata"]["labels"] = {LABEL: release}
    item["metadata"]["uid"] = f"{release}-{item['metadata']['uid']}"
    for owner in item["metadata"].get("ownerReferences", ()):
        owner["uid"] = f"{release}-{owner['uid']}"
    return item


class Lists:
    """An API server that is listed once."""

    def __init__(self, **refused: ApiError) -> None:
        self.refused = refused
        self.asked: list[tuple[str, str]] = []

    def get(self, path: str, labelSelector: str) -> Any:  # noqa: N803 - the API's own word
        self.asked.append((path, labelSelector))
        kind = path.rpartition("/")[2]
        if kind in self.refused:
            raise self.refused[kind]
        made = {
            "deployments": [of("a", deployment()), of("b", deployment(readyReplicas=None))],
            "replicasets": [of("a", replicaset()), of("b", replicaset())],
            "pods": [of("a", pod("a-1")), of("b", pod("b-1")), of("b", pod("b-2"))],
        }
        return {"metadata": {"resourceVersion": "1"}, "items": made[kind]}


def listed(api: Lists, *names: str) -> Releases:
    releases = Releases(cast(Kube, api), "ns", names, once=True)
    assert not releases.known()
    releases.begin()
    return releases


def test_each_release_has_its_own_objects() -> None:
    releases = listed(api := Lists(), "b", "a")
    assert api.asked == [(path, f"{LABEL} in (a,b)") for path in (DEPLOYMENTS, SETS, PODS)]
    assert releases.known()
    assert not any(hasattr(feed, "thread") for feed in releases.feeds)
    assert [[each.name for each in releases.workload(name).pods] for name in "ab"] == [["a-1"], ["b-1", "b-2"]]
    assert [releases.workload(name).ready for name in "ab"] == [1, 0]
    assert releases.workload("c") == Workload()


@pytest.mark.parametrize("kind", ["deployments", "replicasets", "pods"])
def test_what_cannot_be_read_is_told(kind: str) -> None:
    error = ForbiddenError("no", f"cannot list {kind}")
    releases = listed(Lists(**{kind: error}), "a")
    assert releases.known()
    with pytest.raises(ForbiddenError, match=kind):
        releases.workload("a")


def test_silence_is_told() -> None:
    releases = listed(Lists(), "a")
    releases.feeds[1].heard = time.monotonic() - 99
    with pytest.raises(ApiError, match="silent for 99 s"):
        releases.workload("a")


def test_a_change_wakes_whom_it_concerns() -> None:
    releases = Releases(cast(Kube, Lists()), "ns", ["a", "b"], once=True)
    releases.notify(of("a", pod()))
    assert [releases.changes[name].is_set() for name in "ab"] == [True, False]
    releases.notify(of("stranger", pod()))
    assert not releases.changes["b"].is_set()
    releases.notify(None)
    assert releases.changes["b"].is_set()


def test_they_are_known_when_all_lists_are_or_cannot_be() -> None:
    releases = Releases(cast(Kube, Lists()), "ns", ["a"], once=True)
    for feed in releases.feeds:
        assert not releases.known()
        feed.read_once()
    assert releases.known()


def test_they_are_followed_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    releases = Releases(cast(Kube, Lists()), "ns", ["a"])
    monkeypatch.setattr(Feed, "follow", lambda feed, _version: feed.ended.wait())
    releases.begin()
    assert releases.changes["a"].wait(5)
    releases.end()
    for feed in releases.feeds:
        feed.thread.join(5)
        assert not feed.thread.is_alive()


def gone(_item: Json) -> None:
    """The list no longer holds it."""


def deleted(item: Json) -> None:
    item["metadata"]["deletionTimestamp"] = "2026-11-01T12:00:00Z"


def given_up(item: Json) -> None:
    item["status"]["phase"] = "Failed"


@pytest.mark.parametrize("end", [gone, deleted, given_up])
@pytest.mark.parametrize("before", [True, False])
def test_a_pod_that_begins_to_end_is_told_of(end: Callable[[Json], None], before: bool) -> None:
    releases, told = listed(Lists(), "a", "b"), list[str]()
    pods = releases.feeds[-1].objects
    (uid, other) = (next(each for each in pods if each.startswith(name)) for name in "ab")

    def happens() -> None:
        end(item := pods[uid])
        if end is gone:
            del pods[uid]
        releases.notify(item)

    if before:
        happens()
    with releases.told_of_end(other, lambda: told.append("b")):
        with releases.told_of_end(uid, lambda: told.append("a")):
            assert told == (["a"] if before else [])
            if not before:
                happens()
            assert told == ["a"]
        releases.notify(None)
        assert told == ["a"], "nobody listens any more"
