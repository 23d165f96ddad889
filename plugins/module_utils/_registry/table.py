# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All SQL about single entries, for every schema that their table comes in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import shown
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import (
    DECLARED,
    MAX_REVISION,
    Desired,
    Entry,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import (
    COLUMNS,
    NEEDED,
    TABLE,
    Layout,
    fetch,
)

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from psycopg2.sql import Composable, Composed

_DEFAULTS = """
    SELECT attname, pg_get_expr(adbin, adrelid)
    FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE adrelid = to_regclass(%s)
"""
# One lock for all environments of a name, because its revisions are numbered across them, below one that a change of
# many entries takes alone: a lock for each of thousands of names would not fit into the server's memory.
_LOCK = """
    SELECT pg_advisory_xact_lock_shared(hashtextextended('model_registry_entries', 0)),
           pg_advisory_xact_lock(hashtextextended('model_registry_entries:' || %s, 0))
"""
_LOCK_ALL = "SELECT pg_advisory_xact_lock(hashtextextended('model_registry_entries', 0))"
_LITERAL = r"\(?(?:'((?:[^']|'')*)'|(-?[0-9.]+))\)?(?:::[\w ,()\"]+)?"


def plain_default(expression: str | None) -> str | None:
    """The value of a column's default where it is a plain one: `'x'::text` and 0, but not now()."""
    found = re.fullmatch(_LITERAL, expression or "")
    if found is None:
        return None
    return found[2] if found[1] is None else found[1].replace("''", "'")


def asked_columns(desired: Desired) -> list[str]:
    """The values that a user gives, and that a table may have no column for."""
    return [name for name in DECLARED if name not in NEEDED and getattr(desired, name) is not None]


def lock_name(cursor: Cursor, model_name: str) -> None:
    """Let no other session of the collection change entries of this name until the transaction ends."""
    cursor.execute(_LOCK, [model_name])


def lock_all(cursor: Cursor) -> None:
    """Let no other session of the collection change any entry until the transaction ends."""
    cursor.execute(_LOCK_ALL)


def read_entry(cursor: Cursor, layout: Layout, model_name: str, environment: str, *, lock: bool) -> Entry | None:
    """The entry, locked against other writers if asked for."""
    wanted = {"model_name": model_name, "environment": environment}
    rows = _select(cursor, layout, wanted, lock=lock)
    if lock and not rows and _select(cursor, layout, wanted, lock=False):
        # Otherwise it would count as not there.
        raise InferenceError(
            f"The registry refused to change model '{shown(model_name)}' in environment '{environment}'",
            "the role may read the entry, and a policy (row level security) keeps it from changing it",
            "Use a role that may.",
        )
    if len(rows) > 1:
        raise InferenceError(
            f"The registry holds {len(rows)} rows for model '{model_name}' in environment '{environment}'",
            "the table has no unique constraint on model_name and deployment_environment",
            "Delete all but one of them and add the constraint.",
        )
    return rows[0] if rows else None


def list_entries(
    cursor: Cursor, layout: Layout, filters: Mapping[str, str], stale_after: float | None = None
) -> list[Entry]:
    """The entries with these values, by environment and name. Rows of no environment are no entries.

    Args:
        cursor: of the transaction.
        layout: the table's.
        filters: the value of each field that must have one.
        stale_after: only those whose last check of health is older than this many seconds, or never was.
    """
    return _select(cursor, layout, filters, lock=False, stale_after=stale_after)


def insert_defaults(cursor: Cursor, layout: Layout, desired: Desired) -> dict[str, Any]:
    """Values of a new entry that the user may leave out."""
    values = column_defaults(cursor, layout)
    if "revision" in values and desired.revision is None:
        organization = desired.organization_id or values.get("organization_id")
        values["revision"] = _next_revision(cursor, layout, desired.model_name, organization)
    return values


def following(model_name: str, highest: int) -> int:
    """The revision after the highest one of a model.

    Raises:
        InferenceError: there is none.
    """
    if highest >= MAX_REVISION:
        raise InferenceError(
            f"Model '{shown(model_name)}' has the highest revision that there can be, {highest}",
            "a new entry gets the next one",
            "Give revision.",
        )
    return highest + 1


def column_defaults(cursor: Cursor, layout: Layout) -> dict[str, Any]:
    """Values of any new entry that the user may leave out, apart from its revision."""
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
        columns=identifiers(values),
        values=sql.SQL(", ").join(sql.Placeholder() for _unused in values),
        all=identifiers(layout.fields),
    )
    cursor.execute(statement, [_adapted(name, value) for name, value in values.items()])
    return entries_of(cursor, layout)[0]


def update(cursor: Cursor, layout: Layout, entry: Entry, fields: Sequence[str]) -> Entry:
    """Write these values of an entry and return it with what the database made."""
    from psycopg2 import sql

    changes: list[Composable] = [sql.SQL("{} = %s").format(sql.Identifier(COLUMNS[name])) for name in fields]
    if "updated_at" in layout.fields:
        changes.append(sql.SQL("updated_at = now()"))
    statement = sql.SQL(
        "UPDATE {table} SET {changes} WHERE model_name = %s AND deployment_environment = %s RETURNING {all}"
    ).format(table=sql.Identifier(TABLE), changes=sql.SQL(", ").join(changes), all=identifiers(layout.fields))
    values = [_adapted(name, getattr(entry, name)) for name in fields]
    cursor.execute(statement, [*values, entry.model_name, entry.environment])
    return entries_of(cursor, layout)[0]


def delete(cursor: Cursor, entry: Entry) -> None:
    """Delete an entry."""
    cursor.execute(
        "DELETE FROM model_registry_entries WHERE model_name = %s AND deployment_environment = %s",
        [entry.model_name, entry.environment],
    )


def _select(
    cursor: Cursor, layout: Layout, filters: Mapping[str, str], *, lock: bool, stale_after: float | None = None
) -> list[Entry]:
    from psycopg2 import sql

    conditions: list[Composable] = [sql.SQL("{} = %s").format(sql.Identifier(COLUMNS[name])) for name in filters]
    conditions.append(sql.SQL("deployment_environment IS NOT NULL"))
    values: list[Any] = list(filters.values())
    # Where the table does not say, no entry was ever checked.
    if stale_after is not None and "last_health_check_at" in layout.fields:
        conditions.append(sql.SQL("coalesce(last_health_check_at < now() - make_interval(secs => %s), true)"))
        values.append(stale_after)
    statement = sql.SQL(
        "SELECT {all} FROM {table} WHERE {conditions} ORDER BY deployment_environment, model_name {lock}"
    ).format(
        all=identifiers(layout.fields),
        table=sql.Identifier(TABLE),
        conditions=sql.SQL(" AND ").join(conditions),
        lock=sql.SQL("FOR UPDATE" if lock else ""),
    )
    cursor.execute(statement, values)
    return entries_of(cursor, layout)


def _next_revision(cursor: Cursor, layout: Layout, model_name: str, organization: str | None) -> int:
    """The highest revision of the name plus one: revisions count across environments."""
    condition = " AND organization_id = %s" if organization and "organization_id" in layout.fields else ""
    cursor.execute(
        f"SELECT coalesce(max(revision), 0) FROM {TABLE} WHERE model_name = %s{condition}",  # noqa: S608
        [model_name, organization] if condition else [model_name],
    )
    row = cursor.fetchone()
    return following(model_name, row[0] if row else 0)


def identifiers(fields: Sequence[str] | Mapping[str, Any]) -> Composed:
    """The columns of these values, as SQL."""
    from psycopg2 import sql

    return sql.SQL(", ").join(sql.Identifier(COLUMNS[name]) for name in fields)


def _adapted(name: str, value: object) -> object:
    return json.dumps(value) if name == "metadata" else value


def entries_of(cursor: Cursor, layout: Layout) -> list[Entry]:
    return [
        Entry(**{name: plain_value(name, value) for name, value in zip(layout.fields, row, strict=True)})
        for row in fetch(cursor)
    ]


def plain_value(name: str, value: Any) -> Any:
    """A value as JSON can hold it; times in UTC as the registry's other tools print them."""
    if name == "cost_per_1k_tokens" and value is not None:
        return float(value)
    if name.endswith("_at") and value is not None:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value
