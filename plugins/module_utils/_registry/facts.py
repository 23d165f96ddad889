# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to know about a registry's table before it is used or altered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import Layout

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_COLUMNS = """
    SELECT attname::text, attnotnull, atthasdef OR attidentity <> '' FROM pg_attribute
    WHERE attrelid = to_regclass('model_registry_entries') AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_UNIQUE = """
    SELECT ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY(indkey) ORDER BY 1)
    FROM pg_index WHERE indrelid = to_regclass('model_registry_entries')
    AND indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL
"""
_ROLE = """
    SELECT pg_has_role(relowner, 'USAGE'), quote_ident(current_user), format('%I.%I', nspname, relname),
           ARRAY(SELECT name FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS rights (name)
                 WHERE NOT has_table_privilege(pg_class.oid, name))
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_class.oid = to_regclass('model_registry_entries')
"""
_DUPLICATES = """
    SELECT format('%s in %s', model_name, deployment_environment) FROM model_registry_entries
    WHERE deployment_environment IS NOT NULL GROUP BY model_name, deployment_environment HAVING count(*) > 1 LIMIT 5
"""
# The table of organisations that a new entry refers to by default, and its columns that need a value.
_ORGANIZATIONS = """
    SELECT format('%I.%I', nspname, relname), quote_ident(keys.attname), pg_get_expr(adbin, adrelid),
           has_table_privilege(confrelid, 'SELECT'),
           ARRAY(SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = confrelid AND attnum > 0 AND attnotnull
                 AND NOT attisdropped AND NOT atthasdef AND attidentity = '' AND attnum <> confkey[1] ORDER BY attnum)
    FROM pg_constraint JOIN pg_class ON pg_class.oid = confrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
    JOIN pg_attribute AS keys ON keys.attrelid = confrelid AND keys.attnum = confkey[1]
    JOIN pg_attribute AS own ON own.attrelid = conrelid AND own.attnum = conkey[1]
    JOIN pg_attrdef ON adrelid = conrelid AND adnum = conkey[1]
    WHERE contype = 'f' AND conrelid = to_regclass('model_registry_entries')
    AND own.attname = 'organization_id' AND cardinality(conkey) = 1
"""


class Column(NamedTuple):
    """Whether a column must have a value, and whether it gets one by itself."""

    required: bool
    filled: bool


class Organization(NamedTuple):
    """The organisation that a new entry belongs to by default, and that is not there. All parts are SQL."""

    table: str
    key: str
    value: str
    required: tuple[str, ...]


class Facts(NamedTuple):
    """A table as it is, and what the role may do with it."""

    layout: Layout
    columns: Mapping[str, Column]
    unique: frozenset[tuple[str, ...]]
    owned: bool
    role: str
    table: str
    missing_rights: tuple[str, ...]
    duplicates: tuple[str, ...] = ()
    missing_organization: Organization | None = None


def read_facts(cursor: Cursor, layout: Layout) -> Facts:
    """Read everything about the table. It may lack columns, and the role rights."""
    cursor.execute(_COLUMNS)
    columns = {name: Column(required, filled) for name, required, filled in cursor.fetchall()}
    cursor.execute(_UNIQUE)
    unique = frozenset(tuple(row[0]) for row in cursor.fetchall())
    cursor.execute(_ROLE)
    owned, role, table, rights = cursor.fetchone() or (False, "", "", [])
    readable = "SELECT" not in rights and not layout.missing()
    return Facts(
        layout,
        columns,
        unique,
        owned,
        role,
        table,
        tuple(rights),
        _duplicates(cursor) if readable else (),
        _missing_organization(cursor),
    )


def _duplicates(cursor: Cursor) -> tuple[str, ...]:
    cursor.execute(_DUPLICATES)
    return tuple(row[0] for row in cursor.fetchall())


def _missing_organization(cursor: Cursor) -> Organization | None:
    from psycopg2 import sql

    cursor.execute(_ORGANIZATIONS)
    row = cursor.fetchone()
    if row is None or not row[3]:
        # No reference, or one that only its owner can look at.
        return None
    table, key, value, _unused, required = row
    found = sql.SQL("SELECT FROM {} WHERE {} = {}").format(*map(sql.SQL, (table, key, value)))
    cursor.execute(found)
    return None if cursor.rowcount else Organization(table, key, value, tuple(required))
