# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What serves is called ready: whatever is odd about it, and whatever happened on the way."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.integration.lab.pods import probe
from tests.integration.readiness.cluster_failures import deploys
from tests.integration.readiness.deployments import PATIENCE, Deployments, Json
from tests.integration.readiness.failures import Attempt, Params, Stage
from tests.integration.readiness.healthy import Batch, draw
from tests.integration.readiness.scene import Scene, server
from tests.integration.readiness.server_failures import certify

if TYPE_CHECKING:
    from tests.integration.conftest import SharedLab

RUNS = int(os.environ.get("SOAK_RUNS", "25"))
AT_ONCE = 8
MOST_FOR_ALL = 200


@dataclass(frozen=True)
class Oddity:
    """Something about a release that does not keep it from being ready."""

    name: str
    make: Callable[[Scene], Params | None]
    params: Params = field(default_factory=dict)


def key_in_secret(scene: Scene) -> Params:
    scene.create("secrets", scene.release, stringData={"api-key": "right"})
    scene.deploy(server("", "--api-key=right"))
    return {"api_key_secret": {"name": scene.release, "key": "api-key"}}


def trust(scene: Scene) -> Params:
    container, ours, _other = certify(scene)
    scene.deploy(container)
    return {"scheme": "https", "ca_cert": str(ours)}


def trust_anyone(scene: Scene) -> Params:
    scene.deploy(certify(scene)[0])
    return {"scheme": "https", "validate_certs": False}


def evict(scene: Scene) -> None:
    """The node gave a pod up, and another one has taken its place: it stays in the API until somebody deletes it."""
    scene.deploy()
    scene.deployments.wait_available(scene.release)
    given_up = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: ephemeral-storage."}
    scene.patch_pod(scene.pods()[0], {**given_up, "conditions": [{"type": "Ready", "status": "False"}]})
    scene.deployments.wait(scene.release, lambda pods: len(pods) == 2)


def thaw(scene: Scene) -> None:
    """A server that was frozen, and whose pod was Ready all the time."""
    scene.deploy(server("frozen"))
    scene.deployments.wait_available(scene.release)
    scene.deployments.misbehave(scene.release, None)


def kill_once(scene: Scene) -> None:
    scene.deploy()
    scene.deployments.wait_available(scene.release)
    scene.kill_processes()


SIDECAR = {"name": "proxy", "image": "example.org/none:1", "restartPolicy": "Always"}
ODDITIES = (
    Oddity("nothing", deploys()),
    Oddity("compressed", deploys(server("gzip"))),
    Oddity("no-metrics", deploys(server("metrics-missing"))),
    Oddity("empty-text", deploys(server("nan"))),
    Oddity("text", deploys(), {"probe": "text"}),
    Oddity("chat", deploys(), {"api": "chat"}),
    Oddity("chat-without-template", deploys(server("no-chat-template"))),
    Oddity("adapter", deploys(server("", "--lora-modules=sql=/adapters/sql")), {"aliases": ["sql"]}),
    Oddity("key", deploys(server("", "--api-key=right")), {"api_key": "right"}),
    Oddity("key-of-the-environment", deploys(server(env={"VLLM_API_KEY": "right"})), {"api_key": "right"}),
    Oddity("key-in-a-secret", key_in_secret),
    Oddity("tls", trust),
    Oddity("tls-without-verification", trust_anyone),
    Oddity("started-after", deploys(), {"started_after": "2020-01-01T00:00:00Z"}),
    Oddity("three-replicas", deploys(server(), replicas=3), {"each_replica": True}),
    Oddity("no-probes", deploys(server(load=1, startupProbe=None, readinessProbe=None))),
    Oddity("liveness-probe", deploys(server(livenessProbe=probe()))),
    Oddity("sidecar", deploys(pod={"initContainers": [SIDECAR]})),
    Oddity("evicted-and-replaced", evict, {"fail_fast": "suspect"}),
    Oddity("frozen-before", thaw),
    Oddity("killed-before", kill_once),
)


@pytest.fixture(scope="module")
def stage(
    deployments: Deployments, lab: SharedLab, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Stage[Json]]:
    """Waits for all that were chosen, some of them at the same time."""

    def act(oddity: Oddity) -> Json:
        with Scene(deployments, tmp_path_factory.mktemp("oddity"), lab.state_dir) as scene:
            own = oddity.make(scene) or {}
            params = {"timeout": PATIENCE, **oddity.params, **own}
            return Attempt(deployments.parameters(scene.release, **params), scene.folder).result()[0]

    chosen = {item.name for item in request.session.items}
    with Stage(act) as running:
        for oddity in ODDITIES:
            if f"test_it_is_ready[{oddity.name}]" in chosen:
                running.begin(oddity.name, oddity)
        yield running


@pytest.mark.parametrize("oddity", ODDITIES, ids=lambda oddity: oddity.name)
def test_it_is_ready(oddity: Oddity, stage: Stage[Json]) -> None:
    result = stage.begin(oddity.name, oddity).result(MOST_FOR_ALL)
    assert result["ready"], json.dumps(result, indent=1)
    assert result["reason"] is None


def test_no_healthy_release_is_called_not_ready(
    deployments: Deployments,
    lab: SharedLab,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A sample by default: SOAK_RUNS is the number of runs, SOAK_SEED repeats them."""
    seed = os.environ.get("SOAK_SEED") or str(secrets.randbelow(2**32))
    runs = [draw(seed, number) for number in range(RUNS)]
    begin = time.monotonic()

    def play(place: int) -> list[str]:
        some = runs[place : place + AT_ONCE]
        batch = Batch(deployments, lab.state_dir, some, each_replica=place // AT_ONCE % 2 == 0)
        return batch.play(tmp_path_factory.mktemp("batch"))

    with ThreadPoolExecutor(2) as pool:
        problems = [problem for found in pool.map(play, range(0, RUNS, AT_ONCE)) for problem in found]
    with capsys.disabled():
        seconds = time.monotonic() - begin
        print(f"\n{RUNS} healthy runs, {len(problems)} problems, {seconds:.0f} s: SOAK_SEED={seed} SOAK_RUNS={RUNS}")
    assert not problems, "\n".join(problems)
