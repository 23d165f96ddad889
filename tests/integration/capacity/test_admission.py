# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module foretells by quotas and limit ranges, and what the API server then admits."""

from __future__ import annotations

import pytest

from tests.integration.capacity.world import DEVICE, Json, World, gpus


def limit(world: World, kind: str, spec: Json, known: str) -> None:
    """Make a quota or a limit range, and wait until the API server goes by it."""
    item = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "bounds"}, "spec": spec}
    world.kubectl("create", "-n", world.name, "--filename", "-", given=item)
    world.wait(f"the {kind}", lambda: known in world.kubectl("get", kind, "bounds", "-n", world.name, "-o", "json"))


def test_a_quota_counts(world: World) -> None:
    limit(world, "ResourceQuota", {"hard": {f"requests.{DEVICE}": "1"}}, '"used"')
    spec = world.spec(gpus(1))
    assert world.foretold(spec, 1)["decision"] == "install"
    refused = world.foretold(spec, 2)
    assert (refused["decision"], refused["fits_beside"]) == ("refuse", 1)
    world.make("one", spec, "new")
    used = ["get", "quota", "bounds", "-n", world.name, "-o", "jsonpath={.status.used}"]
    world.wait("its use", lambda: ':"1"' in world.kubectl(*used))
    assert world.foretold(spec, 1)["decision"] == "recreate"
    world.make("two", spec, "new")
    assert [each["metadata"]["name"] for each in world.pods()] == ["one"]


QUOTAS: dict[str, tuple[Json, Json, bool]] = {
    "cpu is not stated": ({"hard": {"requests.cpu": "9"}}, {"resources": {"limits": {DEVICE: "1"}}}, False),
    "cpu is stated": ({"hard": {"requests.cpu": "9"}}, gpus(1), True),
    "memory is short": ({"hard": {"limits.memory": "512Mi"}}, gpus(1), False),
    "count": ({"hard": {"count/pods": "0"}}, gpus(1), False),
    "not for it": ({"hard": {"pods": "0"}, "scopes": ["Terminating"]}, gpus(1), True),
    "for it": ({"hard": {"pods": "0"}, "scopes": ["NotTerminating"]}, gpus(1), False),
    "best effort": ({"hard": {"pods": "0"}, "scopes": ["BestEffort"]}, {"resources": {"limits": {DEVICE: "1"}}}, False),
    "not best effort": ({"hard": {"pods": "0"}, "scopes": ["BestEffort"]}, gpus(1), True),
}


@pytest.mark.parametrize("case", QUOTAS)
def test_the_api_server_admits_what_was_foretold(world: World, case: str) -> None:
    quota, container, fits = QUOTAS[case]
    limit(world, "ResourceQuota", quota, '"used"')
    foretold = world.foretold(world.spec(container), 1)
    world.make("new", world.spec(container), "new")
    assert (foretold["decision"] == "install", world.placed()) == (fits, int(fits)), foretold


def test_the_defaults_of_a_limit_range_count(world: World) -> None:
    item = {"type": "Container", "default": {"cpu": "3"}}
    limit(world, "LimitRange", {"limits": [item]}, '"defaultRequest"')
    spec = world.spec({"resources": {"limits": {DEVICE: "1"}}})
    foretold = world.foretold(spec, 1)
    for number in range(2):
        world.make(f"new-{number}", spec, "new")
    assert (foretold["fits_beside"], world.placed()) == (1, 1), foretold
