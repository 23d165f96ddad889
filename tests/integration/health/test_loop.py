# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweeps again and again: through an outage of the database, and until told to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._health.health import check_health
from ansible_collections.ai_aas.inference.plugins.modules import model_registry_health

from tests.integration.health.fleet import Fleet
from tests.integration.health.scene import Scene
from tests.integration.registry.conftest import ADMIN_PASSWORD, Registry, Server
from tests.lab import state, stores
from tests.lab.process import free_ports

PATIENCE = 20.0
ONE_LAYOUT = pytest.mark.parametrize("registry", ["superset"], indirect=True)


@pytest.fixture
def own(tmp_path: Path, fleet: Fleet) -> Iterator[tuple[Scene, Path]]:
    """A database that may be stopped."""
    port = free_ports(["postgres"])["postgres"]
    try:
        stores.start_postgres(tmp_path, port, ADMIN_PASSWORD)
        server = Server(port)
        server.execute("postgres", "CREATE DATABASE superset")
        registry = Registry(server, "superset")
        registry.schema()
        yield Scene(registry, fleet.address), tmp_path
    finally:
        state.end_all(tmp_path, grace=5)


def wait_for(lines: list[str], words: str, count: int = 1) -> None:
    deadline = time.monotonic() + PATIENCE
    while sum(words in line for line in lines) < count:
        assert time.monotonic() < deadline, (words, lines)
        time.sleep(0.02)


def test_a_database_that_goes_away_costs_the_time_that_it_is_away(own: tuple[Scene, Path], fleet: Fleet) -> None:
    scene, folder = own
    scene.add("a", "b", "c", "d")
    fleet.behave({"a": "error"})
    lines: list[str] = []
    results: list[dict[str, Any]] = []
    params = scene.params(interval=1.0, sweeps=40, failures=3, retry_timeout=0.0)

    def loop() -> None:
        results.append(check_health(params, set(), lines.append, check=False))

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    wait_for(lines, "1 failing")
    scene.registry.server.close("superset")
    state.end(folder, "postgres", grace=5)
    wait_for(lines, "Failed to connect to database", 2)
    stores.serve_postgres(folder, "postgres", scene.registry.server.port, ADMIN_PASSWORD)
    # The failures before the outage count.
    wait_for(lines, "degraded: a")
    assert sum("1 failing" in line for line in lines) == 3
    fleet.behave({})
    wait_for(lines, "restored: a")
    assert scene.statuses() == dict.fromkeys("abcd", "ready")
    thread.join(60)
    assert (results[0]["sweeps"], results[0]["changed"]) == (40, True)
    assert 2 <= results[0]["failed_sweeps"] < 38


@ONE_LAYOUT
def test_a_single_sweep_says_that_the_database_is_away(scene: Scene) -> None:
    with pytest.raises(InferenceError) as caught:
        scene.check(due=False, database_url="postgresql://postgres:hidden@127.0.0.1:1/superset")
    assert caught.value.message.startswith("Failed to connect to database: 127.0.0.1:1/superset: connection refused")
    assert (caught.value.result["checked"], caught.value.result["failed_sweeps"]) == (0, 1)
    assert "hidden" not in json.dumps(caught.value.result)


@ONE_LAYOUT
def test_a_frozen_engine_is_degraded_within_two_intervals_and_back_after_it_recovers(
    scene: Scene, fleet: Fleet
) -> None:
    scene.add("a", "b", "c", "d")
    lines: list[str] = []
    params = scene.params(interval=2.0, sweeps=9)
    thread = threading.Thread(target=lambda: check_health(params, set(), lines.append, check=False), daemon=True)
    thread.start()
    wait_for(lines, "4 healthy")
    frozen = time.monotonic()
    fleet.behave({"a": "hung"})
    wait_for(lines, "degraded: a")
    # Two intervals, the time that a check may take, and the loop's own jitter.
    assert time.monotonic() - frozen < 2 * 2.0 + 0.8 + 0.5
    fleet.behave({})
    back = time.monotonic()
    wait_for(lines, "restored: a")
    assert time.monotonic() - back < 2 * 2.0 + 0.8 + 0.5
    thread.join(30)


def module(scene: Scene, folder: Path, **given: Any) -> subprocess.Popen[str]:
    """The module as Ansible starts it, with its arguments in a file."""
    params = {name: value for name, value in scene.params(**given).items() if value is not None}
    arguments = folder / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": params}))
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    return subprocess.Popen(
        [sys.executable, str(model_registry_health.__file__), str(arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output + errors
    result: dict[str, Any] = json.loads(output)
    return result


@ONE_LAYOUT
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_ends_within_a_second_with_a_result(
    scene: Scene, fleet: Fleet, tmp_path: Path, number: signal.Signals
) -> None:
    models = scene.add_many(300)
    fleet.behave(dict.fromkeys(models[:40], "hung"))
    process = module(scene, tmp_path, sweeps=0, timeout=10.0, interval=60.0)
    try:
        deadline = time.monotonic() + PATIENCE
        while sum(scene.age(model) is not None for model in models[-3:]) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1)
        begin = time.monotonic()
        process.send_signal(number)
        result = ended(process)
        assert time.monotonic() - begin < 1.0
    finally:
        process.kill()
        process.communicate()
    assert result["stopped"] is True
    # Those that answered are written, and the others are as if nobody had taken them.
    checked = scene.registry.execute("SELECT model_name FROM model_registry_entries WHERE last_health_check_at IS NULL")
    assert sorted(row[0] for row in checked) == models[:40]
    assert set(scene.statuses().values()) == {"ready"}


@ONE_LAYOUT
def test_told_to_end_between_two_sweeps_it_ends_at_once(scene: Scene, fleet: Fleet, tmp_path: Path) -> None:
    scene.add("a")
    process = module(scene, tmp_path, sweeps=0, interval=600.0)
    try:
        deadline = time.monotonic() + PATIENCE
        while scene.age("a") is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
        begin = time.monotonic()
        process.terminate()
        result = ended(process)
        assert time.monotonic() - begin < 1.0
    finally:
        process.kill()
        process.communicate()
    assert (result["stopped"], result["sweeps"], result["healthy"]) == (True, 1, 1)
