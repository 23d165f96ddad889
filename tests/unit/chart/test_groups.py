# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model over several nodes, by a LeaderWorkerSet."""

from __future__ import annotations

from typing import Any

from tests.unit.chart.rendering import Helm, Manifest, Rendering, rendered

KNOWS_GROUPS = ("--api-versions=leaderworkerset.x-k8s.io/v1/LeaderWorkerSet",)
GROUP: dict[str, Any] = {
    "model": {"tensorParallelSize": 8, "pipelineParallelSize": 2},
    "gpu": {"count": 8},
    "leaderWorkerSet": {"enabled": True, "size": 2},
}


def group(helm: Helm, **values: Any) -> Rendering:
    """Render a group of two nodes with 8 GPUs each."""
    return rendered(helm, KNOWS_GROUPS, **GROUP, **values)


def containers(rendering: Rendering) -> list[Manifest]:
    """Return the leader's container and the worker's."""
    template = rendering.one("LeaderWorkerSet")["spec"]["leaderWorkerTemplate"]
    return [template[role]["spec"]["containers"][0] for role in ("leaderTemplate", "workerTemplate")]


def test_group_takes_the_place_of_the_deployment(helm: Helm) -> None:
    rendering = group(helm, replicas=2, deployId="7", kueue__queueName="gpus")
    found = rendering.one("LeaderWorkerSet")
    assert rendering.all("Deployment") == []
    assert rendering.all("PodDisruptionBudget") == []
    assert found["metadata"]["annotations"] == {"ai-aas.inference/deploy-id": "7"}
    assert found["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert found["spec"]["replicas"] == 2
    assert found["spec"]["leaderWorkerTemplate"]["size"] == 2
    assert found["spec"]["leaderWorkerTemplate"]["restartPolicy"] == "RecreateGroupOnPodRestart"


def test_all_pods_of_a_group_find_each_other(helm: Helm) -> None:
    for container in containers(group(helm)):
        assert {
            "--tensor-parallel-size=8",
            "--pipeline-parallel-size=2",
            "--nnodes=2",
            "--node-rank=$(LWS_WORKER_INDEX)",
            "--master-addr=$(LWS_LEADER_ADDRESS)",
            "--distributed-executor-backend=mp",
        } <= set(container["args"])
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 8


def test_only_the_leader_answers(helm: Helm) -> None:
    rendering = group(helm)
    leader, worker = containers(rendering)
    answering = {"ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle"}
    assert answering <= leader.keys()
    assert not answering & worker.keys()
    assert ("--headless" in leader["args"], "--headless" in worker["args"]) == (False, True)
    selector = rendering.one("Service")["spec"]["selector"]
    assert selector["leaderworkerset.sigs.k8s.io/worker-index"] == "0"


def test_deployment_knows_nothing_of_groups(helm: Helm) -> None:
    rendering = helm.template()
    assert "leaderworkerset.sigs.k8s.io/worker-index" not in rendering.one("Service")["spec"]["selector"]
    assert not [word for word in rendering.container["args"] if "node-rank" in word or "headless" in word]
