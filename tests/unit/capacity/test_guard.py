# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether new pods fit beside the old ones, in their place, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.guard import Cluster, decide
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.wanted import Wanted

from tests.unit.capacity.makers import GPU, Json, container, limit_range, node, pod, quota, spec, wanted

OLD = [pod()]
TWO = [pod(uid="a"), pod(uid="b")]
HALF = [pod(uid="a", gpu="1", cpu="0.5"), pod(uid="b", gpu="1", cpu="0.5")]
ENDING = [pod(ends=True)]
BIG = container(gpu="2")
SLICES: Json = {"nvidia.com/mig-1g.10gb": "6"}


@dataclass
class Case:
    """One release in one cluster, and what is to be decided."""

    decision: str
    told: str
    nodes: list[Json] = field(default_factory=lambda: [node()])
    old: list[Json] = field(default_factory=list)
    others: list[Json] = field(default_factory=list)
    quotas: list[Json] = field(default_factory=list)
    wanted: Wanted = field(default_factory=wanted)

    def found(self) -> Json:
        return decide(Cluster(self.nodes, [*self.old, *self.others], self.quotas), self.wanted, self.old)


CASES = {
    "nothing runs and it fits": Case("install", "room for 1 pods, and 1 shall run. Each pod needs 1 nvidia.com/gpu."),
    "nothing runs and another has it": Case(
        "refuse", f"0 of 1 pods, and there is no old one to make room. {{}} n: {GPU} 0 free of 1", others=OLD
    ),
    "no room on two nodes": Case(
        "refuse", f"m: {GPU} 0 free of 1; n: {GPU} 0 free of 1", [node(), node("m")], others=[*OLD, pod("m", "m")]
    ),
    "none shall run": Case("install", "0 shall run", others=OLD, wanted=wanted(0)),
    "alone on its GPU": Case("recreate", f"in the place of an old one. {{}} n: {GPU} 0 free of 1", old=OLD),
    "beside on the node": Case("surge", "room for 1", [node(gpus="2")], OLD),
    "beside on another": Case("surge", "room for 1", [node(), node("m")], OLD),
    "one that ends holds it": Case("refuse", "room for 0 of 1", others=ENDING),
    "its own one that ends holds it": Case("recreate", f"{GPU} 0 free of 1", old=ENDING),
    "its own one ends, and there is room": Case("surge", "room for 1", [node(gpus="2")], ENDING),
    "one that has ended does not": Case("install", "", others=[pod(phase="Succeeded")]),
    "one without a node does not": Case("install", "", others=[pod(on="")]),
    "more replicas than there is room": Case("refuse", "2 of 3", [node(gpus="2")], OLD, wanted=wanted(3)),
    "no node": Case("refuse", "there is no node", []),
    "too large once the old one is gone": Case("refuse", "even without the old ones", old=OLD, wanted=wanted(1, BIG)),
    "larger, beside": Case("surge", "room for 1", [node(gpus="3")], OLD, wanted=wanted(1, BIG)),
    # A rolling update starts the second only once the first old one is gone, and its place is too small.
    "larger, beside but not in turn": Case(
        "recreate", "not for the next in the place", [node("n", "2"), node("m", "2")], TWO, wanted=wanted(2, BIG)
    ),
    "in turn": Case("surge", "room for 1", [node(gpus="3")], TWO, wanted=wanted(2)),
    "two more than there are": Case(
        "recreate", "room for 1 beside the old pods, and 2 have to start first", [node(gpus="2")], OLD, wanted=wanted(2)
    ),
    "fewer than there are": Case("surge", "room for 1", [node(gpus="3")], TWO, wanted=wanted(1)),
    "their node is closed now": Case(
        "recreate",
        "not for the next",
        [node("n", "2", spec={"unschedulable": True}), node("m", "2")],
        [*TWO, pod("m", "c")],
        wanted=wanted(2),
    ),
    "one of two ends by itself": Case(
        "recreate", "1 beside the old pods, and 2 have to", [node(gpus="3")], [*ENDING, pod(uid="b")], wanted=wanted(2)
    ),
    "it ends by itself, and two shall run": Case(
        "recreate", "1 beside the old pods, and 2 have to", [node(gpus="2")], ENDING, wanted=wanted(2)
    ),
    "their node is closed, and the other too small": Case(
        "refuse", "1 of 2", [node("n", "2", spec={"unschedulable": True}), node("m")], TWO, wanted=wanted(2)
    ),
    "cpu that the old ones do not free": Case(
        "refuse", "cpu 8 free of 8", [node(gpus="3")], HALF, wanted=wanted(2, container(gpu="1", cpu="5"))
    ),
    "a set that numbers its pods": Case(
        "recreate", "A StatefulSet replaces", [node(gpus="2")], OLD, wanted=wanted(can_surge=False)
    ),
    "as many as run": Case("surge", "room for 1", [node(gpus="3")], TWO, wanted=wanted(None)),
    "as many as run, larger": Case("refuse", "1 of 2", [node(gpus="2")], TWO, wanted=wanted(None, BIG)),
    "as many as run, none": Case("install", "1 shall run", wanted=wanted(None)),
    "quota beside": Case(
        "recreate", f"quota q: requests.{GPU} 0 left of 1", [node(gpus="2")], OLD, [], [quota(requests__gpu=("1", "1"))]
    ),
    "quota at all": Case("refuse", "quota q: pods 0 left of 3", quotas=[quota(pods=("3", "3"))]),
    "quota that names no cpu": Case(
        "refuse", "requests.cpu has to be stated", quotas=[quota(requests__cpu=("9", "0"))]
    ),
    "quota in turn": Case(
        "surge", "room for 1", [node(gpus="4")], TWO, [], [quota(requests__gpu=("3", "2"))], wanted(2)
    ),
    "quota not in turn": Case(
        "recreate",
        "not for the next",
        [node(gpus="4")],
        HALF,
        [],
        [quota(requests__cpu=("2", "1"))],
        wanted(2, container(gpu="1", cpu="1")),
    ),
    "quota for other pods": Case("install", "", quotas=[quota(scopes={"scopes": ["Terminating"]}, pods=("0", "0"))]),
    "MIG": Case(
        "refuse",
        "m: nvidia.com/mig-1g.10gb 1 free of 7; n: nvidia.com/mig-1g.10gb 0 free of 0",
        [node(), node("m", allocatable={"nvidia.com/mig-1g.10gb": "7"})],
        others=[pod("m", "x", **SLICES)],
        wanted=wanted(1, container(**{"nvidia.com/mig-1g.10gb": "2"})),
    ),
    "places for pods": Case("refuse", "n: pods 0 free of 0", [node(allocatable={"pods": "0"})]),
    "memory": Case(
        "refuse", "memory 65535Mi free of 64Gi", others=[pod(memory="1Mi")], wanted=wanted(1, container(memory="64Gi"))
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_decision(name: str) -> None:
    case = CASES[name]
    found = case.found()
    assert found["decision"] == case.decision, found["msg"]
    assert case.told.replace("{}", "Each pod needs 1 nvidia.com/gpu.") in found["msg"]


def test_the_numbers_of_a_decision() -> None:
    old, more = [pod(gpu="1", cpu="2")], {"gpu": "1", "cpu": "1500m", "memory": "1Gi"}
    cluster = Cluster([node(), node("m", ready="False")], old, [quota(requests__gpu=("1", "1"), pods=("9", "1"))])
    found = decide(cluster, wanted(1, container(**more)), old)
    numbers = {each["name"]: each for each in found["nodes"]}
    assert (found["replicas"], found["fits_beside"], found["fits_after_replacing"]) == (1, 0, 1)
    assert found["needed"] == {GPU: "1", "cpu": "1.5", "memory": "1Gi", "pods": "1"}
    assert numbers["n"]["resources"]["cpu"] == {"allocatable": "8", "used": "2", "free": "6"}
    assert numbers["n"]["resources"][GPU] == {"allocatable": "1", "used": "1", "free": "0"}
    assert (numbers["n"]["pods_beside"], numbers["n"]["pods_after_replacing"]) == (0, 1)
    assert numbers["n"]["why"] == f"{GPU} 0 free of 1"
    assert (numbers["m"]["pods_after_replacing"], numbers["m"]["why"]) == (0, "it is not ready")
    told = {"name": "q", "resource": f"requests.{GPU}", "hard": "1", "used": "1", "needed": "1", "pods": 0}
    assert found["quota"][0] == {**told, "why": f"quota q: requests.{GPU} 0 left of 1"}
    assert found["quota"][1]["pods"] == 8


def test_a_large_fleet_is_told_in_few_words() -> None:
    cordoned = [node(f"c{number}", spec={"unschedulable": True}) for number in range(500)]
    without = [node(f"a{number}", "0") for number in range(20)]
    uneven = [node(f"u{number}", str(number + 1)) for number in range(9)]
    big = wanted(1, container(gpu="16"))
    told = [f"u{number}: {GPU} {number + 1} free of {number + 1}" for number in range(5)]
    expected = "; ".join(["c0, c1, c10 and 497 more: it is cordoned", *told, "24 other nodes"])
    assert expected in decide(Cluster([*without, *cordoned, *uneven], []), big, [])["msg"]


def test_defaults_of_limit_ranges_count() -> None:
    ranges = [limit_range(default={"cpu": "9"}, defaultRequest={"cpu": "9"})]
    assert decide(Cluster([node()], [], [], ranges), wanted(), [])["decision"] == "refuse"
    stated = wanted(1, container(gpu="1", cpu="1"))
    assert decide(Cluster([node()], [], [], ranges), stated, [])["decision"] == "install"


WAITS = pod(on="", uid="w", phase="Pending")
GATED = {**WAITS, "spec": {**WAITS["spec"], "schedulingGates": [{"name": "a"}]}}
BY_CLASS = quota(scopes={"scopes": ["PriorityClass"]}, pods=("0", "0"))


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        (Cluster([node()], []), []),
        (Cluster([node()], [WAITS]), [f"1 other pods that wait for {GPU}"]),
        (Cluster([node()], [pod(on="", cpu="1"), pod(on="", ends=True), GATED]), []),
        (Cluster([node()], [], [BY_CLASS]), ["a default priority class, for quota q"]),
        (Cluster([node()], [], [], None), ["limit ranges, which this account may not list"]),
        (Cluster([node()], [], [], [limit_range(max={"cpu": "1"})]), ["bounds of limit range r"]),
    ],
)
def test_what_around_the_pods_is_not_counted(cluster: Cluster, expected: list[str]) -> None:
    assert decide(cluster, wanted(), [])["not_counted"] == expected
    assert decide(cluster, wanted(None, hostNetwork=True, resourceClaims=[{}]), [])["not_counted"] == sorted(
        [*expected, "resource claims"]
    )


def test_a_named_priority_class_needs_no_default() -> None:
    found = decide(Cluster([node()], [], [BY_CLASS]), wanted(priorityClassName="high"), [])
    assert found["not_counted"] == ["preemption by priority"]


def test_its_own_waiting_pod_is_no_other() -> None:
    assert decide(Cluster([node()], [WAITS]), Wanted(spec(), 1), [WAITS])["not_counted"] == []
