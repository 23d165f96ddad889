# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is verified is what is deployed: pods and Deployments that change or go while a model is waited for."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import pytest

from tests.integration.lab.pods import condition
from tests.integration.readiness.deployments import Deployments, Json, container
from tests.integration.readiness.waiting import LONG, Wait, at_once, eventually
from tests.lab.kubelet.api import ApiError

SECONDS_TO_RECOVER = 15.0
SECONDS_FOR_ALL = 90.0
# A token takes so long that something can happen meanwhile.
SLOW = {"LAB_VLLM_TOKEN_SECONDS": "1"}
LOADING = {"LAB_VLLM_LOAD_SECONDS": str(LONG)}


def evict(deployments: Deployments, pod: str) -> None:
    """By the API, as a node is drained."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    deployments.api.request("POST", f"{deployments.pods.path}/pods/{pod}/eviction", body)


def give_up(deployments: Deployments, pod: str) -> None:
    """As a node does that has run out of memory: the pod stays, and has failed."""
    told = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    ready = {"type": "Ready", "status": "False", "reason": "PodFailed"}
    path = f"{deployments.pods.path}/pods/{pod}/status"
    deployments.api.request("PATCH", path, {"status": {**told, "conditions": [ready]}})


def names(pods: list[Json]) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods}


def is_ready(pod: Json) -> bool:
    return condition(pod, "Ready") == "True"


def tokens_of(deployments: Deployments, pod: str) -> float:
    """How many tokens a pod's server has made."""
    with deployments.pods.forward(pod) as url, contextlib.closing(urlopen(f"{url}/metrics", timeout=10)) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:generation_tokens_total"))


class Scene(NamedTuple):
    """A release of its own."""

    deployments: Deployments
    release: str
    folder: Path

    def begin(self) -> set[str]:
        """Make a release whose completions are slow, and return the names of its pods once they are Ready."""
        self.deployments.create(self.release, container(env=SLOW))
        self.deployments.wait_available(self.release)
        return names(self.deployments.pods_of(self.release))

    def wait(self, **more: Any) -> Wait:
        return Wait(self.deployments.parameters(self.release, timeout=40.0, **more), self.folder)


def evicted(way: Callable[[Deployments, str], None], words: str, scene: Scene) -> None:
    """At that moment."""
    old = scene.begin()
    with scene.wait() as wait:
        wait.until(words)
        way(scene.deployments, *old)
        result = wait.result(SECONDS_FOR_ALL)
        found = scene.deployments.pods_of(scene.release)
    assert result["ready"], (result, wait.lines)
    new = names([pod for pod in found if is_ready(pod)]) - old
    assert len(new) == 1, found
    assert tokens_of(scene.deployments, *new) >= 2


def rolled_out(words: str, scene: Scene) -> None:
    """Another revision begins at that moment. The old pods go on answering while the new ones load."""
    old = scene.begin()
    with scene.wait() as wait:
        wait.until(words)
        new_container = container(env={**SLOW, "LAB_VLLM_LOAD_SECONDS": "2"})
        scene.deployments.patch(scene.release, {"template": {"spec": {"containers": [new_container]}}})
        result = wait.result(SECONDS_FOR_ALL)
        found = scene.deployments.pods_of(scene.release)
    assert result["ready"], (result, wait.lines)
    assert names(found).isdisjoint(old), "it was reported ready while the old pods were there"
    assert tokens_of(scene.deployments, *names(found)) >= 2


def deleted_while_it_loads(scene: Scene) -> None:
    scene.deployments.create(scene.release, container(env=LOADING))
    with scene.wait() as wait:
        wait.until("loading")
        scene.deployments.delete(scene.release)
        result = wait.result(3)
    assert (result["reason"], result["severity"]) == ("not_found", "permanent")


def deleted_while_it_answers(scene: Scene) -> None:
    scene.begin()
    with scene.wait() as wait:
        wait.until("ready: ")
        scene.deployments.delete(scene.release)
        result = wait.result(SECONDS_TO_RECOVER)
    assert (result["ready"], result["reason"]) == (False, "not_found")


def made_anew(scene: Scene) -> None:
    """Under the same name, with fail_fast never, since in between there is none."""
    scene.deployments.create(scene.release, container(env=LOADING))
    with scene.wait(fail_fast="never") as wait:
        wait.until("loading")
        scene.deployments.delete(scene.release)
        wait.until("not_found")
        eventually(lambda: recreated(scene.deployments, scene.release))
        result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], wait.lines


def recreated(deployments: Deployments, release: str) -> bool:
    """Whether the name was free."""
    try:
        deployments.create(release)
    except ApiError as error:
        if error.status != 409:
            raise
        return False
    return True


FIRST, SECOND = "verifying", "ready: "
SCENES: dict[str, Callable[[Scene], None]] = {
    "a pod is evicted at the first answer": partial(evicted, evict, FIRST),
    "a pod is evicted at the second answer": partial(evicted, evict, SECOND),
    "a pod is given up at the first answer": partial(evicted, give_up, FIRST),
    "a pod is given up at the second answer": partial(evicted, give_up, SECOND),
    "a rollout begins at the first answer": partial(rolled_out, FIRST),
    "a rollout begins at the second answer": partial(rolled_out, SECOND),
    "the Deployment is deleted while it loads": deleted_while_it_loads,
    "the Deployment is deleted while it answers": deleted_while_it_answers,
    "the Deployment is made anew": made_anew,
}


@pytest.fixture(scope="module")
def scenes(deployments: Deployments, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    def play(name: str) -> None:
        release = f"r-{uuid.uuid4().hex[:8]}"
        try:
            SCENES[name](Scene(deployments, release, tmp_path_factory.mktemp("scene")))
        finally:
            deployments.delete(release)

    with at_once({name: partial(play, name) for name in SCENES}) as outcomes:
        yield outcomes


@pytest.mark.parametrize("name", SCENES)
def test_something_changes(name: str, scenes: dict[str, Future[None]]) -> None:
    scenes[name].result(SECONDS_FOR_ALL)
