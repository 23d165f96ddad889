# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables that lack what health checks keep, rights that are enough, and a pool with one connection."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._health.health import check_health

from tests.integration.health.fleet import Fleet
from tests.integration.health.scene import Scene, endpoint
from tests.integration.registry.conftest import ADMIN_PASSWORD, LAYOUTS, Registry, Server
from tests.integration.registry.pgbouncer import Pool, start_pgbouncer
from tests.lab import state, stores
from tests.lab.process import LOOPBACK, free_ports

LEAST = """CREATE TABLE model_registry_entries (
    model_name text, deployment_environment text, deployment_endpoint text, deployment_namespace text,
    deployment_status text)"""


@pytest.fixture
def bare(server: Server, fleet: Fleet) -> Iterator[Scene]:
    """The least that a registry can be."""
    server.execute("postgres", "CREATE DATABASE bare")
    try:
        registry = Registry(server, "bare")
        registry.execute(LEAST)
        yield Scene(registry, fleet.address)
    finally:
        server.close("bare")
        server.execute("postgres", "DROP DATABASE bare WITH (FORCE)")


def fill(scene: Scene, *models: str) -> None:
    for model in models:
        scene.registry.execute(
            "INSERT INTO model_registry_entries VALUES (%s, 'development', %s, 'system', 'ready')",
            model,
            endpoint(model),
        )
        scene.endpoint_map[endpoint(model)] = scene.address


def test_without_metadata_and_times_it_counts_within_one_run_and_says_so(bare: Scene, fleet: Fleet) -> None:
    fill(bare, "a", "b", "c", "d")
    fleet.behave({"a": "error"})
    for _unused in range(3):
        result = bare.check(due=False)
        assert result["checked"] == 4
    assert len([text for text in result["warnings"] if "has no column" in text]) == 2
    assert bare.status("a") == "ready"
    lines: list[str] = []
    result = check_health(bare.params(sweeps=2, interval=1.0), set(), lines.append, check=False)
    assert result["degraded"] == ["a"]
    assert bare.status("a") == "degraded"


def test_metadata_that_is_no_object_is_left_as_it_is(scene: Scene, fleet: Fleet) -> None:
    scene.add("a", "b", "c", "d", metadata="[1]")
    fleet.behave({"a": "error"})
    for _unused in range(3):
        scene.check()
    assert scene.metadata("a") == [1]
    assert scene.check(failures=1)["degraded"] == ["a"]
    assert (scene.metadata("a"), scene.status("a")) == ([1], "degraded")


def test_the_rights_to_read_and_change_entries_are_enough(scene: Scene, fleet: Fleet, role: Any) -> None:
    name = role("watcher", "right")
    if scene.registry.layout == "foreign":
        scene.registry.entry(endpoint="first.system.svc.cluster.local:8000", model_name="first", status="pending")
        scene.registry.execute(f"GRANT INSERT ON model_registry_history TO {name}")
    scene.registry.execute(f"GRANT USAGE ON SCHEMA public TO {name}")
    scene.registry.execute(f"GRANT SELECT, INSERT, UPDATE ON model_registry_entries TO {name}")
    url = scene.registry.server.url(scene.registry.layout, name, "right")
    scene.add("a", "b", "c", "d")
    fleet.behave({"a": "error"})
    for _unused in range(2):
        result = scene.check(database_url=url)
    assert result["degraded"] == ["a"]


@pytest.fixture(scope="module")
def bouncer(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a PgBouncer in transaction mode, whose pools have one connection each."""
    folder: Path = tmp_path_factory.mktemp("pgbouncer")
    port = free_ports(["pgbouncer"])["pgbouncer"]
    try:
        start_pgbouncer(folder, port, ADMIN_PASSWORD, {layout: Pool(server.port, layout, 1) for layout in LAYOUTS})
        yield port
    finally:
        state.end_all(folder, grace=5)


def test_behind_a_pool_with_one_connection(scene: Scene, fleet: Fleet, bouncer: int) -> None:
    login = f"{stores.SUPERUSER}:{quote(ADMIN_PASSWORD, safe='')}"
    url = f"postgresql://{login}@{LOOPBACK}:{bouncer}/{scene.registry.layout}"
    models = scene.add_many(120)
    fleet.behave({models[0]: "hung"})
    for _unused in range(2):
        scene.make_due()
        with ThreadPoolExecutor(4) as pool:
            sweeps = [pool.submit(scene.check, due=False, database_url=url) for _unused in range(4)]
            results = [sweep.result(30) for sweep in sweeps]
        assert sum(result["checked"] for result in results) == 120
    assert [name for result in results for name in result["degraded"]] == [models[0]]
