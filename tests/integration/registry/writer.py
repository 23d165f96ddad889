# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One of many processes that change the registry at the same time, each in its own way, and note what came of it.

Started by test_many_writers: `python -m tests.integration.registry.writer '{"number": 0, …}'`.
"""

from __future__ import annotations

import json
import random
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import DECLARED

from .conftest import Registry, Server

ENVIRONMENTS = ("development", "staging", "production")
SHARED = ("shared-0", "shared-1", "shared-2", "shared-3")
OWN = 3
# Held by the test until all writers wait for it.
BARRIER = 4242
VALUES = ("model_name", "environment", *DECLARED)
STATES = {"present": 50, "disabled": 15, "enabled": 15, "absent": 10, "purge": 10}
SYNC = "sync"


@dataclass(frozen=True)
class Task:
    """What one writer is to do."""

    number: int
    seed: int
    seconds: float
    port: int
    layout: str
    notes: str
    # Whether it changes several entries at once, in place of one.
    syncs: bool

    @property
    def key(self) -> str:
        """The key of the metadata that only this writer sets."""
        return f"w{self.number}"

    @property
    def own(self) -> tuple[str, ...]:
        return tuple(f"own-{self.number}-{place}" for place in range(OWN))

    def as_json(self) -> str:
        return json.dumps(asdict(self))


class Note(NamedTuple):
    """What came of one operation: a change of one entry, nothing, an entry that was missing, or an error."""

    operation: str
    kind: str
    # Declared values.
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    # What was to be merged into the metadata.
    given: dict[str, Any] | None = None
    error: str = ""


class Writer:
    """Makes random changes, the same ones for the same seed."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.random = random.Random(task.seed)  # noqa: S311 - it guards no secret
        self.registry = Registry(Server(task.port), task.layout)
        self.counter = 0

    def first(self) -> list[Note]:
        """Registers a name of its own, so that no lock holds the writers apart."""
        if self.task.syncs:
            return self.sync(self.task.own)
        return self.entry("present", self.task.own[0], "development")

    def next(self) -> list[Note]:
        if self.task.syncs:
            return self.sync(self.random.sample((*SHARED, *self.task.own), 4))
        names = (*SHARED, *SHARED, *self.task.own)
        (state,) = self.random.choices(list(STATES), list(STATES.values()))
        return self.entry(state, self.random.choice(names), self.random.choice(ENVIRONMENTS))

    def entry(self, state: str, name: str, environment: str) -> list[Note]:
        params: dict[str, Any] = {"state": state}
        if state == "present":
            params |= self.values()
        if state == "purge":
            params = {"state": "absent", "purge": True}
        try:
            result = self.registry.entry(model_name=name, environment=environment, **params)
        except InferenceError as error:
            if state in ("disabled", "enabled") and error.what.startswith("There is no entry for"):
                return [Note(state, "missing")]
            return [Note(state, "error", error=error.message)]
        if not result["changed"]:
            return [Note(state, "unchanged")]
        before, after = (declared(result[side]) for side in ("previous", "entry"))
        return [Note(state, "changed", before, after, params.get("metadata"))]

    def sync(self, names: tuple[str, ...] | list[str]) -> list[Note]:
        entries = [{"model_name": name, **self.values()} for name in names]
        environment = self.random.choice(ENVIRONMENTS)
        (prune,) = self.random.choices(["none", "disable", "delete"], [80, 10, 10])
        try:
            result = self.registry.sync(environment=environment, entries=entries, prune=prune, max_removals=1000)
        except InferenceError as error:
            return [Note(SYNC, "error", error=error.message)]
        before, after = (result["diff"][side] for side in ("before", "after"))
        given = {entry["model_name"]: entry["metadata"] for entry in entries}
        notes = [
            Note(SYNC, "changed", declared(before.get(name)), declared(after.get(name)), given.get(name))
            for name in {**before, **after}
        ]
        return notes or [Note(SYNC, "unchanged")]

    def values(self) -> dict[str, Any]:
        self.counter += 1
        service = self.random.randrange(3)
        return {
            "endpoint": f"service-{service}.system.svc.cluster.local:8000",
            "status": self.random.choice(("ready", "deploying")),
            "metadata": {self.task.key: self.counter},
        }


def declared(entry: dict[str, Any] | None) -> dict[str, Any] | None:
    return {name: entry[name] for name in VALUES} if entry else None


def work(writer: Writer) -> Iterator[Note]:
    """Operations until the time is over. Whatever is raised and is no message to a user is noted as it is."""
    deadline = time.monotonic() + writer.task.seconds
    operation = writer.first
    while time.monotonic() < deadline:
        try:
            yield from operation()
        except Exception:
            yield Note("any", "error", error=traceback.format_exc())
        operation = writer.next


def wait_for_the_others(registry: Registry) -> None:
    connection = psycopg2.connect(registry.url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", [BARRIER])
    finally:
        connection.close()


def main(text: str) -> None:
    task = Task(**json.loads(text))
    writer = Writer(task)
    wait_for_the_others(writer.registry)
    # Complete only under its last name: a writer that ended early has left none.
    unfinished = Path(f"{task.notes}.part")
    with unfinished.open("w", encoding="utf-8") as file:
        for note in work(writer):
            file.write(json.dumps(note) + "\n")
    unfinished.rename(task.notes)


if __name__ == "__main__":
    main(sys.argv[1])
