# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is verified is what is deployed: pods and Deployments that change or go while a model is waited for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.integration.lab.pods import condition
from tests.integration.readiness.deployments import Deployments, Json, container
from tests.integration.readiness.waiting import LONG, Wait, eventually
from tests.lab.kubelet.api import ApiError

SECONDS_TO_RECOVER = 10.0
# A token takes so long that something can happen meanwhile.
SLOW = {"LAB_VLLM_TOKEN_SECONDS": "1"}


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


@pytest.mark.parametrize("words", ["verifying", "ready: "], ids=["at the first answer", "at the second answer"])
@pytest.mark.parametrize("way", [evict, give_up])
def test_a_pod_that_is_evicted_while_it_answers(
    way: Callable[[Deployments, str], None], words: str, deployments: Deployments, release: str, tmp_path: Path
) -> None:
    deployments.create(release, container(env=SLOW))
    deployments.wait_available(release)
    old = names(deployments.pods_of(release))
    with Wait(deployments.parameters(release), tmp_path) as wait:
        wait.until(words)
        way(deployments, *old)
        result = wait.result()
        found = deployments.pods_of(release)
    assert result["ready"], (result, wait.lines)
    new = names([pod for pod in found if is_ready(pod)]) - old
    assert len(new) == 1, found
    assert tokens_of(deployments, *new) >= 2


@pytest.mark.parametrize("words", ["verifying", "ready: "], ids=["at the first answer", "at the second answer"])
def test_a_rollout_that_begins_while_the_old_pods_answer(
    words: str, deployments: Deployments, release: str, tmp_path: Path
) -> None:
    deployments.create(release, container(env=SLOW))
    deployments.wait_available(release)
    old = names(deployments.pods_of(release))
    with Wait(deployments.parameters(release), tmp_path) as wait:
        wait.until(words)
        # The old pods go on answering while the new ones load.
        new_container = container(env={**SLOW, "LAB_VLLM_LOAD_SECONDS": "2"})
        deployments.patch(release, {"template": {"spec": {"containers": [new_container]}}})
        result = wait.result()
        found = deployments.pods_of(release)
    assert result["ready"], (result, wait.lines)
    assert names(found).isdisjoint(old), "it was reported ready while the old pods were there"
    assert tokens_of(deployments, *names(found)) >= 2


def test_a_deployment_that_is_deleted(deployments: Deployments, release: str, tmp_path: Path) -> None:
    deployments.create(release, container(env={"LAB_VLLM_LOAD_SECONDS": str(LONG)}))
    with Wait(deployments.parameters(release), tmp_path) as wait:
        wait.until("loading")
        deployments.delete(release)
        result = wait.result(3)
    assert (result["reason"], result["severity"]) == ("not_found", "permanent")


def test_a_deployment_that_is_deleted_while_its_pod_answers(
    deployments: Deployments, release: str, tmp_path: Path
) -> None:
    deployments.create(release, container(env=SLOW))
    deployments.wait_available(release)
    with Wait(deployments.parameters(release), tmp_path) as wait:
        wait.until("ready: ")
        deployments.delete(release)
        result = wait.result(SECONDS_TO_RECOVER)
    assert (result["ready"], result["reason"]) == (False, "not_found")


def test_a_deployment_that_is_made_anew(deployments: Deployments, release: str, tmp_path: Path) -> None:
    """Under the same name, with fail_fast never, since in between there is none."""
    deployments.create(release, container(env={"LAB_VLLM_LOAD_SECONDS": str(LONG)}))
    with Wait(deployments.parameters(release, fail_fast="never"), tmp_path) as wait:
        wait.until("loading")
        deployments.delete(release)
        wait.until("not_found")
        eventually(lambda: recreated(deployments, release))
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
