# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own table: made once, and fit for the other tools that use it."""

from __future__ import annotations

import psycopg2.errors
import pytest
from psycopg2 import sql

from .conftest import FOREIGN, Registry

# As the ai-aas admin tool registers, without revision and target.
ADMIN_REGISTERS = """
    INSERT INTO model_registry_entries
        (model_name, deployment_endpoint, deployment_status, deployment_environment, deployment_namespace)
    VALUES ('demo', %s, 'ready', %s, 'system')
    ON CONFLICT (model_name, deployment_environment) DO UPDATE
        SET deployment_endpoint = EXCLUDED.deployment_endpoint, deployment_status = 'ready'
    RETURNING id, revision, deployment_target
"""


def test_made_once(scratch: Registry) -> None:
    tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'model_registry_entries'"
    predicted = scratch.schema(check=True)
    assert scratch.execute(tables) == [(0,)]
    made = scratch.schema()
    assert scratch.execute(tables) == [(1,)]
    for part in ("changed", "layout", "version", "actions", "diff"):
        assert predicted[part] == made[part]
    assert (made["changed"], made["layout"], made["version"], made["actions"]) == (True, "superset", 2, ["create"])
    assert made["diff"]["after"].startswith("CREATE TABLE model_registry_entries")
    again = scratch.schema()
    assert (again["changed"], again["layout"], again["version"], again["actions"]) == (False, "superset", 2, [])


def test_foreign_table_is_left_alone(scratch: Registry) -> None:
    scratch.execute(FOREIGN)
    columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'model_registry_entries'::regclass"
    before = scratch.execute(columns)
    found = scratch.schema()
    assert (found["changed"], found["layout"], found["version"], found["missing"]) == (False, "foreign", None, [])
    assert scratch.execute(columns) == before


def test_admin_tool_registers(scratch: Registry) -> None:
    scratch.schema()
    assert scratch.execute(ADMIN_REGISTERS, "a", "development") == [(1, 1, "self_hosted")]
    assert scratch.execute(ADMIN_REGISTERS, "a", "staging") == [(2, 2, "self_hosted")]
    ((number, revision, _unused),) = scratch.execute(ADMIN_REGISTERS, "b", "development")
    assert (number, revision) == (1, 1)
    assert scratch.entry(state="disabled")["previous"]["endpoint"] == "b"


def test_table_keeps_updated_at(scratch: Registry) -> None:
    scratch.schema()
    scratch.execute(ADMIN_REGISTERS, "a", "development")
    ((before,),) = scratch.execute("SELECT updated_at FROM model_registry_entries")
    scratch.execute("UPDATE model_registry_entries SET deployment_status = 'disabled'")
    ((after,),) = scratch.execute("SELECT updated_at FROM model_registry_entries")
    assert after > before


def test_table_refuses_what_a_router_cannot_read(scratch: Registry) -> None:
    scratch.schema()
    scratch.execute(ADMIN_REGISTERS, "a", "development")
    for column, value in (
        ("deployment_status", "gone"),
        ("deployment_environment", "lab"),
        ("deployment_namespace", None),
        ("revision", 0),
    ):
        statement = sql.SQL("UPDATE model_registry_entries SET {} = %s").format(sql.Identifier(column))
        with pytest.raises(psycopg2.errors.IntegrityError):
            scratch.execute(statement, value)


def test_migrations_run_after_it(scratch: Registry) -> None:
    """The ai-aas tables that refer to the registry can be made beside it."""
    scratch.schema()
    scratch.execute("CREATE TABLE usage_events (model_id uuid REFERENCES model_registry_entries (model_id))")
