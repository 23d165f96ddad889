# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module foretells, and what the scheduler then does."""

from __future__ import annotations

import json

import pytest

from tests.integration.capacity.world import DEVICE, Json, World, gpus, scheduled


def near(key: str, operator: str, *values: str, kind: str = "matchExpressions") -> Json:
    term = {kind: [{"key": key, "operator": operator, "values": list(values)}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"affinity": {"nodeAffinity": required}}


SIDECAR = {"name": "side", "image": "x", "restartPolicy": "Always", **gpus(1)}
SCENES: dict[str, tuple[list[Json], Json, int]] = {
    # What is there before, what comes, and for how many of it there is room.
    "empty": ([], {"containers": [gpus(1)]}, 2),
    "one is taken": ([{"containers": [gpus(1)]}], {"containers": [gpus(1)]}, 1),
    "all are taken": ([{"containers": [gpus(2)]}], {"containers": [gpus(1)]}, 0),
    "too many for one": ([], {"containers": [gpus(3)]}, 0),
    "two containers": ([], {"containers": [gpus(1), gpus(1)]}, 1),
    "no device, and cpu for three": ([{"containers": [gpus(1)]}], {"containers": [gpus(0)]}, 3),
    "an init container": ([], {"containers": [gpus(1)], "initContainers": [{"name": "i", "image": "x", **gpus(2)}]}, 1),
    "a sidecar": ([], {"containers": [gpus(1)], "initContainers": [SIDECAR]}, 1),
    "memory": ([], {"containers": [gpus(1, memory="9Gi")]}, 1),
    "no toleration": ([], {"containers": [gpus(1)], "tolerates": False}, 0),
    "a toleration of all": ([], {"containers": [gpus(1)], "tolerations": [{"operator": "Exists"}]}, 2),
    "a toleration of another value": (
        [],
        {"containers": [gpus(1)], "tolerations": [{"key": "own", "value": "x", "effect": "NoSchedule"}]},
        0,
    ),
    "an init container after a sidecar": (
        [],
        {"containers": [gpus(0)], "initContainers": [SIDECAR, {"name": "i", "image": "x", **gpus(1)}]},
        1,
    ),
    "an init container before a sidecar": (
        [],
        {"containers": [gpus(0)], "initContainers": [{"name": "i", "image": "x", **gpus(1)}, SIDECAR]},
        2,
    ),
    "the whole pod": (
        [],
        {"containers": [gpus(1)], "resources": {"requests": {"cpu": "3"}, "limits": {"cpu": "3"}}},
        1,
    ),
    "a label": ([], {"containers": [gpus(1)], **near("zone", "In", "a", "b")}, 2),
    "another label": ([], {"containers": [gpus(1)], **near("zone", "NotIn", "a")}, 0),
    "a label that is missing": ([], {"containers": [gpus(1)], **near("disk", "NotIn", "ssd")}, 2),
    "a number": ([], {"containers": [gpus(1)], **near("size", "Gt", "4")}, 2),
    "a smaller number": ([], {"containers": [gpus(1)], **near("size", "Lt", "5")}, 0),
    "a name": ([], {"containers": [gpus(1)], **near("metadata.name", "In", "gpu-node-0", kind="matchFields")}, 0),
}


@pytest.mark.parametrize("scene", SCENES)
def test_the_scheduler_does_what_was_foretold(world: World, scene: str) -> None:
    before, comes, room = SCENES[scene]
    for number, each in enumerate(before):
        world.make(f"before-{number}", world.spec(*each["containers"]), "other")
    spec = world.spec(*comes["containers"], **{name: value for name, value in comes.items() if name != "containers"})
    foretold = world.foretold(spec, 1)
    for number in range(4):
        world.make(f"new-{number}", spec, "new")
    assert (foretold["fits_beside"], world.placed()) == (room, room), foretold
    assert foretold["decision"] == ("install" if room else "refuse")


def test_a_cordoned_node_takes_who_tolerates_it(world: World) -> None:
    world.kubectl("cordon", world.name)
    tolerant = world.spec(gpus(1), tolerations=[{"operator": "Exists"}])
    foretold = [world.foretold(spec, 1)["fits_beside"] for spec in (world.spec(gpus(1)), tolerant)]
    world.make("new", world.spec(gpus(1)), "new")
    world.make("tolerant", tolerant, "new")
    assert foretold == [0, 2]
    assert (world.placed("new"), world.placed("tolerant")) == (0, 1)


def test_a_node_that_is_not_ready_takes_none(world: World) -> None:
    """The label keeps the lab from making it ready again."""
    world.kubectl("label", "node", world.name, "lab-lost=1")
    lost = {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Lost", "message": "lost"}]}}
    world.kubectl("patch", "node", world.name, "--subresource=status", "--patch", json.dumps(lost))
    taints = ["get", "node", world.name, "-o", "jsonpath={.spec.taints}"]
    world.wait("its taint", lambda: "not-ready" in world.kubectl(*taints))
    foretold = world.foretold(world.spec(gpus(1)), 1)
    world.make("new", world.spec(gpus(1)), "new")
    assert (foretold["decision"], world.placed()) == ("refuse", 0)
    assert f"{world.name}: it is not ready" in foretold["msg"]


ROLLOUTS: dict[str, tuple[int, int, str]] = {
    # How many devices the node has, how many each new pod asks for (an old one asks for one), and the decision.
    "in turn": (3, 1, "surge"),
    "no room": (2, 1, "recreate"),
    "room for the first alone": (4, 2, "recreate"),
    "room for all": (6, 2, "surge"),
}


@pytest.mark.parametrize(("world", "size", "decision"), ROLLOUTS.values(), indirect=["world"], ids=list(ROLLOUTS))
def test_a_rollout_comes_to_its_end_if_it_was_foretold(world: World, size: int, decision: str) -> None:
    world.deploy(2, world.spec(gpus(1)))
    world.wait("the old pods", lambda: world.rollout().get("availableReplicas") == 2)
    spec = world.spec(gpus(size))
    new = {**spec, "containers": [{**spec["containers"][0], "image": "y"}]}
    foretold = world.foretold(new, 2)
    assert foretold["decision"] == decision, foretold
    world.deploy(2, new)
    if decision == "surge":
        whole = {"updatedReplicas": 2, "availableReplicas": 2, "replicas": 2}
        world.wait("its end", lambda: whole.items() <= world.rollout().items())
    else:
        waits = {"unavailableReplicas": 1, "availableReplicas": 2, "replicas": 3}
        world.wait("its standstill", lambda: waits.items() <= world.rollout().items())
        world.wait("the scheduler's word", lambda: len(world.pods()) == 3 and not world.undecided())
        assert [scheduled(each) for each in world.pods()].count(False) == 1


def test_a_pod_that_is_being_ended_holds_its_devices(world: World) -> None:
    """Until its containers have ended, which a hook here puts off."""
    server = {"image": "vllm/vllm-openai:v0.32.0", "args": ["org/tiny"]}
    hook = {**server, "lifecycle": {"preStop": {"exec": {"command": ["sleep", "600"]}}}}
    world.make("old", world.spec({**gpus(2), **hook}, terminationGracePeriodSeconds=600), "new")
    phase = ["get", "pod", "old", "-n", world.name, "-o", "jsonpath={.status.phase}{.metadata.deletionTimestamp}"]
    world.wait("its start", lambda: "Running" in world.kubectl(*phase))
    world.kubectl("delete", "pod", "old", "-n", world.name, "--wait=false")
    foretold = world.foretold(world.spec(gpus(1)), 1)
    assert (foretold["decision"], foretold["fits_beside"], foretold["fits_after_replacing"]) == ("recreate", 0, 2)
    assert f"{DEVICE} 0 free of 2" in foretold["msg"]
    world.make("new", world.spec(gpus(1)), "new")
    assert world.kubectl(*phase).startswith("Running2")
    assert [scheduled(each) for each in world.pods() if each["metadata"]["name"] == "new"] == [False]
