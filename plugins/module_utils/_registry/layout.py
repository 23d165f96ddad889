# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the registry's table is like: its columns, and how its history is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

TABLE = "model_registry_entries"
HISTORY = "model_registry_history"

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
    SELECT nspname::text,
           ARRAY(SELECT attname::text FROM pg_attribute
                 WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum),
           EXISTS (SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid
                   AND tgname = 'model_registry_entries_record' AND tgenabled IN ('O', 'A')),
           has_table_privilege(to_regclass(format('%%I.%%I', nspname, %s)), 'INSERT'),
           has_schema_privilege(pg_namespace.oid, 'CREATE'),
           obj_description(pg_class.oid, 'pg_class')
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass(%s)
"""
_ELSEWHERE = "SELECT quote_ident(nspname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = %s"


class Layout(NamedTuple):
    """The table as it is.

    `journal` says who writes the history: `trigger` (the table itself), `module` (the module, into a table that
    is there), `create` (the same, and it makes that table), or `unavailable`.
    """

    schema: str
    columns: tuple[str, ...]
    journal: str = "unavailable"
    comment: str = ""

    @property
    def fields(self) -> list[str]:
        """The values of an entry that the table has a column for."""
        return [name for name, column in COLUMNS.items() if column in self.columns]

    def missing(self) -> list[str]:
        return [COLUMNS[name] for name in NEEDED if COLUMNS[name] not in self.columns]


def inspect(cursor: Cursor) -> Layout | None:
    """The table's layout, or None where there is no table."""
    cursor.execute(_LAYOUT, [HISTORY, TABLE])
    row = cursor.fetchone()
    if row is None:
        return None
    schema, columns, recorded, may_record, may_create, comment = row
    return Layout(schema, tuple(columns), journal_of(recorded, may_record, may_create), comment or "")


def journal_of(recorded: bool, may_record: bool | None, may_create: bool) -> str:
    """Who writes the history.

    Args:
        recorded: whether the table has the trigger that does.
        may_record: whether the role may write to the table of the history; None where there is no such table.
        may_create: whether it may make one.
    """
    if recorded:
        return "trigger"
    if may_record is None:
        return "create" if may_create else "unavailable"
    return "module" if may_record else "unavailable"


def layout_of(cursor: Cursor, asked: Sequence[str] = ()) -> Layout:
    """The table's layout, with every column that is needed or asked for.

    Raises:
        InferenceError: there is no table, or it lacks a column; says which.
    """
    layout = inspect(cursor)
    if layout is None:
        raise _missing_table(cursor)
    missing = layout.missing() + [COLUMNS[name] for name in asked if COLUMNS[name] not in layout.columns]
    if missing:
        raise InferenceError(
            f"The table {TABLE} lacks the column {', '.join(dict.fromkeys(missing))}",
            f"it has {', '.join(layout.columns)}",
            "The module ai_aas.inference.model_registry_schema names the SQL that adds it.",
        )
    return layout


def fetch(cursor: Cursor) -> list[tuple[Any, ...]]:
    """All rows of a statement.

    Raises:
        InferenceError: another tool stored what Python cannot hold.
    """
    try:
        return cursor.fetchall()
    except (ValueError, OverflowError, RecursionError):
        raise InferenceError(
            f"A row of {TABLE} or of its history cannot be read",
            "last_health_check_at, created_at or updated_at lies outside of the years 1 to 9999, or metadata is nested "
            "too deeply or holds a number of thousands of digits",
            "Correct the row.",
        ) from None


def _missing_table(cursor: Cursor) -> InferenceError:
    cursor.execute(_ELSEWHERE, [TABLE])
    schemas = [row[0] for row in cursor.fetchall()]
    if schemas:
        return InferenceError(
            f"The registry has no table {TABLE} that this role finds",
            f"schema {', '.join(schemas)} has one, and is not in the role's search_path or may not be used by it",
            f"GRANT USAGE ON SCHEMA {schemas[0]} to the role, or ALTER ROLE … SET search_path = {schemas[0]}.",
        )
    return InferenceError(
        f"The registry has no table {TABLE}",
        "no schema of this database has it",
        "Create it with the module ai_aas.inference.model_registry_schema.",
    )
