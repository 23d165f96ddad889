# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode predicts the real run through ansible-playbook too: 50 generated operations in all.

One run for each layout: on a busy machine one for all would take longer than a run may.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from psycopg2 import sql

from .conftest import Registry, playbook
from .expectation import (
    ENVIRONMENTS,
    NAMES,
    OF_KEY,
    TENANT,
    USE,
    VALID_ENDPOINTS,
    World,
    assert_same,
    emptied,
    expected,
    history_of,
    rows_of,
    usage_recorded,
)

SEED = 20261124
# 50 in all.
OPERATIONS = {"superset": 17, "foreign": 17, "adopted": 16}
USED = ("demo", "development")
# All that both modules return, and the message of a failure.
RESULT = (
    *("changed", "entry", "previous", "actions", "kept_disabled", "referenced_by", "history", "cache", "diff"),
    *("counts", "removals", "warnings", "failed", "msg"),
)
SURROUNDINGS = {
    "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
    "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
    "ANSIBLE_PIPELINING": "1",
    "ANSIBLE_LOOKUP_PLUGINS": str(Path(__file__).parent / "lookup_plugins"),
}


def operation(random: Random) -> tuple[str, dict[str, Any]]:
    """A module and what is asked of it."""
    environment = random.choice(ENVIRONMENTS)
    if random.random() < 0.3:
        some = [{"model_name": name, **declared(random)} for name in random.sample(NAMES, random.randrange(3))]
        prune = {"prune": random.choice(("none", "disable", "delete")), "max_removals": random.choice((0, 1, 10))}
        return "sync", {"environment": environment, "entries": some, **prune}
    asked = {"model_name": random.choice(NAMES), "environment": environment}
    state = random.choice(("present", "present", "present", "enabled", "disabled", "absent", "purged"))
    if state == "purged":
        return "entry", {**asked, "state": "absent", "purge": True}
    mode = {"metadata_mode": random.choice(("merge", "replace"))}
    return "entry", {**asked, "state": state, **mode, **(declared(random) if state in ("present", "enabled") else {})}


def declared(random: Random) -> dict[str, Any]:
    """The endpoint most of the time, wrong now and then, and up to two other values."""
    options = {
        "status": random.choice(("deploying", "degraded")),
        "revision": random.choice((0, 2, 20, 30)),
        "organization_id": TENANT,
        "deployment_target": "managed",
        "cost_per_1k_tokens": round(random.uniform(0, 9), 5),
        "metadata": {random.choice("ab"): random.choice((1, True, None, "text", {"c": [1.5]}))},
    }
    names = random.sample(sorted(options), random.randrange(3))
    endpoint = {"endpoint": random.choice((*VALID_ENDPOINTS * 4, "demo"))} if random.random() < 0.8 else {}
    return {**endpoint, **{name: options[name] for name in names}}


def play(registry: Registry, redis_url: str, operations: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Each operation in check mode and for real, and the versions of all rows before and after both."""
    read = {"ansible.builtin.debug": {"msg": "{{ lookup('row_versions', database) }}"}}
    tasks: list[dict[str, Any]] = [read]
    for module, asked in operations:
        task = {f"ai_aas.inference.model_registry_{module}": asked, "ignore_errors": True}
        tasks += [{**task, "check_mode": True}, read, task, read]
    shared = {"database_url": "{{ database }}", "redis_url": redis_url, "cache_settle": 0}
    return {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}", "database": registry.url},
        "module_defaults": {"group/ai_aas.inference.registry": shared},
        "tasks": tasks,
    }


def test_playbook(registry: Registry, valkey_url: str) -> None:
    random = Random(f"{SEED} {registry.layout}")  # noqa: S311
    asked = [operation(random) for _unused in range(OPERATIONS[registry.layout])]
    world = World(registry)
    kinds: Counter[str] = Counter()
    with usage_recorded(registry):
        emptied(registry).add("ready", deployment_endpoint=VALID_ENDPOINTS[0])
        registry.execute(sql.SQL(USE).format(OF_KEY), *USED)
        world.rows, world.used, recorded = rows_of(registry), {USED}, len(history_of(registry))
        text = json.dumps([play(registry, valkey_url, asked)])
        (done,) = json.loads(playbook(text, "--diff", env=SURROUNDINGS).stdout)["plays"]
        results = [task["hosts"]["localhost"] for task in done["tasks"]]
        changes = assert_all_predicted(world, asked, results, kinds)
        assert rows_of(registry) == world.rows
        assert history_of(registry, recorded) == sorted(changes)
    # Shown with -s, or where it fails.
    print(f"{registry.layout}: {dict(kinds)}")
    assert min(kinds[kind] for kind in ("changed", "unchanged", "failed")) > 1


def assert_all_predicted(
    world: World, asked: list[tuple[str, dict[str, Any]]], results: list[dict[str, Any]], kinds: Counter[str]
) -> list[Any]:
    """Compare what the tasks of one play returned, and return the changes that they must have made."""
    made = []
    assert len(results) == 1 + 4 * len(asked)
    for number, (module, wanted) in enumerate(asked):
        before, predicted, between, done, after = results[4 * number :][:5]
        changes, refusal = expected(getattr(world, module), wanted)
        assert between["msg"] == before["msg"]
        assert done.get("failed", False) is bool(refusal), done["msg"]
        assert refusal.lower() in done.get("msg", "").lower()
        assert done["changed"] is bool(changes) is (after["msg"] != between["msg"])
        assert_same(result_of(predicted), result_of(done))
        made += changes
        kinds["failed" if refusal else "changed" if changes else "unchanged"] += 1
    return made


def result_of(task: dict[str, Any]) -> dict[str, Any]:
    return {name: task[name] for name in RESULT if name in task}
