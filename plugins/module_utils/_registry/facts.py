# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to know about a registry's table before it is used or altered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import Layout
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.references import organizations
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.rights import USUAL

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
    SELECT pg_has_role(relowner, 'USAGE'), quote_ident(current_user), format('%%I.%%I', nspname, relname),
           ARRAY(SELECT name FROM unnest(%s) AS rights (name)
                 WHERE NOT has_table_privilege(pg_class.oid, name))
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_class.oid = to_regclass('model_registry_entries')
"""
_DUPLICATES = """
    SELECT format('%s in %s', model_name, deployment_environment) FROM model_registry_entries
    WHERE deployment_environment IS NOT NULL GROUP BY model_name, deployment_environment HAVING count(*) > 1 LIMIT 5
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
    cursor.execute(_ROLE, [list(USUAL)])
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

    for table, key, value, readable, required in organizations(cursor):
        # What only its owner can look at is not looked at.
        if value is not None and readable:
            cursor.execute(sql.SQL("SELECT FROM {} WHERE {} = {}").format(*map(sql.SQL, (table, key, value))))
            return None if cursor.rowcount else Organization(table, key, value, tuple(required))
    return None
