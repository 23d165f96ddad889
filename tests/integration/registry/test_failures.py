# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user is told when the database, the table or a right is not as it must be. Nothing is changed then."""

from __future__ import annotations

import contextlib
import re
import socket
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.connection import database_from
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.failures import GRANTS
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import Timings, run

from tests.lab.process import free_ports

from .conftest import ADMIN_PASSWORD, Registry, Server
from .messages import message_of

REGISTRY_PAGE = Path(__file__).parents[3] / "docs" / "registry.md"
NEW = "demo.system.svc.cluster.local:8000"


def test_refused(registry: Registry) -> None:
    port = free_ports(["nobody"])["nobody"]
    message = message_of(lambda: registry.info(database_url=Server(port).url("lab")))
    assert message.startswith(f"Failed to connect to database: 127.0.0.1:{port}/lab: connection refused. Check that")


def test_wrong_password(registry: Registry) -> None:
    url = registry.server.url("superset", password="s3cret@:/%")
    message = message_of(lambda: registry.info(database_url=url))
    assert message.startswith("Failed to connect to database: ")
    assert f"127.0.0.1:{registry.server.port}/superset: authentication failed. Check user and password" in message
    assert "s3cret" not in message


def test_no_such_database(registry: Registry) -> None:
    message = message_of(lambda: registry.info(database_url=registry.server.url("nowhere")))
    assert "/nowhere: database does not exist." in message


def test_no_such_host(registry: Registry) -> None:
    message = message_of(lambda: registry.info(database_url="postgresql://u:p@nowhere.invalid/lab"))
    assert "nowhere.invalid:5432/lab: unknown host." in message


def test_silent_server(registry: Registry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        message = message_of(lambda: registry.info(database_url=Server(port).url("lab"), connect_timeout=1))
    assert f"127.0.0.1:{port}/lab: timeout." in message


def test_tls_demanded_and_not_offered(registry: Registry) -> None:
    message = message_of(lambda: registry.info(ssl_mode="require"))
    assert "the server does not offer TLS" in message


def test_none_given(registry: Registry) -> None:
    message = message_of(lambda: registry.info(database_url=None))
    assert message.startswith("Failed to connect to database: none is given")


def test_login_options(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    login = {
        "login_host": "127.0.0.1",
        "login_port": registry.server.port,
        "login_user": "postgres",
        "login_password": ADMIN_PASSWORD,
        "login_db": registry.layout,
    }
    assert registry.info(database_url=None, **login)["count"] == 0
    # What comes from the environment gives way to what the task says.
    monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere.invalid/x")
    assert registry.info(database_url="postgresql://nowhere.invalid/x", **login)["count"] == 0
    assert "exclude each other" in message_of(lambda: registry.info(**login))


def test_missing_table(scratch: Registry) -> None:
    for call in (scratch.info, lambda: scratch.entry(endpoint=NEW), lambda: scratch.entry(check=True, endpoint=NEW)):
        message = message_of(call)
        assert message.startswith("The registry has no table model_registry_entries")
        assert "ai_aas.inference.model_registry_schema" in message


def test_missing_column(scratch: Registry) -> None:
    scratch.execute("CREATE TABLE model_registry_entries (model_name text, deployment_environment text, status text)")
    lacks = "lacks the column deployment_endpoint, deployment_namespace, deployment_status"
    assert lacks in message_of(lambda: scratch.entry(endpoint=NEW))
    with pytest.raises(InferenceError) as caught:
        scratch.schema()
    assert lacks in caught.value.message
    assert caught.value.result["layout"] == "foreign"
    for statement in caught.value.result["sql"]:
        scratch.execute(statement)
    assert scratch.schema()["missing"] == []
    # The least that a registry can be is enough, and says what else it has no place for.
    assert scratch.entry(endpoint=NEW)["actions"] == ["insert"]
    assert scratch.routed() == (NEW, "system")
    assert "lacks the column revision" in message_of(lambda: scratch.entry(revision=2))


def test_column_that_only_its_owner_can_fill(registry: Registry) -> None:
    registry.execute("ALTER TABLE model_registry_entries ADD COLUMN tier text NOT NULL")
    try:
        message = message_of(lambda: registry.entry(endpoint=NEW))
    finally:
        registry.execute("ALTER TABLE model_registry_entries DROP COLUMN tier")
    assert "column tier of the table needs a value" in message


def test_two_rows_for_one_entry(scratch: Registry) -> None:
    scratch.execute(
        "CREATE TABLE model_registry_entries (model_name text, deployment_environment text, "
        "deployment_endpoint text, deployment_namespace text, deployment_status text)"
    )
    row = "INSERT INTO model_registry_entries VALUES ('demo', 'development', 'a', 'b', 'ready')"
    scratch.execute(f"{row}; {row}")
    assert "holds 2 rows for model 'demo'" in message_of(lambda: scratch.entry(state="disabled"))


def test_missing_organisation(registry: Registry) -> None:
    if registry.layout == "superset":
        made = registry.entry(endpoint=NEW, organization_id="11111111-1111-1111-1111-111111111111")
        assert made["entry"]["organization_id"] == "11111111-1111-1111-1111-111111111111"
        return
    other = "11111111-1111-1111-1111-111111111111"
    message = message_of(lambda: registry.entry(endpoint=NEW, organization_id=other))
    assert "Give organization_id of an organisation that exists" in message
    assert registry.versions() == []


def test_revision_of_another_entry(registry: Registry) -> None:
    registry.entry(endpoint=NEW)
    registry.entry(endpoint=NEW, environment="staging")
    before = registry.versions()
    message = message_of(lambda: registry.entry(revision=2))
    assert "Revision 2 of model 'demo' is taken: the entry in staging has it." in message
    assert registry.versions() == before


def test_row_held_by_another_session(registry: Registry) -> None:
    registry.entry(endpoint=NEW)
    with contextlib.closing(psycopg2.connect(registry.url)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT 1 FROM model_registry_entries FOR UPDATE")
        message = message_of(lambda: registry.entry(state="disabled", statement_timeout=0.2))
        # Who only looks waits for nobody.
        assert registry.entry(state="disabled", check=True, statement_timeout=0.2)["changed"]
    assert "it did not finish in time; another session may hold a lock" in message
    assert registry.routed() == (NEW, "system")


def test_documented_rights_suffice(registry: Registry, role: Any) -> None:
    name = role("registrar", "right")
    if registry.layout == "foreign":
        # Its history is made by the first change, of whoever may make a table.
        registry.entry(endpoint=NEW, model_name="first")
        registry.execute(f"GRANT INSERT ON model_registry_history TO {name}")
    for statement in GRANTS.replace("<role>", name).replace("<schema>", "public").split(";"):
        if statement.strip():
            registry.execute(statement)
    url = registry.server.url(registry.layout, name, "right")
    made = registry.entry(database_url=url, endpoint=NEW, model_name="registrar-made")
    assert (made["actions"], made["history"]) == (["insert"], "recorded")
    assert registry.entry(database_url=url, state="disabled", model_name="registrar-made")["actions"] == ["disable"]
    assert registry.schema(database_url=url)["changed"] is False
    latest, first = registry.info(database_url=url, history=True, model_name="registrar-made")["history"]
    assert [event["operation"] for event in (latest, first)] == ["update", "insert"]
    if registry.layout != "superset":
        # What the role may not read could refer to the entry.
        kept = registry.entry(database_url=url, model_name="registrar-made", state="absent", purge=True)
        assert kept["referenced_by"] == ["usage_events (which the role may not read)"]
        registry.execute(f"GRANT SELECT ON usage_events TO {name}")
    purged = registry.entry(database_url=url, model_name="registrar-made", state="absent", purge=True)
    assert purged["actions"] == ["delete"]


def test_reader_may_list_and_predict_but_not_change(registry: Registry, role: Any) -> None:
    name = role("reader", "right")
    registry.add("ready")
    registry.execute(f"GRANT SELECT ON model_registry_entries TO {name}")
    url = registry.server.url(registry.layout, name, "right")
    assert registry.info(database_url=url)["count"] == 1
    assert registry.entry(database_url=url, state="disabled", check=True)["actions"] == ["disable"]
    message = message_of(lambda: registry.entry(database_url=url, state="disabled"))
    assert (
        "a right is missing: role reader lacks INSERT, UPDATE on public.model_registry_entries. "
        "Run: GRANT INSERT, UPDATE ON public.model_registry_entries TO reader;"
    ) in message
    assert registry.routed() is not None


def test_a_policy_keeps_a_role_out_of_production(registry: Registry, role: Any) -> None:
    """As docs/registry.md has it."""
    name = role("deployer", "right")
    url = registry.server.url(registry.layout, name, "right")
    registry.execute(f"GRANT SELECT, INSERT, UPDATE ON model_registry_entries TO {name}")
    if registry.layout == "foreign":
        registry.entry(endpoint=NEW, model_name="first")
        registry.execute(f"GRANT INSERT ON model_registry_history TO {name}")
    registry.entry(endpoint=NEW, environment="production")
    production: dict[str, Any] = {"database_url": url, "environment": "production"}
    section = REGISTRY_PAGE.read_text().partition("## One environment for a role")[2]
    for statement in re.findall(r"```sql\n(.*?)```", section, re.DOTALL)[0].split(";"):
        if statement.strip():
            registry.execute(statement)
    try:
        assert registry.entry(database_url=url, endpoint=NEW, environment="staging")["actions"][0] == "insert"
        assert registry.entry(database_url=url, state="disabled", environment="staging")["actions"] == ["disable"]
        refused = "a policy (row level security) keeps it from changing it"
        changes: list[dict[str, Any]] = [{"endpoint": "b.s.svc.cluster.local:8000"}]
        changes += [{"state": "disabled"}, {"state": "absent"}]
        for change in changes:
            assert refused in message_of(partial(registry.entry, **change, **production))
        message = message_of(lambda: registry.entry(endpoint=NEW, model_name="another", **production))
        assert "is not the owner, or a policy (row level security) stands against it" in message
        assert registry.info(database_url=url, environment="production")["count"] == 1
    finally:
        registry.execute("DROP POLICY everybody_reads ON model_registry_entries")
        registry.execute("DROP POLICY deployers_write ON model_registry_entries")
        registry.execute("ALTER TABLE model_registry_entries DISABLE ROW LEVEL SECURITY")


def test_missing_right_is_not_taken_for_a_missing_table(registry: Registry, role: Any) -> None:
    url = registry.server.url(registry.layout, role("stranger", "right"), "right")
    message = message_of(lambda: registry.info(database_url=url))
    assert "role stranger lacks SELECT, INSERT, UPDATE on public.model_registry_entries" in message


def test_read_only_database(registry: Registry, role: Any) -> None:
    name = role("replica", "right")
    registry.execute(f"GRANT SELECT, INSERT, UPDATE ON model_registry_entries TO {name}")
    registry.execute(f"ALTER ROLE {name} SET default_transaction_read_only = on")
    url = registry.server.url(registry.layout, name, "right")
    assert registry.info(database_url=url)["count"] == 0
    assert "read-only replica" in message_of(lambda: registry.entry(database_url=url, endpoint=NEW))


def test_work_that_another_session_spoilt_is_done_again(registry: Registry) -> None:
    database = database_from(
        {
            "database_url": registry.url,
            "connect_timeout": 5,
            "statement_timeout": 5.0,
            "retry_timeout": 5.0,
            **dict.fromkeys(("login_host", "login_unix_socket", "login_user", "login_password", "login_db")),
            **dict.fromkeys(("ssl_mode", "ca_cert", "ssl_cert", "ssl_key")),
        }
    )
    attempts: list[int] = []

    def work(cursor: Any) -> str:
        attempts.append(1)
        for _unused in range(2 if len(attempts) == 1 else 1):
            cursor.execute(
                "INSERT INTO model_registry_entries (model_name, revision, deployment_target, "
                "deployment_environment, deployment_namespace) VALUES ('x', 1, 'managed', 'staging', 'n')"
            )
        return "done"

    assert run(database, work, Timings()) == "done"
    assert len(attempts) == 2
    assert registry.count() == 1


def test_failed_work_leaves_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect after the write, before the commit."""
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry import table

    real = table.insert

    def insert_and_fail(*arguments: Any) -> Any:
        real(*arguments)
        raise ZeroDivisionError

    monkeypatch.setattr(table, "insert", insert_and_fail)
    with pytest.raises(ZeroDivisionError):
        registry.entry(endpoint=NEW)
    assert registry.versions() == []
