# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a registry that are interrupted, and what there is before and after each of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg2

from tests.lab.process import wait_until

from .conftest import Registry

OLD = "old.system.svc.cluster.local:8000"
NEW = "new.system.svc.cluster.local:8000"
PROVENANCE: dict[str, Any] = {"actor": "alice", "reason": "a test of ends", "job": {"id": 7}}
# Of the pg_advisory_lock that holds a commit up.
_GATE = 4343
_SECONDS = 20

# Each variant of a registry: its layout, and whether there is a history before the change.
VARIANTS = {"superset": ("superset", True), "foreign": ("foreign", True), "foreign without history": ("foreign", False)}


class Operation(NamedTuple):
    """A change by one of the collection's entry functions."""

    # `entry` or `sync`.
    call: str
    params: dict[str, Any]
    # The entries that are concerned.
    names: tuple[str, ...] = ("demo",)
    changes: int = 1


_ENTRIES = [
    {"model_name": "created", "endpoint": NEW, "metadata": {"a": 1}},
    {"model_name": "demo", "endpoint": NEW},
    {"model_name": "off", "cost_per_1k_tokens": 0.25},
]
OPERATIONS = {
    "insert": Operation("entry", {"model_name": "created", "endpoint": NEW, "metadata": {"a": 1}}, ("created",)),
    "update": Operation("entry", {"endpoint": NEW, "metadata": {"a": {"b": 1}}, "cost_per_1k_tokens": 0.5}),
    "disable": Operation("entry", {"state": "disabled"}),
    "enable": Operation("entry", {"model_name": "off", "state": "enabled"}, ("off",)),
    "purge": Operation("entry", {"state": "absent", "purge": True}),
    "sync": Operation("sync", {"entries": _ENTRIES}, ("created", "demo", "off"), 3),
    "sync that disables": Operation(
        "sync", {"entries": _ENTRIES[2:], "prune": "disable", "max_removals": 1}, changes=2
    ),
    "sync that deletes": Operation("sync", {"entries": _ENTRIES[2:], "prune": "delete", "max_removals": 1}, changes=2),
}


@dataclass(frozen=True)
class Variant:
    """A registry that is brought to the same state again and again: `demo` serves, and `off` is disabled."""

    registry: Registry
    has_history: bool

    def reset(self) -> None:
        """Make it as it is before each operation."""
        execute = self.registry.execute
        execute("TRUNCATE model_registry_entries CASCADE")
        if self.registry.layout == "foreign":
            execute("DROP TABLE IF EXISTS model_registry_history")
        if self.has_history:
            # On a foreign table the first change makes it.
            self.registry.entry(model_name="other", environment="staging", endpoint=OLD)
        self.registry.add("ready")
        self.registry.add("disabled", model_name="off")
        if self.has_history:
            execute("TRUNCATE model_registry_history RESTART IDENTITY")

    def run(self, operation: Operation, **options: object) -> dict[str, Any]:
        call = {"entry": self.registry.entry, "sync": self.registry.sync}[operation.call]
        return call(**{**PROVENANCE, **operation.params, **options})

    def states(self, operation: Operation) -> tuple[Any, Any]:
        """What there is before an operation and after it."""
        self.reset()
        old = self.state()
        assert self.run(operation)["changed"]
        new = self.state()
        assert len(new[1] or []) == operation.changes
        assert old[0] != new[0]
        assert old[1] == ([] if self.has_history else None)
        return old, new

    def state(self) -> tuple[list[Any], list[Any] | None]:
        """The entries, and their history if it has been made, without what differs from one run to the next."""
        volatile = ["id", "model_id", "created_at", "updated_at", "last_health_check_at"]
        entries = self.registry.execute("SELECT to_jsonb(e) - %s FROM model_registry_entries e ORDER BY 1", volatile)
        if self.registry.execute("SELECT to_regclass('model_registry_history')") == [(None,)]:
            return entries, None
        history = self.registry.execute(
            "SELECT operation, model_name, environment, actor, reason, job, before - %s, after - %s "
            "FROM model_registry_history ORDER BY model_name, id",
            volatile,
            volatile,
        )
        return entries, history

    @contextlib.contextmanager
    def slow_commit(self) -> Iterator[Callable[[], None]]:
        """Hold every commit of a change up until it is released."""
        execute = self.registry.execute
        gate = psycopg2.connect(self.registry.url)
        try:
            with gate.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", [_GATE])
            execute(
                "CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN PERFORM pg_advisory_xact_lock({_GATE}); RETURN NULL; END $$"
            )
            execute(
                "CREATE CONSTRAINT TRIGGER gate AFTER INSERT OR UPDATE OR DELETE ON model_registry_entries "
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_gate()"
            )
            yield gate.close
        finally:
            gate.close()
            execute("DROP FUNCTION IF EXISTS wait_at_gate() CASCADE")

    def committing(self) -> tuple[int, str]:
        """The server's process that a slow commit holds up, and the name of its connection."""
        found: list[tuple[int, str]] = []
        statement = (
            "SELECT pid, application_name FROM pg_stat_activity "
            "WHERE datname = current_database() AND query = 'COMMIT' AND wait_event_type = 'Lock'"
        )
        # Connections of its own, since a thread may ask.
        with contextlib.closing(psycopg2.connect(self.registry.url)) as connection, connection.cursor() as cursor:

            def idle() -> str | None:
                cursor.execute(statement)
                found[:] = cursor.fetchall()
                connection.rollback()
                return None if found else "there is none"

            wait_until("a commit under way", idle, [], _SECONDS)
        (only,) = found
        return only
