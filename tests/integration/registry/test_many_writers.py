# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many processes that change the same entries and others for a while: nothing is lost, doubled or told as an error."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg2
import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import COLUMNS

from tests.lab import state
from tests.lab.process import Daemon, start, wait_until

from .conftest import Registry, Server
from .writer import BARRIER, VALUES, Note, Task

WRITERS = 32
SECONDS = float(os.environ.get("WRITERS_SECONDS", "60"))
# So many at least on the slowest machine.
CHANGES_PER_SECOND = 5
START_SECONDS = 120
RACES = 20
RACERS = 8

Values = Mapping[str, Any]
# The declared values of an entry before it and after it.
Change = tuple[Values | None, Values | None]


@pytest.mark.parametrize("registry", ["superset", "foreign"], indirect=True)
def test_many_writers(registry: Registry, folder: Path, tmp_path: Path) -> None:
    # On a foreign table each of them finds no history, and it is made once.
    tasks = [
        Task(
            number=number,
            seed=1000 + number,
            seconds=SECONDS,
            port=registry.server.port,
            layout=registry.layout,
            notes=str(tmp_path / str(number)),
            syncs=number == 0,
        )
        for number in range(WRITERS)
    ]
    run_together(registry, folder, tasks)

    notes = {task.number: notes_of(Path(task.notes)) for task in tasks}
    together = [note for each in notes.values() for note in each]
    print(f"\n{registry.layout}: {len(together)} operations in {SECONDS:.0f} s, {dict(kinds(together))}")
    assert [note.error for note in together if note.kind == "error"] == []
    changes = [note for note in together if note.kind == "changed"]
    assert len(changes) > CHANGES_PER_SECOND * SECONDS
    assert all(any(note.kind == "changed" for note in each) for each in notes.values())

    history = history_of(registry)
    assert len(history) == len(changes)
    # Every change that was told is in the history, and nothing else is.
    assert Counter((frozen(note.before), frozen(note.after)) for note in changes) == Counter(
        (frozen(before), frozen(after)) for before, after in history
    )
    for note in changes:
        check_merged(note)
    check_chains(registry, history)
    check_unique(registry)


def test_history_is_made_once(server: Server, folder: Path) -> None:
    """Many rounds of what happens only once in the life of a foreign table."""
    registry = Registry(server, "foreign")
    for number in range(RACES):
        registry.execute("TRUNCATE model_registry_entries CASCADE")
        registry.execute("DROP TABLE IF EXISTS model_registry_history")
        barrier = Barrier(RACERS)

        def register(place: int, barrier: Barrier = barrier, number: int = number) -> Any:
            barrier.wait()
            endpoint = f"demo.round-{number}.svc.cluster.local:8000"
            return registry.entry(model_name=f"demo-{place}", endpoint=endpoint)["history"]

        with ThreadPoolExecutor(RACERS) as pool:
            assert set(pool.map(register, range(RACERS))) == {"recorded"}
        assert len(history_of(registry)) == registry.count() == RACERS


def run_together(registry: Registry, folder: Path, tasks: Sequence[Task]) -> None:
    """Start all writers, let them go at one moment, and wait until they have ended. None outlives the test."""
    writers: list[Daemon] = []
    try:
        with barrier_of(registry):
            for task in tasks:
                command = [sys.executable, "-m", "tests.integration.registry.writer", task.as_json()]
                writers.append(start(folder, f"writer-{registry.layout}-{task.number}", command))
            wait_until("the writers to be ready", lambda: missing(registry, len(tasks)), writers, START_SECONDS)

        def working() -> str | None:
            count = sum(not writer.has_ended() for writer in writers)
            return f"{count} still work" if count else None

        wait_until("the writers to end", working, [], SECONDS + START_SECONDS)
    finally:
        for task in tasks:
            state.end(folder, f"writer-{registry.layout}-{task.number}", grace=0)
    logs = [writer.log.read_text(encoding="utf-8") for writer in writers if writer.process.returncode]
    assert logs == []


@contextmanager
def barrier_of(registry: Registry) -> Iterator[None]:
    """What the writers wait for, as long as this lasts."""
    connection = psycopg2.connect(registry.url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [BARRIER])
        yield
    finally:
        connection.close()


def missing(registry: Registry, count: int) -> str | None:
    ((waiting,),) = registry.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted", BARRIER
    )
    return None if waiting == count else f"{waiting} of {count} are"


def notes_of(path: Path) -> list[Note]:
    return [Note(*json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def kinds(notes: Sequence[Note]) -> Counter[str]:
    """How often each operation came to what."""
    return Counter(f"{note.operation} {note.kind}" for note in sorted(notes, key=lambda note: note[:2]))


def history_of(registry: Registry) -> list[Change]:
    """All changes in their order, by the names of an entry's values."""
    rows = registry.execute("SELECT before, after FROM model_registry_history ORDER BY id")
    return [(values_of(before), values_of(after)) for before, after in rows]


def values_of(columns: Mapping[str, Any] | None) -> Values | None:
    return {name: columns[COLUMNS[name]] for name in VALUES} if columns else None


def frozen(values: Values | None) -> str:
    return json.dumps(values, sort_keys=True)


def check_merged(note: Note) -> None:
    """A writer's own metadata is laid over what was there, which stays."""
    if note.given is not None and note.after is not None:
        assert note.after["metadata"] == {**(note.before["metadata"] if note.before else {}), **note.given}


def check_chains(registry: Registry, history: Sequence[Change]) -> None:
    """The changes of each entry lead from nothing to what is there now, each from where the last one ended."""
    chains: dict[tuple[str, str], list[Change]] = {}
    for before, after in history:
        entry = after or before or {}
        chains.setdefault((entry["model_name"], entry["environment"]), [(None, None)]).append((before, after))
    rows = registry.execute("SELECT to_jsonb(entry) FROM model_registry_entries entry")
    current = {(row["model_name"], row["deployment_environment"]): values_of(row) for (row,) in rows}
    assert len(current) == len(rows)
    assert current.keys() <= chains.keys()
    for place, chain in chains.items():
        for (_unused, left), (found, _then) in pairwise(chain):
            assert found == left, place
        assert chain[-1][1] == current.get(place), place


def check_unique(registry: Registry) -> None:
    """Also where no constraint would have refused it."""
    for columns in ("model_name, deployment_environment", "organization_id, model_name, revision"):
        doubled = registry.execute(f"SELECT 1 FROM model_registry_entries GROUP BY {columns} HAVING count(*) > 1")  # noqa: S608
        assert doubled == [], columns
