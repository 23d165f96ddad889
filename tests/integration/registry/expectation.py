# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents of the modules say that they do to the table: a model of it that shares no code with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from psycopg2 import sql

from .conftest import Registry

Key = tuple[str, str]
Asked = Mapping[str, Any]
# Operation, name and environment.
Change = tuple[str, str, str]
Expectation = Callable[[Asked], list[Change]]

NAMES = ("demo", "demo-20b", "d'é%s {x}")
ENVIRONMENTS = ("development", "staging", "production")
NOBODY = "00000000-0000-0000-0000-000000000000"
TENANT = "00000000-0000-0000-0000-00000000000a"
# The endpoints that there are and their namespaces. The last one only another tool can have registered.
ENDPOINTS = {
    "demo.system.svc.cluster.local:8000": "system",
    "demo.search.svc.cluster.local:8000": "search",
    "10.0.0.9:8000": None,
}
VALID_ENDPOINTS = tuple(endpoint for endpoint, namespace in ENDPOINTS.items() if namespace)
HIGHEST = 2**31 - 1
# An organisation that no table of organisations has.
STRANGER = "00000000-0000-0000-0000-00000000000b"
OF_KEY = sql.SQL("model_name = %s AND deployment_environment = %s")
USE = "INSERT INTO usage_events (model_id) SELECT model_id FROM model_registry_entries WHERE {}"


class RefusedError(Exception):
    """The operation must fail, with a message that holds this text, and change nothing."""


@dataclass(frozen=True)
class Row:
    """One row, apart from what the database makes. Metadata is canonical JSON."""

    endpoint: str | None
    namespace: str | None
    status: str | None
    revision: int
    organization: str
    target: str
    cost: float
    metadata: str


class World:
    """The rows as they must be, and those that another table refers to."""

    def __init__(self, registry: Registry) -> None:
        self.organizations = {NOBODY, TENANT} | ({STRANGER} if registry.layout == "superset" else set())
        self.rows: dict[Key, Row] = {}
        self.used: set[Key] = set()

    def entry(self, asked: Asked) -> list[Change]:
        """What model_registry_entry must do to which rows."""
        _validate(asked)
        key = asked["model_name"], asked["environment"]
        state, current = asked.get("state", "present"), self.rows.get(key)
        if state in ("present", "enabled"):
            return self.become({**self.rows, key: self.declared(key, asked)})
        if current is None and state == "disabled":
            raise RefusedError(f"There is no entry for model '{key[0]}' in environment '{key[1]}'")
        return self.become(self.without(self.rows, [key] if current else [], purge=asked.get("purge", False)))

    def sync(self, asked: Asked) -> list[Change]:
        """What model_registry_sync must do."""
        environment, names = asked["environment"], set()
        for declared in asked["entries"]:
            _validate(declared)
            if declared["model_name"] in names:
                raise RefusedError("already. Drop one.")
            names.add(declared["model_name"])
        mode = {"metadata_mode": asked.get("metadata_mode", "merge")}
        keys = [(declared["model_name"], environment) for declared in asked["entries"]]
        wanted = {key: self.declared(key, {**given, **mode}) for key, given in zip(keys, asked["entries"], strict=True)}
        rows = {**self.rows, **wanted}
        self.refuse_conflicts(rows)
        prune, limit = asked.get("prune", "none"), asked.get("max_removals", 10)
        extra = [key for key in rows if key[1] == environment and key not in wanted and prune != "none"]
        left = self.without(rows, extra, purge=prune == "delete")
        if len(differences(rows, left)) > limit:
            raise RefusedError(f"and max_removals is {limit}")
        return self.become(left)

    def become(self, rows: dict[Key, Row]) -> list[Change]:
        """Take these rows, unless a constraint of the table stands against them."""
        self.refuse_conflicts(rows)
        changes = differences(self.rows, rows)
        self.rows = rows
        return changes

    def declared(self, key: Key, asked: Asked) -> Row:
        """The row that `present` or `enabled` leads to."""
        current = self.rows.get(key)
        endpoint = asked.get("endpoint") or (current.endpoint if current else None)
        if endpoint is None:
            raise RefusedError("has no endpoint" if current else "Register it: `state: present` with an endpoint.")
        organization = asked.get("organization_id") or (current.organization if current else NOBODY)
        base = current or Row(None, None, None, 0, "", "self_hosted", 0, "{}")
        kept = base.status == "disabled" and asked.get("state", "present") == "present"
        status = "ready" if asked.get("state") == "enabled" else asked.get("status", "ready")
        return Row(
            endpoint,
            _namespace(endpoint, asked, base.namespace),
            "disabled" if kept else status,
            asked.get("revision") or base.revision or self.next_revision(key[0], organization),
            organization,
            asked.get("deployment_target", base.target),
            round(asked.get("cost_per_1k_tokens", base.cost), 4),
            _metadata(base.metadata, asked),
        )

    def without(self, rows: Mapping[Key, Row], keys: list[Key], *, purge: bool) -> dict[Key, Row]:
        """These rows once some of them are deleted, or disabled."""
        kept = [key for key in keys if not purge or key in self.used]
        disabled = {key: replace(rows[key], status="disabled") for key in kept}
        return {key: row for key, row in {**rows, **disabled}.items() if key not in keys or key in kept}

    def next_revision(self, name: str, organization: str) -> int:
        taken = [row.revision for key, row in self.rows.items() if (key[0], row.organization) == (name, organization)]
        if HIGHEST in taken:
            raise RefusedError("the highest revision that there can be")
        return max(taken, default=0) + 1

    def refuse_conflicts(self, rows: Mapping[Key, Row]) -> None:
        """Hold to the constraints of the table."""
        if len({(row.organization, key[0], row.revision) for key, row in rows.items()}) < len(rows):
            raise RefusedError("is taken")
        if not {row.organization for row in rows.values()} <= self.organizations:
            raise RefusedError("There is no organisation")


def differences(before: Mapping[Key, Row], after: Mapping[Key, Row]) -> list[Change]:
    """The operations that lead from some rows to others, sorted."""
    kinds = {
        key: "delete" if key not in after else "update" if key in before else "insert" for key in {**before, **after}
    }
    return sorted((kind, *key) for key, kind in kinds.items() if before.get(key) != after.get(key))


def rows_of(registry: Registry) -> dict[Key, Row]:
    """The rows as they are, read without the collection."""
    found = registry.execute(
        "SELECT model_name, deployment_environment, deployment_endpoint, deployment_namespace, deployment_status, "
        "revision, organization_id::text, deployment_target, "
        # NaN, which is equal to nothing, is -1 here.
        "CASE WHEN cost_per_1k_tokens = 'NaN' THEN -1 ELSE cost_per_1k_tokens::float END, metadata "
        "FROM model_registry_entries"
    )
    assert len({row[:2] for row in found}) == len(found)
    return {(name, environment): Row(*[*rest, canonical(data)]) for name, environment, *rest, data in found}


def history_of(registry: Registry, after: int = 0) -> list[Change]:
    """Operation, name and environment of each recorded change, beyond the first ones, sorted."""
    if registry.execute("SELECT to_regclass('model_registry_history')") == [(None,)]:
        return []
    found = registry.execute("SELECT operation, model_name, environment FROM model_registry_history ORDER BY id")
    return sorted((row[0], row[1], row[2]) for row in found[after:])


def emptied(registry: Registry) -> Registry:
    """The registry without a row, with a second organisation where organisations are kept."""
    registry.execute("TRUNCATE model_registry_entries CASCADE")
    forget = "DROP TABLE IF EXISTS" if registry.layout == "foreign" else "TRUNCATE"
    registry.execute(f"{forget} model_registry_history")
    if registry.layout != "superset":
        registry.execute("INSERT INTO organizations VALUES (%s, 'tenant') ON CONFLICT DO NOTHING", TENANT)
    return registry


@contextmanager
def usage_recorded(registry: Registry) -> Iterator[None]:
    """Where there is none yet, a table that refers to entries as the ai-aas migrations have it."""
    registry.execute(
        "CREATE TABLE IF NOT EXISTS usage_events "
        "(model_id uuid REFERENCES model_registry_entries (model_id) ON DELETE RESTRICT)"
    )
    try:
        yield
    finally:
        emptied(registry)
        if registry.layout == "superset":
            registry.execute("DROP TABLE usage_events")


def expected(expectation: Expectation, asked: Asked) -> tuple[list[Change], str]:
    try:
        return expectation(asked), ""
    except RefusedError as error:
        return [], str(error)


def assert_same(predicted: dict[str, Any], done: dict[str, Any]) -> None:
    """Both results, apart from how long it took and from what only the database makes."""
    made = set()
    if done.get("changed") and done.get("entry"):
        made = {"updated_at"} if done["previous"] else {"id", "model_id", "created_at", "updated_at"}
    said, was = comparable(predicted, made), comparable(done, made)
    assert said == was, f"Predicted {said}\nand done  {was}"


def comparable(result: dict[str, Any], made: set[str]) -> str:
    """As canonical JSON: there true is not 1, and a NaN is equal to itself."""
    entry = {name: value for name, value in (result.get("entry") or {}).items() if name not in made}
    return canonical({**{name: value for name, value in result.items() if name != "timings"}, "entry": entry})


def canonical(value: Any) -> str:
    """JSON in one way of writing, which is PostgreSQL's: 1.0 is 1, true is neither, and 1e23 is a whole number."""
    return json.dumps(_numbered(value), sort_keys=True)


def _numbered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _numbered(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_numbered(part) for part in value]
    return int(Decimal(repr(value))) if isinstance(value, float) and value.is_integer() else value


def _validate(asked: Asked) -> None:
    endpoint, namespace = asked.get("endpoint"), asked.get("namespace")
    if endpoint is not None and endpoint not in VALID_ENDPOINTS:
        raise RefusedError("Invalid endpoint format")
    if endpoint and namespace not in (None, ENDPOINTS[endpoint]):
        raise RefusedError("Invalid namespace")
    if asked.get("revision", 1) < 1:
        raise RefusedError("Invalid revision")
    if not 0 <= round(asked.get("cost_per_1k_tokens", 0), 4) < 1_000_000:
        raise RefusedError("Invalid cost_per_1k_tokens")
    if asked.get("purge") and asked.get("state") != "absent":
        raise RefusedError("Invalid purge")


def _namespace(endpoint: str, asked: Asked, current: str | None) -> str | None:
    """The one that is given, or else the endpoint's; with neither given, what is there."""
    inside, given = ENDPOINTS[endpoint], asked.get("namespace")
    if given and inside not in (None, given):
        raise RefusedError("Invalid namespace")
    return (given or inside) if given or asked.get("endpoint") else (current or inside)


def _metadata(current: str, asked: Asked) -> str:
    if "metadata" not in asked:
        return current
    there = json.loads(current) if asked.get("metadata_mode", "merge") == "merge" else None
    return canonical(_laid_over(there, asked["metadata"]))


def _laid_over(there: Any, given: Any) -> Any:
    if not (isinstance(there, dict) and isinstance(given, dict)):
        return given
    return there | {key: _laid_over(there.get(key), value) for key, value in given.items()}
