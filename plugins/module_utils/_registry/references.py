# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which entries other tables refer to, so that they are never deleted, and which organisations entries refer to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from psycopg2.sql import Composed

# Whatever a reference does on deletion: ON DELETE CASCADE would take usage records along.
_REFERENCES = """
    SELECT nspname::text, relname::text, conrelid::regclass::text,
           has_schema_privilege(pg_namespace.oid, 'USAGE') AND has_table_privilege(conrelid, 'SELECT'),
           ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS keys (number, place)
                 JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place),
           ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY AS keys (number, place)
                 JOIN pg_attribute ON attrelid = confrelid AND attnum = number ORDER BY place)
    FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE contype = 'f' AND confrelid = to_regclass('model_registry_entries') ORDER BY 3
"""
# The tables of organisations, one at most as a rule: key, default, whether the role may look there, and the other
# columns that need a value. Names and default are SQL.
_ORGANIZATIONS = """
    SELECT format('%I.%I', nspname, relname), quote_ident(keys.attname), pg_get_expr(adbin, adrelid),
           has_schema_privilege(pg_namespace.oid, 'USAGE') AND has_table_privilege(confrelid, 'SELECT'),
           ARRAY(SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = confrelid AND attnum > 0 AND attnotnull
                 AND NOT attisdropped AND NOT atthasdef AND attidentity = '' AND attnum <> confkey[1] ORDER BY attnum)
    FROM pg_constraint JOIN pg_class ON pg_class.oid = confrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
    JOIN pg_attribute AS keys ON keys.attrelid = confrelid AND keys.attnum = confkey[1]
    JOIN pg_attribute AS own ON own.attrelid = conrelid AND own.attnum = conkey[1]
    LEFT JOIN pg_attrdef ON adrelid = conrelid AND adnum = conkey[1]
    WHERE contype = 'f' AND conrelid = to_regclass('model_registry_entries')
    AND own.attname = 'organization_id' AND cardinality(conkey) = 1
"""


def organizations(cursor: Cursor) -> list[tuple[Any, ...]]:
    """Table, key, default, readability and required columns of what organization_id refers to."""
    cursor.execute(_ORGANIZATIONS)
    return cursor.fetchall()


def referring(cursor: Cursor, environment: str, names: Sequence[str]) -> dict[str, list[str]]:
    """The tables that refer to each of these entries. What the role may not read counts as if it did.

    Args:
        cursor: of a transaction that holds the entries locked, or that changes nothing.
        environment: of the entries.
        names: of the models.
    """
    cursor.execute(_REFERENCES)
    found: dict[str, list[str]] = {}
    for schema, table, shown, readable, columns, keys in cursor.fetchall():
        holders = list(names)
        if readable:
            cursor.execute(_holders(schema, table, columns, keys), [environment, list(names)])
            holders = [row[0] for row in cursor.fetchall()]
        for name in holders:
            found.setdefault(name, []).append(shown if readable else f"{shown} (which the role may not read)")
    return found


def _holders(schema: str, table: str, columns: Sequence[str], keys: Sequence[str]) -> Composed:
    from psycopg2 import sql

    pairs = [
        sql.SQL("r.{} = e.{}").format(sql.Identifier(column), sql.Identifier(key))
        for column, key in zip(columns, keys, strict=True)
    ]
    return sql.SQL(
        "SELECT e.model_name FROM model_registry_entries e WHERE e.deployment_environment = %s "
        "AND e.model_name = ANY(%s) AND EXISTS (SELECT FROM {} r WHERE {})"
    ).format(sql.Identifier(schema, table), sql.SQL(" AND ").join(pairs))
