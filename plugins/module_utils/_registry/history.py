# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the history of the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import (
    COLUMNS,
    HISTORY,
    TABLE,
    Layout,
    fetch,
    layout_of,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.table import plain_value

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_READABLE = "SELECT has_table_privilege(to_regclass(format('%%I.%%I', %s::text, %s::text)), 'SELECT')"
_LATELY_DELETED = """
    SELECT DISTINCT model_name FROM (SELECT * FROM {history} ORDER BY id DESC LIMIT %s) AS latest
    WHERE operation = 'delete' AND environment = %s AND changed_at > now() - interval '5 minutes'
"""
_WROTE = "SELECT 1 FROM {table} WHERE {environment} = %s AND model_name = ANY(%s) AND xmin::text = %s LIMIT 1"
_READ = """
    SELECT id, changed_at, operation, model_name, environment, actor, role, reason, job, before, after
    FROM {history} WHERE {conditions} ORDER BY id DESC LIMIT %s
"""
# The latest changes, among which deletions are looked for.
LATELY = 10_000


def lately_deleted(cursor: Cursor, layout: Layout, environment: str) -> list[str]:
    """The models whose entries were deleted no longer ago than a router keeps a route, as far as that can be known."""
    if not is_readable(cursor, layout):
        return []
    from psycopg2 import sql

    cursor.execute(
        sql.SQL(_LATELY_DELETED).format(history=sql.Identifier(layout.schema, HISTORY)), [LATELY, environment]
    )
    return [row[0] for row in cursor.fetchall()]


def wrote(cursor: Cursor, number: str, environment: str, names: Sequence[str]) -> bool:
    """Whether a transaction's rows are there, among these entries or in their history.

    Args:
        cursor: of another transaction.
        number: as `xmin` shows it.
        environment: of the entries.
        names: of the models.
    """
    from psycopg2 import sql

    layout = layout_of(cursor)
    places = [(sql.Identifier(layout.schema, TABLE), sql.Identifier(COLUMNS["environment"]))]
    if is_readable(cursor, layout):
        places.append((sql.Identifier(layout.schema, HISTORY), sql.Identifier("environment")))
    for table, column in places:
        statement = sql.SQL(_WROTE).format(table=table, environment=column)
        cursor.execute(statement, [environment, list(names), number])
        if cursor.fetchone():
            return True
    return False


def is_readable(cursor: Cursor, layout: Layout) -> bool:
    """Whether there is a history that the role may read."""
    cursor.execute(_READABLE, [layout.schema, HISTORY])
    return bool(cursor.fetchone() == (True,))


def read(cursor: Cursor, layout: Layout, filters: Mapping[str, str], limit: int) -> list[dict[str, Any]] | None:
    """The latest changes of these entries, the last one first; None where the role finds or may read none."""
    from psycopg2 import sql

    if not is_readable(cursor, layout):
        return None
    conditions = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in filters]
    statement = sql.SQL(_READ).format(
        history=sql.Identifier(layout.schema, HISTORY),
        conditions=sql.SQL(" AND ").join([*conditions, sql.SQL("environment IS NOT NULL")]),
    )
    cursor.execute(statement, [*filters.values(), limit])
    names = [column.name for column in cursor.description or ()]
    return [_event(dict(zip(names, row, strict=True))) for row in fetch(cursor)]


def _event(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the history with the names of an entry's values, and what differs."""
    before, after = (_values(row[side]) for side in ("before", "after"))
    changed = [
        name for name in {**(before or {}), **(after or {})} if (before or {}).get(name) != (after or {}).get(name)
    ]
    return {
        **row,
        "changed_at": plain_value("changed_at", row["changed_at"]),
        "before": before,
        "after": after,
        "changed": changed,
    }


def _values(columns: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if columns is None:
        return None
    declared = Entry("", "").declared()
    return {name: columns[COLUMNS[name]] for name in declared if COLUMNS[name] in columns}
