# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rights the role lacks on the registry's table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

# DELETE is needed to purge alone, so it is named only where no other right is missing.
USUAL = ("SELECT", "INSERT", "UPDATE")

# Any schema's table, since one whose schema the role may not use is not found by its bare name.
_RIGHTS = """
    SELECT quote_ident(current_user), quote_ident(nspname), format('%%I.%%I', nspname, relname),
           has_schema_privilege(pg_namespace.oid, 'USAGE'),
           ARRAY(SELECT name FROM unnest(%s) WITH ORDINALITY AS rights (name, place)
                 WHERE NOT has_table_privilege(pg_class.oid, name) ORDER BY place),
           relrowsecurity
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relname = 'model_registry_entries' AND relkind IN ('r', 'p', 'v')
    ORDER BY pg_class.oid IS DISTINCT FROM to_regclass('model_registry_entries'), nspname LIMIT 1
"""
_NO_TABLE = "SELECT quote_ident(current_user), quote_ident(current_schema()), current_schema() IS NULL"


def missing(connection: Connection) -> tuple[str, list[str], str]:
    """The role, the rights that it lacks, and the SQL that gives them.

    Args:
        connection: one without an open transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RIGHTS, [[*USUAL, "DELETE"]])
        row = cursor.fetchone()
        if row is None:
            cursor.execute(_NO_TABLE)
            role, schema, _unused = cursor.fetchone() or ("", None, True)
            schema = schema or "<schema>"
            return role, [f"CREATE on schema {schema}"], f"GRANT CREATE ON SCHEMA {schema} TO {role};"
    role, schema, table, may_enter, lacking, has_policies = row
    lacking = [right for right in lacking if right in USUAL] or ([] if has_policies else lacking)
    names, grants = [], []
    if not may_enter:
        names.append(f"USAGE on schema {schema}")
        grants.append(f"GRANT USAGE ON SCHEMA {schema} TO {role};")
    if lacking:
        names.append(f"{', '.join(lacking)} on {table}")
        grants.append(f"GRANT {', '.join(lacking)} ON {table} TO {role};")
    return role, names, " ".join(grants)
