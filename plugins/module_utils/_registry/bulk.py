# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All SQL about many entries at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import COLUMNS, Layout
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.table import entries_of, identifiers

if TYPE_CHECKING:
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry.plan import Plan
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from psycopg2.sql import Composable, Composed

# The row type of the table itself, so that each value is read as its column wants it.
_INSERT = """
    INSERT INTO model_registry_entries ({fields})
    SELECT {fields} FROM json_populate_recordset(NULL::model_registry_entries, %s)
"""
_UPDATE = """
    UPDATE model_registry_entries AS entry SET {changes}
    FROM json_populate_recordset(NULL::model_registry_entries, %s) AS row
    WHERE entry.model_name = row.model_name AND entry.deployment_environment = %s
"""


def read_many(
    cursor: Cursor, layout: Layout, environment: str, names: Sequence[str], *, lock: bool
) -> dict[str, Entry]:
    """The entries of these models by name, locked against other writers if asked for."""
    from psycopg2 import sql

    statement = sql.SQL(
        "SELECT {fields} FROM model_registry_entries "
        "WHERE deployment_environment = %s AND model_name = ANY(%s) ORDER BY model_name {lock}"
    ).format(fields=identifiers(layout.fields), lock=sql.SQL("FOR UPDATE" if lock else ""))
    cursor.execute(statement, [environment, list(names)])
    return {entry.model_name: entry for entry in entries_of(cursor, layout)}


def names_in(cursor: Cursor, environment: str) -> list[tuple[str, str | None]]:
    """Name and status of every entry of an environment."""
    cursor.execute(
        "SELECT model_name, deployment_status FROM model_registry_entries WHERE deployment_environment = %s ORDER BY 1",
        [environment],
    )
    return [(row[0], row[1]) for row in cursor.fetchall()]


def highest_revisions(cursor: Cursor, layout: Layout, names: Sequence[str]) -> dict[tuple[str, str | None], int]:
    """The highest revision of each model and organisation in all environments, and of each model (without one)."""
    if "revision" not in layout.fields:
        return {}
    organization = "organization_id::text" if "organization_id" in layout.fields else "NULL"
    cursor.execute(
        f"SELECT model_name, {organization}, max(revision) FROM model_registry_entries "  # noqa: S608
        "WHERE model_name = ANY(%s) GROUP BY 1, 2",
        [list(names)],
    )
    found: dict[tuple[str, str | None], int] = {}
    for name, owner, revision in cursor.fetchall():
        for key in ((name, owner), (name, None)):
            found[key] = max(found.get(key, 0), revision)
    return found


def write_many(cursor: Cursor, layout: Layout, environment: str, plans: Iterable[Plan]) -> None:
    """Make changes of one environment: one statement for each kind of them."""
    inserts: dict[tuple[str, ...], list[Entry]] = {}
    updates: dict[tuple[str, ...], list[Entry]] = {}
    deletions: list[str] = []
    for plan in plans:
        if plan.after is None:
            deletions += [plan.before.model_name] if plan.before else []
        elif plan.before is None:
            given = tuple(name for name in layout.fields if getattr(plan.after, name) is not None)
            inserts.setdefault(given, []).append(plan.after)
        else:
            updates.setdefault(plan.fields, []).append(plan.after)
    for fields, entries in inserts.items():
        cursor.execute(_insert(fields), [_json(fields, entries)])
    for fields, entries in updates.items():
        cursor.execute(_update(layout, fields), [_json(("model_name", *fields), entries), environment])
    if deletions:
        cursor.execute(
            "DELETE FROM model_registry_entries WHERE deployment_environment = %s AND model_name = ANY(%s)",
            [environment, deletions],
        )


def _insert(fields: Sequence[str]) -> Composed:
    from psycopg2 import sql

    return sql.SQL(_INSERT).format(fields=identifiers(fields))


def _update(layout: Layout, fields: Sequence[str]) -> Composed:
    from psycopg2 import sql

    changes: list[Composable] = [sql.SQL("{0} = row.{0}").format(sql.Identifier(COLUMNS[name])) for name in fields]
    if "updated_at" in layout.fields:
        changes.append(sql.SQL("updated_at = now()"))
    return sql.SQL(_UPDATE).format(changes=sql.SQL(", ").join(changes))


def _json(fields: Sequence[str], entries: Sequence[Entry]) -> str:
    rows: list[dict[str, Any]] = [{COLUMNS[name]: getattr(entry, name) for name in fields} for entry in entries]
    return json.dumps(rows)
