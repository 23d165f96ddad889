# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All SQL about the table of entries, for every schema that it comes in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import DECLARED, Desired, Entry

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from psycopg2.sql import Composable, Composed

TABLE = "model_registry_entries"

# A value of an entry -> its column. Without the first five there is no registry.
COLUMNS = {
    "model_name": "model_name",
    "environment": "deployment_environment",
    "endpoint": "deployment_endpoint",
    "namespace": "deployment_namespace",
    "status": "deployment_status",
    "revision": "revision",
    "organization_id": "organization_id",
    "deployment_target": "deployment_target",
    "cost_per_1k_tokens": "cost_per_1k_tokens",
    "metadata": "metadata",
    "id": "id",
    "model_id": "model_id",
    "last_health_check_at": "last_health_check_at",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
NEEDED = ("model_name", "environment", "endpoint", "namespace", "status")

# The catalogue itself and not information_schema, which hides what the role has no right to (a missing right would
# look like a missing table) and takes a new connection 10 ms instead of 2.
_LAYOUT = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_DEFAULTS = """
    SELECT attname, pg_get_expr(adbin, adrelid)
    FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE adrelid = to_regclass(%s)
"""
# One lock for all environments of a name, because its revisions are numbered across them.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('model_registry_entries:' || %s, 0))"
_LITERAL = re.compile(r"\(?(?:'((?:[^']|'')*)'|(-?[0-9.]+))\)?(?:::[\w ,()\"]+)?")


class Layout(NamedTuple):
    """The columns that the table has."""

    columns: tuple[str, ...]

    @property
    def fields(self) -> list[str]:
        """The values of an entry that the table has a column for."""
        return [name for name, column in COLUMNS.items() if column in self.columns]

    def missing(self) -> list[str]:
        return [COLUMNS[name] for name in NEEDED if COLUMNS[name] not in self.columns]


def inspect(cursor: Cursor) -> Layout | None:
    """The table's layout, or None where there is no table."""
    cursor.execute(_LAYOUT, [TABLE])
    columns = tuple(row[0] for row in cursor.fetchall())
    return Layout(columns) if columns else None


def comment(cursor: Cursor) -> str | None:
    """The table's comment."""
    cursor.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [TABLE])
    row = cursor.fetchone()
    return row[0] if row else None


def plain_default(expression: str | None) -> str | None:
    """The value of a column's default where it is a plain one: `'x'::text` and 0, but not now()."""
    found = _LITERAL.fullmatch(expression or "")
    if found is None:
        return None
    return found[2] if found[1] is None else found[1].replace("''", "'")


def layout_of(cursor: Cursor, asked: Sequence[str] = ()) -> Layout:
    """The table's layout, with every column that is needed or asked for.

    Raises:
        InferenceError: there is no table, or it lacks a column; says which.
    """
    layout = inspect(cursor)
    if layout is None:
        raise InferenceError(
            f"The registry has no table {TABLE}",
            "no schema of the search path has it, or the role may not use that schema",
            "Create it with the module ai_aas.inference.model_registry_schema, or GRANT USAGE ON SCHEMA to the role.",
        )
    missing = layout.missing() + [COLUMNS[name] for name in asked if COLUMNS[name] not in layout.columns]
    if missing:
        raise InferenceError(
            f"The table {TABLE} lacks the column {', '.join(dict.fromkeys(missing))}",
            f"it has {', '.join(layout.columns)}",
            "The module ai_aas.inference.model_registry_schema names the SQL that adds it.",
        )
    return layout


def asked_columns(desired: Desired) -> list[str]:
    """The values that a user gives, and that a table may have no column for."""
    return [name for name in DECLARED if name not in NEEDED and getattr(desired, name) is not None]


def lock_name(cursor: Cursor, model_name: str) -> None:
    """Let no other session of the collection change entries of this name until the transaction ends."""
    cursor.execute(_LOCK, [model_name])


def read_entry(cursor: Cursor, layout: Layout, model_name: str, environment: str, *, lock: bool) -> Entry | None:
    """The entry, locked against other writers if asked for."""
    rows = _select(cursor, layout, {"model_name": model_name, "environment": environment}, lock=lock)
    if len(rows) > 1:
        raise InferenceError(
            f"The registry holds {len(rows)} rows for model '{model_name}' in environment '{environment}'",
            "the table has no unique constraint on model_name and deployment_environment",
            "Delete all but one of them and add the constraint.",
        )
    return rows[0] if rows else None


def list_entries(cursor: Cursor, layout: Layout, filters: Mapping[str, str]) -> list[Entry]:
    """The entries with these values, by environment and name. Rows of no environment are no entries."""
    return _select(cursor, layout, filters, lock=False)


def insert_defaults(cursor: Cursor, layout: Layout, desired: Desired) -> dict[str, Any]:
    """Values of a new entry that the user may leave out."""
    cursor.execute(_DEFAULTS, [TABLE])
    defaults = {row[0]: plain_default(row[1]) for row in cursor.fetchall()}
    optional = [name for name in layout.fields if name in DECLARED and name not in NEEDED]
    values: dict[str, Any] = {name: defaults.get(COLUMNS[name]) for name in optional}
    if "cost_per_1k_tokens" in values:
        values["cost_per_1k_tokens"] = float(values["cost_per_1k_tokens"] or 0)
    if "metadata" in values:
        values["metadata"] = json.loads(values["metadata"] or "{}")
    if "deployment_target" in values:
        values["deployment_target"] = values["deployment_target"] or "self_hosted"
    if "revision" in values:
        values["revision"] = _next_revision(
            cursor, layout, desired.model_name, desired.organization_id or values.get("organization_id")
        )
    return values


def known_entries(cursor: Cursor) -> list[tuple[str, str]]:
    """Name and environment of every entry."""
    cursor.execute(
        "SELECT model_name, deployment_environment FROM model_registry_entries "
        "WHERE deployment_environment IS NOT NULL ORDER BY 1, 2"
    )
    return [(row[0], row[1]) for row in cursor.fetchall()]


def insert(cursor: Cursor, layout: Layout, entry: Entry) -> Entry:
    """Add an entry and return it with what the database made."""
    from psycopg2 import sql

    values = {name: getattr(entry, name) for name in layout.fields if getattr(entry, name) is not None}
    statement = sql.SQL("INSERT INTO {table} ({columns}) VALUES ({values}) RETURNING {all}").format(
        table=sql.Identifier(TABLE),
        columns=_identifiers(values),
        values=sql.SQL(", ").join(sql.Placeholder() for _unused in values),
        all=_identifiers(layout.fields),
    )
    cursor.execute(statement, [_adapted(name, value) for name, value in values.items()])
    return _entries(cursor, layout)[0]


def update(cursor: Cursor, layout: Layout, entry: Entry, fields: Sequence[str]) -> Entry:
    """Write these values of an entry and return it with what the database made."""
    from psycopg2 import sql

    changes: list[Composable] = [sql.SQL("{} = %s").format(sql.Identifier(COLUMNS[name])) for name in fields]
    if "updated_at" in layout.fields:
        changes.append(sql.SQL("updated_at = now()"))
    statement = sql.SQL(
        "UPDATE {table} SET {changes} WHERE model_name = %s AND deployment_environment = %s RETURNING {all}"
    ).format(table=sql.Identifier(TABLE), changes=sql.SQL(", ").join(changes), all=_identifiers(layout.fields))
    values = [_adapted(name, getattr(entry, name)) for name in fields]
    cursor.execute(statement, [*values, entry.model_name, entry.environment])
    return _entries(cursor, layout)[0]


def _select(cursor: Cursor, layout: Layout, filters: Mapping[str, str], *, lock: bool) -> list[Entry]:
    from psycopg2 import sql

    conditions: list[Composable] = [sql.SQL("{} = %s").format(sql.Identifier(COLUMNS[name])) for name in filters]
    conditions.append(sql.SQL("deployment_environment IS NOT NULL"))
    statement = sql.SQL(
        "SELECT {all} FROM {table} WHERE {conditions} ORDER BY deployment_environment, model_name {lock}"
    ).format(
        all=_identifiers(layout.fields),
        table=sql.Identifier(TABLE),
        conditions=sql.SQL(" AND ").join(conditions),
        lock=sql.SQL("FOR UPDATE" if lock else ""),
    )
    cursor.execute(statement, list(filters.values()))
    return _entries(cursor, layout)


def _next_revision(cursor: Cursor, layout: Layout, model_name: str, organization: str | None) -> int:
    """The highest revision of the name plus one: revisions count across environments."""
    condition = " AND organization_id = %s" if organization and "organization_id" in layout.fields else ""
    cursor.execute(
        f"SELECT coalesce(max(revision), 0) + 1 FROM {TABLE} WHERE model_name = %s{condition}",  # noqa: S608
        [model_name, organization] if condition else [model_name],
    )
    row = cursor.fetchone()
    return int(row[0]) if row else 1


def _identifiers(fields: Sequence[str] | Mapping[str, Any]) -> Composed:
    from psycopg2 import sql

    return sql.SQL(", ").join(sql.Identifier(COLUMNS[name]) for name in fields)


def _adapted(name: str, value: object) -> object:
    return json.dumps(value) if name == "metadata" else value


def _entries(cursor: Cursor, layout: Layout) -> list[Entry]:
    return [
        Entry(**{name: _plain(name, value) for name, value in zip(layout.fields, row, strict=True)})
        for row in cursor.fetchall()
    ]


def _plain(name: str, value: Any) -> Any:
    """A value as JSON can hold it; times in UTC as the registry's other tools print them."""
    if name == "cost_per_1k_tokens" and value is not None:
        return float(value)
    if name.endswith("_at") and value is not None:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value
