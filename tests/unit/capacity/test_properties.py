# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for each decision, whatever the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.fleet import devices
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.guard import Cluster, decide
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.capacity.makers import GPU, Json, container, node, pod, quota, wanted

RANKS = ("refuse", "recreate", "surge", "install")


@dataclass
class Scene:
    """Nodes by their GPUs, and pods by their GPUs and their node."""

    nodes: dict[str, int]
    old: list[tuple[str, int]]
    others: list[tuple[str, int]]
    quota: int | None
    size: int
    replicas: int

    def decide(self) -> Json:
        old = [pod(on, f"old{number}", gpu=str(gpus)) for number, (on, gpus) in enumerate(self.old)]
        others = [pod(on, f"other{number}", gpu=str(gpus)) for number, (on, gpus) in enumerate(self.others)]
        used = str(sum(gpus for _unused, gpus in [*self.old, *self.others]))
        quotas = [] if self.quota is None else [quota(requests__gpu=(str(self.quota), used))]
        nodes = [node(name, str(gpus)) for name, gpus in self.nodes.items()]
        return decide(
            Cluster(nodes, [*old, *others], quotas), wanted(self.replicas, container(gpu=str(self.size))), old
        )


pods = st.lists(st.tuples(st.sampled_from("nm"), st.integers(1, 2)), max_size=3)
scenes = st.builds(
    Scene,
    st.fixed_dictionaries({"n": st.integers(0, 5), "m": st.integers(0, 5)}),
    pods,
    pods,
    st.none() | st.integers(0, 12),
    st.integers(1, 2),
    st.integers(1, 3),
)


def roll(scene: Scene, chance: Random) -> bool:
    """Do as a Deployment does that starts one pod more and ends none before; whether it comes to its end."""
    free = {
        name: gpus - sum(size for on, size in scene.old + scene.others if on == name)
        for name, gpus in scene.nodes.items()
    }
    left = 10_000 if scene.quota is None else scene.quota - sum(size for _unused, size in scene.old + scene.others)
    old, new = list(scene.old), 0
    while old or new < scene.replicas:
        places = [name for name, gpus in free.items() if gpus >= scene.size and left >= scene.size]
        if len(old) + new > scene.replicas or (old and new == scene.replicas):
            on, size = old.pop(chance.randrange(len(old)))
            free[on] += size
            left += size
        elif places:
            free[chance.choice(places)] -= scene.size
            left -= scene.size
            new += 1
        else:
            return False
    return True


@given(scenes, st.randoms(use_true_random=False))
def test_a_surge_comes_to_its_end(scene: Scene, chance: Random) -> None:
    if scene.decide()["decision"] in ("surge", "install"):
        assert roll(scene, chance)


@given(scenes, st.randoms(use_true_random=False))
def test_what_surely_comes_to_its_end_by_pods_of_the_same_size_is_a_surge(scene: Scene, chance: Random) -> None:
    """Unless nothing fits beside at first, or some node is too full even without the old pods."""
    scene.old = [(on, scene.size) for on, _unused in scene.old]
    found = scene.decide()
    if found["decision"] == "recreate" and found["fits_beside"] and len(scene.old) >= scene.replicas:
        assert not roll(scene, chance)


@given(scenes)
def test_a_recreate_finds_room(scene: Scene) -> None:
    found = scene.decide()
    assert found["fits_beside"] <= found["fits_after_replacing"]
    if found["decision"] == "recreate":
        scene.old, scene.quota = (
            [],
            None if scene.quota is None else scene.quota - sum(size for _unused, size in scene.old),
        )
        assert found["fits_after_replacing"] >= scene.replicas


@given(scenes, st.sampled_from("nm"), st.integers(1, 2))
def test_another_pod_never_makes_more_room(scene: Scene, on: str, gpus: int) -> None:
    before = scene.decide()
    scene.others.append((on, gpus))
    after = scene.decide()
    assert after["fits_beside"] <= before["fits_beside"]
    assert after["fits_after_replacing"] <= before["fits_after_replacing"]
    assert RANKS.index(after["decision"]) <= RANKS.index(before["decision"])
    for one, two in zip(before["nodes"], after["nodes"], strict=True):
        assert int(two["resources"][GPU]["free"]) <= int(one["resources"][GPU]["free"])


@given(scenes, st.integers(1, 3), st.booleans())
def test_another_gpu_or_more_quota_is_never_worse(scene: Scene, more: int, of_quota: bool) -> None:
    before = RANKS.index(scene.decide()["decision"])
    if of_quota and scene.quota is not None:
        scene.quota += more
    else:
        scene.nodes["n"] += more
    assert RANKS.index(scene.decide()["decision"]) >= before


@given(scenes)
def test_fewer_pods_are_never_worse_where_nothing_runs(scene: Scene) -> None:
    scene.old, scene.replicas = [], scene.replicas + 1
    before = scene.decide()["decision"]
    scene.replicas -= 1
    assert RANKS.index(scene.decide()["decision"]) >= RANKS.index(before)


@given(scenes)
def test_what_is_used_and_free_is_no_more_than_there_is(scene: Scene) -> None:
    held = [pod(on, str(number), gpu=str(gpus)) for number, (on, gpus) in enumerate(scene.old)]
    nodes = [node(name, str(gpus)) for name, gpus in scene.nodes.items()]
    for each in devices(Cluster(nodes, held)):
        assert each["free"] == max(0, each["allocatable"] - each["used"])
