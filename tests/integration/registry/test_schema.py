# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own table: made once, and fit for the other tools that use it."""

from __future__ import annotations

from typing import Any

import psycopg2.errors
import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
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
    assert (made["changed"], made["layout"], made["version"], made["actions"]) == (True, "superset", 3, ["create"])
    assert made["diff"]["after"].startswith("CREATE TABLE model_registry_entries")
    again = scratch.schema()
    assert (again["changed"], again["layout"], again["version"], again["actions"]) == (False, "superset", 3, [])


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


def test_table_takes_a_check_for_no_change(scratch: Registry) -> None:
    scratch.schema()
    scratch.execute(ADMIN_REGISTERS, "a", "development")
    ((before,),) = scratch.execute("SELECT updated_at FROM model_registry_entries")
    scratch.execute("UPDATE model_registry_entries SET last_health_check_at = clock_timestamp()")
    ((after, checked),) = scratch.execute("SELECT updated_at, last_health_check_at FROM model_registry_entries")
    assert after == before < checked


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


NAMELESS = "INSERT INTO organizations VALUES ('00000000-0000-0000-0000-000000000000', 'default');"
VERSION_1 = (
    "DROP TRIGGER model_registry_entries_record ON model_registry_entries",
    "DROP TRIGGER model_registry_entries_truncate ON model_registry_entries",
    "DROP FUNCTION model_registry_entries_record()",
    "DROP TABLE model_registry_history",
    "COMMENT ON TABLE model_registry_entries IS 'ai_aas.inference schema version 1'",
)


def rows_of_others(scratch: Registry) -> None:
    """A table of the ai-aas migrations with rows, one of them without a namespace, and no default organisation."""
    scratch.execute(FOREIGN.replace(NAMELESS, ""))
    scratch.execute("INSERT INTO organizations VALUES ('11111111-1111-1111-1111-111111111111', 'acme')")
    own = {"organization_id": "11111111-1111-1111-1111-111111111111"}
    scratch.add("ready", **own)
    scratch.add("ready", model_name="other", deployment_namespace=None, **own)
    scratch.execute("COMMENT ON TABLE model_registry_entries IS 'the registry of acme''s models'")


def test_preflight_says_what_is_missing_and_the_sql_that_mends_it(scratch: Registry) -> None:
    rows_of_others(scratch)
    before = scratch.versions()
    found = scratch.schema(state="preflight")
    assert (found["changed"], found["usable"], found["layout"], found["missing"]) == (False, False, "foreign", [])
    assert [(lack["what"], lack["needed"]) for lack in found["lacks"]] == [
        ("column id", False),
        ("default of column deployment_target", False),
        ("a namespace in every row", False),
        ("the default organisation in public.organizations", True),
        ("triggers", False),
    ]
    assert scratch.versions() == before
    for statement in found["sql"]:
        scratch.execute(statement)
    assert scratch.schema(state="preflight")["usable"] is True
    assert scratch.entry(endpoint="a.b.svc.cluster.local:1", environment="staging")["actions"] == ["insert"]


def test_preflight_of_nothing(scratch: Registry) -> None:
    found = scratch.schema(state="preflight")
    assert (found["layout"], found["usable"], found["changed"], found["actions"]) == ("none", False, False, [])


def test_adopted_with_its_rows(scratch: Registry) -> None:
    rows_of_others(scratch)
    before = scratch.versions()
    predicted = scratch.schema(adopt=True, check=True)
    assert scratch.versions() == before
    done = scratch.schema(adopt=True)
    for part in ("changed", "layout", "version", "actions", "diff", "usable"):
        assert predicted[part] == done[part]
    assert (done["layout"], done["version"], done["actions"]) == ("adopted", 3, ["adopt"])
    ((comment,),) = scratch.execute("SELECT obj_description('model_registry_entries'::regclass)")
    assert comment == "the registry of acme's models; ai_aas.inference schema version 3 (adopted)"
    entries = scratch.info()["entries"]
    assert [(entry["model_name"], entry["namespace"], entry["status"]) for entry in entries] == [
        ("demo", "system", "ready"),
        ("other", "system", "ready"),
    ]
    assert sorted(entry["id"] for entry in entries) == [1, 2]
    assert scratch.execute(ADMIN_REGISTERS, "a", "staging")[0][1:] == (1, "self_hosted")
    again = scratch.schema(adopt=True)
    assert (again["changed"], again["layout"], again["lacks"]) == (False, "adopted", [])
    assert [event["actor"] for event in scratch.info(history=True)["history"]] == [None]


def test_adoption_stops_at_what_a_person_has_to_decide(scratch: Registry) -> None:
    scratch.execute(
        FOREIGN.replace("CONSTRAINT model_registry_entries_unique_deployment UNIQUE", "CHECK (true), UNIQUE").replace(
            "UNIQUE (model_name, deployment_environment)", "UNIQUE (model_name, deployment_environment, revision)"
        )
    )
    scratch.add("ready")
    scratch.add("ready", revision=2)
    before = scratch.versions()
    with pytest.raises(InferenceError) as caught:
        scratch.schema(adopt=True)
    assert "a model has several rows: demo in development. Delete all but one of each" in caught.value.message
    assert scratch.versions() == before
    assert scratch.schema(state="preflight")["layout"] == "foreign"


def test_upgraded_by_its_owner_alone(scratch: Registry, role: Any) -> None:
    scratch.schema()
    for statement in VERSION_1:
        scratch.execute(statement)
    scratch.entry(endpoint="a.b.svc.cluster.local:1", model_name="old")
    name = role("registrar", "right")
    scratch.execute(f"GRANT SELECT, INSERT, UPDATE ON model_registry_entries TO {name}")
    url = scratch.server.url("scratch", name, "right")
    left = scratch.schema(database_url=url)
    assert (left["changed"], left["version"], left["usable"]) == (False, 1, True)
    assert "has version 1 of 3. Its owner brings it up to date" in left["warnings"][0]
    assert scratch.entry(database_url=url, endpoint="a.b.svc.cluster.local:1")["history"] == "unavailable"
    predicted, done = scratch.schema(check=True), scratch.schema()
    for found in (predicted, done):
        assert (found["changed"], found["layout"], found["version"]) == (True, "superset", 3)
        assert found["actions"] == ["upgrade"]
    assert scratch.entry(database_url=url, state="disabled")["history"] == "recorded"
    assert scratch.schema()["changed"] is False
    scratch.execute(f"REVOKE ALL ON model_registry_entries FROM {name}")


def test_missing_rights_show_before_anything_is_deployed(scratch: Registry, role: Any) -> None:
    scratch.schema()
    name = role("reader", "right")
    scratch.execute(f"GRANT SELECT ON model_registry_entries TO {name}")
    url = scratch.server.url("scratch", name, "right")
    try:
        with pytest.raises(InferenceError, match="lacks right INSERT, UPDATE of role reader"):
            scratch.schema(database_url=url)
        found = scratch.schema(database_url=url, state="preflight")
        assert found["sql"] == ["GRANT INSERT, UPDATE ON public.model_registry_entries TO reader;"]
    finally:
        scratch.execute(f"REVOKE ALL ON model_registry_entries FROM {name}")


def test_it_lies_where_the_table_lies(scratch: Registry) -> None:
    """Also where another schema comes first in the search path."""
    scratch.execute("CREATE SCHEMA models")
    scratch.execute("ALTER DATABASE scratch SET search_path = models, public")
    scratch.server.close("scratch")
    scratch.execute("CREATE SCHEMA first")
    scratch.schema()
    scratch.execute("ALTER DATABASE scratch SET search_path = first, models")
    scratch.server.close("scratch")
    scratch.schema()
    for statement in VERSION_1:
        scratch.execute(statement)
    assert scratch.schema()["actions"] == ["upgrade"]
    assert scratch.entry(endpoint="a.b.svc.cluster.local:1")["history"] == "recorded"
    assert len(scratch.info(history=True)["history"]) == 1
    assert scratch.execute("SELECT count(*) FROM models.model_registry_history") == [(1,)]
