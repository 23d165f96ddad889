# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that become ready in the end, whatever happens on the way: drawn from a seed, some at the same time."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.integration.readiness.deployments import MODEL, Deployments, Json, parameters
from tests.integration.readiness.failures import Attempt
from tests.integration.readiness.scene import Scene, server

# `fresh` is only made, `scaled` and `updated` are changed right before the wait, the latter while its old pods serve
# or still load; of `killed` a server, of `deleted` a pod ends during the wait.
KINDS = ("fresh", "scaled", "updated", "updated-early", "killed", "deleted")
SECONDS_FOR_ALL = 90.0


@dataclass(frozen=True)
class Run:
    """One release. `pull` are the seconds before its server is started, `moment` those before something ends."""

    number: int
    kind: str
    replicas: int
    load: float
    pull: float
    moment: float

    @property
    def containers(self) -> list[Json]:
        return [server(load=self.load)]

    @property
    def pod(self) -> Json:
        """An init container that takes its time, as a pull does."""
        sleeper = {"name": "pull", "image": "example.org/none:1", "command": ["sleep", f"{self.pull:.2f}"]}
        return {"initContainers": [sleeper]} if self.pull else {}


def draw(seed: str, number: int) -> Run:
    """The run of this number; the same for the same seed."""
    dice = random.Random(f"{seed}/{number}")  # noqa: S311 # it has to repeat itself
    pull = dice.choice((0.0, dice.uniform(0, 1)))
    kind, replicas = dice.choice(KINDS), dice.choice((1, 1, 2, 3))
    return Run(number, kind, replicas, round(dice.uniform(0, 2), 2), round(pull, 2), round(dice.uniform(0, 3), 2))


class Batch:
    """Runs that are waited for together, in one call of the module.

    Args:
        deployments: of the namespace.
        state_dir: of the lab.
        runs: what to do.
        each_replica: as the module takes it.
    """

    def __init__(self, deployments: Deployments, state_dir: Path, runs: Sequence[Run], *, each_replica: bool) -> None:
        self.deployments, self.state_dir, self.runs, self.each_replica = deployments, state_dir, runs, each_replica
        self.over = threading.Event()

    def play(self, folder: Path) -> list[str]:
        """Make all, wait for all, and return what went wrong."""
        with ExitStack() as stack:
            scenes = [stack.enter_context(Scene(self.deployments, folder, self.state_dir)) for _run in self.runs]
            pairs = list(zip(self.runs, scenes, strict=True))
            for step in (begin, change):
                for run, scene in pairs:
                    step(run, scene)
            for run, scene in pairs:
                threading.Thread(target=self.disturb, args=(run, scene), daemon=True).start()
            result = self.wait(scenes, folder)
            self.over.set()
            return [problem for found in map(judge, pairs, result["releases"]) for problem in found]

    def wait(self, scenes: Sequence[Scene], folder: Path) -> Json:
        """What the module says of them."""
        releases = [{"model": MODEL, "release": each.release, "namespace": each.namespace} for each in scenes]
        more = {"kubeconfig": self.deployments.kubeconfig, "timeout": SECONDS_FOR_ALL}
        params = parameters(releases=releases, each_replica=self.each_replica, **more)
        result, _end = Attempt(params, folder).result()
        return result

    def disturb(self, run: Run, scene: Scene) -> None:
        """End a server or a pod once, unless all is over before."""
        actions: dict[str, Callable[[Scene], None]] = {"killed": Scene.kill_processes, "deleted": delete_pod}
        if run.kind in actions and not self.over.wait(run.moment):
            actions[run.kind](scene)


def begin(run: Run, scene: Scene) -> None:
    scene.deploy(*run.containers, replicas=1 if run.kind == "scaled" else run.replicas, pod=run.pod)


def change(run: Run, scene: Scene) -> None:
    """What has happened to a release right before the wait."""
    if run.kind == "updated":
        scene.deployments.wait_available(scene.release)
    if run.kind in ("updated", "updated-early"):
        scene.update({"name": "vllm", "env": [{"name": "REVISION", "value": "2"}]})
    if run.kind == "scaled":
        scene.deployments.patch(scene.release, {"replicas": run.replicas})


def delete_pod(scene: Scene) -> None:
    for pod in scene.pods()[:1]:
        scene.deployments.pods.delete(pod["metadata"]["name"])


def judge(pair: tuple[Run, Scene], result: Json) -> list[str]:
    """What is wrong: not ready, or ready before its rollout was complete."""
    run, scene = pair
    problems = [] if result["ready"] else [f"{run}: {result['reason']}: {result['msg']}"]
    found = scene.deployments.get(scene.release)
    seen = found["status"].get("observedGeneration") == found["metadata"]["generation"]
    if run.kind not in ("killed", "deleted") and not (seen and found["status"].get("updatedReplicas") == run.replicas):
        problems.append(f"{run}: ready too early: {found['status']}")
    return problems
