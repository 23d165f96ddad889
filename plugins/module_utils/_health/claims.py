# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All SQL of health checks: entries are taken for a while, and what came of them is written many at a time.

FOR NO KEY UPDATE, since usage that is recorded meanwhile holds a key share of its entry. SKIP LOCKED, since who holds
an entry, a person or another checker, is about to change it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._health.judge import CHECKED
from ansible_collections.ai_aas.inference.plugins.module_utils._health.metrics import Standing
from ansible_collections.ai_aas.inference.plugins.module_utils._health.target import Claimed
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import Layout
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.table import entries_of, identifiers

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from psycopg2.sql import Composable

TIME = "last_health_check_at"
_DUE = """
    SELECT model_name, deployment_endpoint, coalesce(deployment_namespace, '') AS namespace, deployment_status,
           {previous}::text AS previous
    FROM model_registry_entries
    WHERE deployment_environment = %(environment)s AND deployment_status = ANY(%(checked)s)
    AND deployment_endpoint IS NOT NULL AND (%(models)s IS NULL OR model_name = ANY(%(models)s::text[]))
    AND {due} ORDER BY model_name {lock}
"""
# A time in the future comes of a clock that was wrong.
_IS_DUE = """coalesce(last_health_check_at NOT BETWEEN now() - make_interval(secs => %(due_after)s)
    AND now() + make_interval(secs => %(due_after)s), true)"""
# The mark of a claim: as if the last check were so long ago that the entry is due again when the lease has run out.
_CLAIM = """
    WITH due AS MATERIALIZED ({due})
    UPDATE model_registry_entries AS entry
    SET last_health_check_at = now() - make_interval(secs => %(due_after)s - %(lease)s)
    FROM due WHERE entry.model_name = due.model_name AND entry.deployment_environment = %(environment)s
    RETURNING due.*, entry.last_health_check_at::text
"""
_READ = """
    SELECT {fields} FROM model_registry_entries WHERE deployment_environment = %s AND model_name = ANY(%s)
    ORDER BY model_name {lock}
"""
_WRITE = """
    UPDATE model_registry_entries AS entry SET {changes}
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::jsonb[]) AS row (model_name, before, after, health)
    WHERE entry.model_name = row.model_name AND entry.deployment_environment = %s
    AND entry.deployment_status = row.before
"""
_METADATA = """metadata = CASE WHEN row.health IS NULL THEN entry.metadata
    WHEN row.health = 'null' THEN entry.metadata::jsonb - 'health'
    ELSE jsonb_set(coalesce(entry.metadata::jsonb, '{}'), ARRAY['health'], row.health) END"""
_UPDATED_AT = "updated_at = CASE WHEN row.before = row.after THEN entry.updated_at ELSE now() END"
_RELEASE = """
    UPDATE model_registry_entries AS entry SET last_health_check_at = row.previous::timestamptz
    FROM unnest(%s::text[], %s::text[], %s::text[]) AS row (model_name, previous, claim)
    WHERE entry.model_name = row.model_name AND entry.deployment_environment = %s
    AND entry.last_health_check_at = row.claim::timestamptz AND entry.deployment_status = ANY(%s)
"""


class Change(NamedTuple):
    """What is written of a checked entry. `health` is JSON: nothing changes where it is None, and null removes it."""

    model_name: str
    before: str
    after: str
    health: str | None = None


class Terms(NamedTuple):
    """Which entries are taken, and for how long.

    Args:
        environment: of the entries.
        models: their names, or None for all.
        due_after: seconds after a check in which an entry is not due again.
        lease: seconds after which an entry is due although whoever took it has not said what came of it.
    """

    environment: str
    models: Sequence[str] | None
    due_after: float
    lease: float


def claim(cursor: Cursor, layout: Layout, terms: Terms, *, check: bool) -> list[Claimed]:
    """Take the entries that are due. In check mode, and where the table has no time of checks, they are only read."""
    from psycopg2 import sql

    timed, takes = TIME in layout.fields, TIME in layout.fields and not check
    statement = sql.SQL(_DUE).format(
        previous=sql.SQL(TIME if timed else "NULL"),
        due=sql.SQL(_IS_DUE if timed else "true"),
        lock=sql.SQL("FOR NO KEY UPDATE SKIP LOCKED" if takes else ""),
    )
    if takes:
        statement = sql.SQL(_CLAIM).format(due=statement)
    models = None if terms.models is None else list(terms.models)
    given = {**terms._asdict(), "models": models, "lease": min(terms.lease, terms.due_after), "checked": list(CHECKED)}
    cursor.execute(statement, given)
    return [Claimed(*row) for row in cursor.fetchall()]


def count(cursor: Cursor, terms: Terms) -> int:
    """How many entries there are to be checked, due or not."""
    cursor.execute(
        "SELECT count(*) FROM model_registry_entries WHERE deployment_environment = %s AND deployment_status = ANY(%s) "
        "AND deployment_endpoint IS NOT NULL AND (%s IS NULL OR model_name = ANY(%s::text[]))",
        [terms.environment, list(CHECKED), *[None if terms.models is None else list(terms.models)] * 2],
    )
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def standings(cursor: Cursor, layout: Layout, environment: str) -> list[Standing]:
    """Every entry of an environment, whatever its status."""
    moment = f"extract(epoch FROM {TIME})::float" if TIME in layout.fields else "NULL"
    cursor.execute(
        f"SELECT model_name, coalesce(deployment_status, ''), {moment} FROM model_registry_entries "  # noqa: S608
        "WHERE deployment_environment = %s ORDER BY model_name",
        [environment],
    )
    return [Standing(*row) for row in cursor.fetchall()]


def read(cursor: Cursor, layout: Layout, environment: str, names: Sequence[str], *, lock: bool) -> dict[str, Entry]:
    """The entries of these models as they are now, without those that another session holds if they are locked."""
    from psycopg2 import sql

    lines = sql.SQL("FOR NO KEY UPDATE SKIP LOCKED" if lock else "")
    statement = sql.SQL(_READ).format(fields=identifiers(layout.fields), lock=lines)
    cursor.execute(statement, [environment, list(names)])
    return {entry.model_name: entry for entry in entries_of(cursor, layout)}


def write(cursor: Cursor, layout: Layout, environment: str, changes: Sequence[Change]) -> int:
    """Write the time of the check and what it changed, and return of how many entries.

    One whose status is not the expected one any more is left alone, whatever was read of it before.
    """
    from psycopg2 import sql

    parts: list[Composable] = [sql.SQL("deployment_status = row.after")]
    parts += [sql.SQL(f"{TIME} = now()")] if TIME in layout.fields else []
    parts += [sql.SQL(_METADATA)] if "metadata" in layout.fields else []
    parts += [sql.SQL(_UPDATED_AT)] if "updated_at" in layout.fields else []
    statement = sql.SQL(_WRITE).format(changes=sql.SQL(", ").join(parts))
    columns: list[list[Any]] = [list(column) for column in zip(*changes, strict=True)]
    cursor.execute(statement, [*columns, environment])
    return cursor.rowcount


def release(cursor: Cursor, layout: Layout, environment: str, claims: Sequence[Claimed]) -> None:
    """Give back what was taken and not checked."""
    taken = [each for each in claims if each.claim is not None]
    if taken and TIME in layout.fields:
        columns = [[each.model_name for each in taken], [each.previous for each in taken]]
        cursor.execute(_RELEASE, [*columns, [each.claim for each in taken], environment, list(CHECKED)])


def stored(health: dict[str, Any] | None) -> str:
    """What is remembered of an entry as JSON, `null` if nothing is."""
    return json.dumps(health)
