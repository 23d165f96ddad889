# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which differences between a model's sides are seen, and by what each is mended."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.judge import Registered, judge
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.running import Running
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry

from tests.unit.drift.sides import DECLARED, ENTRY, deployment, pod, release, running

OTHER = "sha256:" + "cd" * 32
OVERWRITE = "deploy -e vllm_overwrite_manual_edits=true"


def told(*why: str, there: Running | None = None, **registered: Any) -> list[tuple[str, str, str]]:
    given = Registered(**{"entry": ENTRY, **registered})
    return [(each.between, each.what, each.mend) for each in judge(DECLARED, why, there or running(), given).findings]


def test_all_agree() -> None:
    verdict = judge(DECLARED, [], running(), Registered(ENTRY, '{"endpoint": "' + str(ENTRY.endpoint) + '"}', True))
    assert verdict == ((), (), (1, 1), True)


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({"live": {}}, [("deployed and running", "Deployment r is missing", OVERWRITE)]),
        ({"live": {"Deployment r": deployment(ready=0)}}, [("running", "0 of 1 pods are ready", "deploy")]),
        (
            {"live": {"Deployment r": deployment(2, 1)}},
            [
                ("deployed and running", "Deployment r: spec.replicas is 2, not 1", OVERWRITE),
                ("running", "1 of 2 pods are ready", "deploy"),
            ],
        ),
        ({"records": {}}, [("running", "revision 2 was never verified", "deploy")]),
        ({"records": {1: {}}}, [("running", "revision 2 was never verified", "deploy")]),
        (
            {"pods": (pod(OTHER),)},
            [("running", "image sha256:cdcdcdcdcdcd runs, and sha256:abababababab was verified", "deploy")],
        ),
        ({"pods": (pod(), pod(OTHER))}, []),
        ({"pods": ()}, []),
        ({"live": {}, "unseen": ["Deployment"]}, []),
    ],
)
def test_what_runs(there: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    found = [each for each in told(there=running(**there)) if each[0] != "running and registered"]
    assert found == expected


def test_what_a_deploy_would_do() -> None:
    assert told("value a differs") == [("declared and running", "value a differs", "deploy")]


def test_a_release_that_is_not_deployed_is_not_compared_with_its_objects() -> None:
    there = running(release=release("failed"), live={}, records={})
    assert told("its status is failed", there=there)[0] == ("declared and running", "its status is failed", "deploy")
    assert len(told("its status is failed", there=there)) == 2, "and nothing serves what is routed to"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (None, [("it is not registered", "deploy")]),
        (ENTRY._replace(endpoint="x:1"), [("its endpoint is x:1, not " + str(ENTRY.endpoint), "register")]),
        (ENTRY._replace(namespace="other"), [("its namespace is other, not ns", "register")]),
        (ENTRY._replace(namespace=None), []),
        (ENTRY._replace(metadata={"team": "red"}), [("its metadata differ: team", "register")]),
        (ENTRY._replace(metadata=None), []),
        (ENTRY._replace(status="degraded"), [("its status is degraded: nothing is routed to it", "deploy")]),
        (ENTRY._replace(status="deploying"), [("its status is deploying: nothing is routed to it", "deploy")]),
        (ENTRY._replace(status="disabled"), []),
    ],
)
def test_what_is_registered(entry: Entry | None, expected: list[tuple[str, str]]) -> None:
    assert told(entry=entry) == [("running and registered", *each) for each in expected]


def test_a_model_that_is_routed_to_and_serves_nobody() -> None:
    there = running(live={"Deployment r": deployment(ready=0)})
    assert ("running and registered", "it is routed to, and no pod is ready", "health") in told(there=there)


@pytest.mark.parametrize(
    ("entry", "cached", "asked", "expected"),
    [
        (ENTRY, None, True, []),
        (ENTRY, str(ENTRY.endpoint), True, []),
        (ENTRY, "other:1", True, [("the router's cache has another route to it", "register")]),
        (ENTRY, "other:1", False, []),
        (ENTRY._replace(status="disabled"), "x", True, [("the router's cache still has a route to it", "register")]),
        (None, "x", True, [("the router's cache still has a route to it", "")]),
    ],
)
def test_what_is_routed(entry: Entry | None, cached: str | None, asked: bool, expected: list[tuple[str, str]]) -> None:
    found = [each for each in told(entry=entry, cached=cached, asked=asked) if each[0] == "registered and routed"]
    assert found == [("registered and routed", *each) for each in expected]


def test_a_persons_decision_and_what_was_not_seen_are_noted() -> None:
    verdict = judge(DECLARED, [], running(unseen={"Service"}), Registered(ENTRY._replace(status="disabled")))
    assert verdict.findings == ()
    assert [note.split(":")[0] for note in verdict.notes] == [
        "Service objects were not compared",
        "a person disabled it",
    ]
