# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No password in the process list, in what the server sees and logs, in the history, in an exception or in any output.

test_modules.py looks at the output of model_registry_entry; this looks everywhere else, and at the other modules.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from ansible.module_utils.common import warnings as ansible_warnings
from ansible_collections.ai_aas.inference.plugins.module_utils._registry import (
    cache,
    change,
    listing,
    schema,
    secrecy,
    sync,
    transaction,
)
from ansible_collections.ai_aas.inference.plugins.modules import (
    model_registry_entry,
    model_registry_info,
    model_registry_schema,
    model_registry_sync,
)
from psycopg2 import sql

from tests.lab.process import free_ports, wait_until

from .conftest import Registry, Server, ansible, in_process

Params = dict[str, Any]

PASSWORD = "s3cr:t/p@ss%41 word"
PASSWORDS = (PASSWORD, "s3cr?t#&=+'\"\\", "s3cr%et", "s3cr@host/db?x=@")
HIDDEN = "********"
MASK = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
NEW = "demo.system.svc.cluster.local:8000"
OTHER = "other.system.svc.cluster.local:8000"
DEMO: Params = {"model_name": "demo", "environment": "development", "endpoint": NEW}
SYNC: Params = {"environment": "development", "entries": [{"model_name": "demo", "endpoint": NEW}], "prune": "disable"}

on_two_layouts = pytest.mark.parametrize("registry", ["superset", "foreign"], indirect=True)
on_one_layout = pytest.mark.parametrize("registry", ["superset"], indirect=True)
MODULES: dict[ModuleType, Params] = {
    model_registry_entry: DEMO,
    model_registry_sync: SYNC,
    model_registry_info: {"history": True},
    model_registry_schema: {},
}
every_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])


@pytest.fixture(autouse=True)
def without_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)


def granted(registry: Registry, role: Any, password: str, name: str = "user") -> str:
    """The URL of a role with this password that may change the registry and read its history, and whose every
    statement is logged by the server."""
    role(name, password)
    user = sql.Identifier(name)
    for statement in (
        "GRANT SELECT, INSERT, UPDATE, DELETE ON model_registry_entries TO {}",
        "GRANT CREATE ON SCHEMA public TO {}",
        "ALTER ROLE {} SET log_statement = 'all'",
    ):
        registry.execute(sql.SQL(statement).format(user))
    if registry.layout != "foreign":
        registry.execute(sql.SQL("GRANT SELECT ON model_registry_history TO {}").format(user))
    return registry.server.url(registry.layout, quote(name, safe=""), password)


def assert_without(text: str, password: str = PASSWORD) -> None:
    """No form of the password, nor the part that all of them begin with."""
    for secret in (password, quote(password, safe=""), quote(password), json.dumps(password)[1:-1], password[:4]):
        assert secret not in text, text[max(0, text.index(secret) - 300) :][:600]


def result_of(module: ModuleType, params: Params) -> Params:
    ansible_warnings._global_warnings.clear()
    return in_process(module, params)


def backends(registry: Registry) -> list[tuple[str, str]]:
    """What the collection's sessions do, and whether they wait for a lock."""
    return registry.execute("SELECT query, coalesce(wait_event_type, '') FROM pg_stat_activity WHERE usename = 'user'")


@contextlib.contextmanager
def held(registry: Registry) -> Iterator[None]:
    """Another session has locked every entry, so that whoever wants to change one waits inside its transaction."""
    with contextlib.closing(psycopg2.connect(registry.url)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM model_registry_entries FOR UPDATE")
        yield


def process_list() -> str:
    """The words of every process on this machine, the titles of PostgreSQL's backends among them."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(found)


@on_one_layout
@pytest.mark.parametrize(
    ("module", "params"), [("model_registry_entry", DEMO | {"endpoint": OTHER}), ("model_registry_sync", SYNC)]
)
def test_process_list(registry: Registry, role: Any, valkey_url: str, module: str, params: Params) -> None:
    url = granted(registry, role, PASSWORD)
    registry.add("ready")
    port = valkey_url.split(":")[2]
    env = {"DATABASE_URL": url, "REDIS_URL": f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"}
    with ThreadPoolExecutor(1) as pool:
        with held(registry):
            running = pool.submit(ansible, module, params | {"cache_settle": 0}, "-vvvv", "--diff", env=env)
            wait_until(
                "the module to wait for the row",
                lambda: None if any(wait == "Lock" for _query, wait in backends(registry)) else "it does not wait yet",
                [],
                60,
            )
            processes, queries = process_list(), json.dumps(backends(registry))
        done = running.result(timeout=60)
    assert done.returncode == 0, done.stdout
    # What was looked at are these processes: the module's own and its backend.
    assert f"AnsiballZ_{module}.py" in processes
    assert "postgres: user superset" in processes
    assert "FOR UPDATE" in queries
    for text in (processes, queries, done.stdout + done.stderr):
        assert_without(text)
    assert registry.execute("SELECT deployment_endpoint FROM model_registry_entries") != [
        ("old.system.svc.cluster.local:8000",)
    ]


def log_of(folder: Path) -> Path:
    (path,) = (folder / "logs").glob("postgres.log")
    return path


@on_two_layouts
@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("way", ["url", "query", "keywords", "login"])
def test_history_and_log_of_the_server(registry: Registry, role: Any, folder: Path, password: str, way: str) -> None:
    """Who pastes the password into a reason, an actor or a job does not make it last."""
    connection = ways(registry, granted(registry, role, password), password)[way]
    log = log_of(folder)
    seen = log.stat().st_size
    pasted = [password, quote(password, safe=""), f"it is {password}, or {quote(password, safe='')}"]
    if way != "keywords":
        # A whole URL, as it would be copied from the environment.
        pasted.append(registry.server.url("superset", "user", password))
    outputs: list[Params] = []
    for number, text in enumerate(pasted):
        told = {"actor": f"a {text}"[:255], "reason": text, "job": {"note": [text, {"it": text}]}}
        endpoint = f"demo-{number}.system.svc.cluster.local:8000"
        outputs += [
            result_of(model_registry_entry, {**DEMO, **connection, **told, "endpoint": endpoint}),
            result_of(
                model_registry_sync,
                {**SYNC, **connection, **told, "entries": [{"model_name": f"m-{number}", "endpoint": NEW}]},
            ),
        ]
    outputs.append(result_of(model_registry_info, {**connection, "history": True}))
    assert not any(output.get("failed") for output in outputs), outputs
    kept = str(registry.execute("SELECT t::text FROM model_registry_history t"))
    assert HIDDEN in kept
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(seen)
        logged = file.read()
    assert "model_registry_entries" in logged
    for text in (kept, logged, json.dumps(outputs)):
        assert_without(text, password)


def ways(registry: Registry, url: str, password: str) -> dict[str, Params]:
    """Every way to give the password of a role."""
    server = f"postgresql://127.0.0.1:{registry.server.port}/{registry.layout}"
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    login = {"login_host": "127.0.0.1", "login_port": registry.server.port, "login_user": "user"}
    return {
        "url": {"database_url": url},
        "query": {"database_url": f"{server}?user=user&password={quote(password, safe='')}&application_name=me"},
        "keywords": {
            "database_url": f"host=127.0.0.1 port={registry.server.port} dbname={registry.layout} user=user "
            f"password = '{escaped}'"
        },
        "login": {**login, "login_password": password, "login_db": registry.layout},
    }


@on_one_layout
@pytest.mark.parametrize(
    ("user", "password", "form"),
    [
        # An @ that has its place further on, as in an address of somebody.
        ("user", "s3cret", "postgresql://{user}:{password}@{server}/{db}?application_name=me@example.com"),
        ("user", "s3cret", "postgresql://{user}:{password}@{server}/{db}?options=-cai_aas.x%3D@"),
        # libpq takes them as they are.
        ("us#er", "s3cret", "postgresql://{user}:{password}@{server}/{db}"),
        ("us?er", "s3cret", "postgresql://{user}:{password}@{server}/{db}"),
        # The name of a parameter can be encoded as its value can.
        ("user", "s3cret", "postgresql://{server}/{db}?user={user}&pass%77ord={password}"),
        # Without quotes all but a space is part of the value, and a backslash stands for what follows it.
        ("user", "ab&s3cret", "host=127.0.0.1 port={port} dbname={db} user={user} password={password}"),
        ("user", "it's3cret", "host=127.0.0.1 port={port} dbname={db} user={user} password={password}"),
        ("user", "a s3cret", "host=127.0.0.1 port={port} dbname={db} user={user} password=a\\ s3cret"),
        ("user", "s3c'ret", "host=127.0.0.1 port={port} dbname={db} user={user} password=s3c\\'ret"),
    ],
)
def test_every_form_of_a_connection_string(registry: Registry, role: Any, user: str, password: str, form: str) -> None:
    granted(registry, role, password, user)
    port = registry.server.port
    url = form.format(user=user, password=password, server=f"127.0.0.1:{port}", port=port, db=registry.layout)
    told = {"reason": f"it is {password}", "actor": password, "job": {"note": password}}
    made = result_of(model_registry_entry, {**DEMO, **told, "database_url": url, "metadata": {"note": password}})
    assert made.get("actions") == ["insert"], made
    assert password not in json.dumps(made).replace(json.dumps(url), "")
    (kept,) = registry.execute("SELECT actor, reason, job::text FROM model_registry_history")
    assert password not in str(kept)
    assert secrecy.passwords({"database_url": url}) >= {password}


@on_one_layout
@pytest.mark.parametrize("option", ["actor", "reason"])
def test_history_that_another_tool_wrote(registry: Registry, role: Any, option: str) -> None:
    """What stands in the history already is free text: it must not make the module show its own password."""
    url = granted(registry, role, PASSWORD)
    registry.execute(f"SELECT set_config('ai_aas.{option}', %s, false)", f"the password is {PASSWORD}")
    try:
        registry.add("ready")
    finally:
        registry.execute(f"SELECT set_config('ai_aas.{option}', '', false)")
    seen = result_of(model_registry_info, {"database_url": url, "history": True})
    assert len(seen["history"]) == 1
    assert_without(json.dumps(seen))


@on_one_layout
def test_job_that_another_tool_wrote(registry: Registry, role: Any) -> None:
    url = granted(registry, role, PASSWORD)
    registry.add("ready")
    registry.execute("UPDATE model_registry_history SET job = %s::jsonb", json.dumps({"url": url, "it": PASSWORD}))
    seen = result_of(model_registry_info, {"database_url": url, "history": True})
    assert len(seen["history"]) == 1
    assert_without(json.dumps(seen))


@on_one_layout
def test_output_at_highest_verbosity(registry: Registry, role: Any, tmp_path: Path) -> None:
    """Of the modules that test_modules.py does not run, with a cache that cannot be reached and a refusal."""
    url = granted(registry, role, PASSWORD)
    registry.add("ready", model_name="old")
    closed = free_ports(["nobody"])["nobody"]
    env = {"DATABASE_URL": url, "REDIS_URL": f"redis://u:{quote(PASSWORD, safe='')}@127.0.0.1:{closed}/1"}
    lines = tmp_path / "entries.jsonl"
    lines.write_text(json.dumps({"model_name": "m", "endpoint": f"postgresql://u:{PASSWORD}@h"}))
    pasted = {"reason": f"it is {PASSWORD}", "actor": PASSWORD, "job": {"id": 1, "note": PASSWORD}}
    with ThreadPoolExecutor(5) as pool:
        runs = [
            running.result()
            for running in (
                pool.submit(ansible, "model_registry_sync", SYNC | pasted, "-vvvv", "--diff", env=env),
                pool.submit(
                    ansible,
                    "model_registry_sync",
                    {"environment": "development", "entries_file": str(lines)},
                    "-vvvv",
                    "--diff",
                    env=env,
                ),
                pool.submit(ansible, "model_registry_info", {"history": True}, "-vvvv", env=env),
                pool.submit(ansible, "model_registry_schema", {}, "-vvvv", "--diff", env=env),
                pool.submit(
                    ansible, "model_registry_info", {}, "-vvvv", env={"DATABASE_URL": url.replace("//user", "//nobody")}
                ),
            )
        ]
    assert [run.returncode for run in runs] == [0, 2, 0, 0, 2], [run.stdout for run in runs]
    assert "up to 2 minutes" in runs[0].stdout + runs[0].stderr
    assert '"disable old"' in runs[0].stdout
    assert "Invalid line 1" in runs[1].stdout
    assert "authentication failed" in runs[4].stdout
    for run in runs:
        assert '"database_url"' in run.stdout
        assert_without(run.stdout + run.stderr)


@on_two_layouts
@pytest.mark.parametrize("password", ["ready", "disabled", "development", "insert", "update", "postgres", "8000", "e"])
@pytest.mark.parametrize("way", ["url", "login"])
def test_password_like_a_word_of_the_result(registry: Registry, role: Any, password: str, way: str) -> None:
    connection = ways(registry, granted(registry, role, password), password)[way]
    registry.add("ready", model_name="old")
    told = {"reason": "incident 12", "actor": "alice", "job": {"awx_job_id": 12}}
    made = result_of(model_registry_sync, {**SYNC, **connection, **told, "_ansible_diff": True})
    assert made["actions"] == ["insert demo", "disable old"]
    assert made["counts"] == {
        "insert": 1,
        "update": 0,
        "disable": 1,
        "delete": 0,
        "unchanged": 0,
        "kept_disabled": 0,
    }
    assert made["diff"]["after"]["demo"]["status"] == "ready"
    assert (made["diff"]["before"]["old"]["status"], made["diff"]["after"]["old"]["status"]) == ("ready", "disabled")
    assert made["history"] == "recorded"
    seen = result_of(model_registry_info, {**connection, "history": True})
    assert seen["entries"] == registry.info()["entries"]
    assert [(entry["model_name"], entry["status"]) for entry in seen["entries"]] == [
        ("demo", "ready"),
        ("old", "disabled"),
    ]
    independent = registry.info(history=True)
    assert seen["history"] == independent["history"]
    assert seen["history_table"] == independent["history_table"]
    assert {event["operation"] for event in seen["history"]} >= {"insert", "update"}
    for result in (made, seen):
        arguments = result["invocation"]["module_args"]
        assert arguments["database_url" if way == "url" else "login_password"] == MASK


PLACES: dict[ModuleType, list[tuple[object, str]]] = {
    model_registry_entry: [(change, "desired_from"), (change, "database_from"), (change, "transact")],
    model_registry_sync: [(sync, "settings_from"), (sync, "Sync"), (sync.Sync, "result")],
    model_registry_info: [(listing, "layout_of"), (listing, "run"), (listing, "lines")],
    model_registry_schema: [(schema, "database_from"), (transaction.Session, "attempt")],
}


class StrangeError(Exception):
    """An error that nobody thought of."""


@on_one_layout
@pytest.mark.parametrize(
    ("module", "owner", "name"),
    [(module, owner, name) for module, places in PLACES.items() for owner, name in places],
    ids=lambda value: getattr(value, "__name__", str(value)).rpartition(".")[2],
)
@pytest.mark.parametrize("password", [PASSWORD, "ready"])
def test_unforeseen_error(
    registry: Registry,
    role: Any,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    owner: object,
    name: str,
    password: str,
) -> None:
    """The text of an error and of its cause can hold a connection string; only its kind and place are told."""
    url = granted(registry, role, password)
    told = f"could not connect to {url} (it is {password}!)"

    def fail(*arguments: object, **options: object) -> None:
        raise StrangeError(told) from ValueError(told)

    monkeypatch.setattr(owner, name, fail)
    result = result_of(module, {**MODULES[module], "database_url": url})
    assert result["msg"].startswith("Unforeseen StrangeError at ")
    assert "could not connect" not in json.dumps(result)
    if password == PASSWORD:
        assert_without(json.dumps(result))


@on_one_layout
def test_unforeseen_error_of_the_cache(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_ports(["nobody"])["nobody"]
    url = f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"

    def fail(*arguments: object) -> None:
        raise StrangeError(f"cannot reach {url}: {PASSWORD}")

    monkeypatch.setattr(cache, "delete", fail)
    result = result_of(model_registry_entry, {**DEMO, "database_url": registry.url, "redis_url": url})
    assert result["msg"].startswith("Unforeseen StrangeError at ")
    assert_without(json.dumps(result))


@contextlib.contextmanager
def silent_peer() -> Iterator[int]:
    """A port where somebody takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@on_one_layout
@every_module
@pytest.mark.parametrize("password", PASSWORDS)
def test_errors_of_the_driver(
    registry: Registry, module: ModuleType, password: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Wrong password, no database, no server, no TLS, no certificate, no answer, and strings that cannot be read."""
    server, closed = registry.server, Server(free_ports(["nobody"])["nobody"])
    certificate = folder / "no-certificate.pem"
    certificate.write_text("no certificate")
    port, encoded = server.port, quote(password, safe="")
    good = server.url("superset", "user", password)
    with silent_peer() as silent:
        cases: list[Params] = [
            {"database_url": good},
            {"database_url": server.url("superset", "postgres", password)},
            {"database_url": server.url("nowhere", "user", password)},
            {"database_url": closed.url("superset", "user", password)},
            {"database_url": f"postgresql://user:{encoded}@127.0.0.1:{silent}/superset"},
            {"database_url": f"{good}?sslmode=require"},
            {"database_url": f"{good}?sslmode=verify-full&sslrootcert={certificate}"},
            {"database_url": good, "ssl_mode": "verify-ca", "ca_cert": str(certificate)},
            {"database_url": good, "ssl_mode": "require", "ssl_cert": str(certificate), "ssl_key": str(certificate)},
            {"database_url": f"{good}?nonsense=1"},
            {"database_url": f"{good}?connect_timeout={encoded}"},
            {"database_url": f"{good}?port={encoded}"},
            {"database_url": f"{good}%zz"},
            {"database_url": f"postgresql://user:{password}@127.0.0.1:{port}/superset"},
            {"database_url": f"postgresql://user:{password}"},
            {"database_url": f"user:{password}@127.0.0.1"},
            {"database_url": f"host=127.0.0.1 password='{password}"},
            {"database_url": f"host=127.0.0.1 port={port} user=user dbname=superset password={password}"},
            {"login_host": "127.0.0.1", "login_port": port, "login_user": "user", "login_password": password},
            {"login_host": "127.0.0.1", "login_port": port, "login_user": "user", "login_password": f"{password}\0"},
            {"database_url": good, "login_password": password},
        ]
        for connection in cases:
            result = result_of(module, {**MODULES[module], "connect_timeout": 1, "retry_timeout": 0, **connection})
            assert result["failed"], connection
            assert "exception" not in result
            assert_without(json.dumps(result), password)
    assert_without(caplog.text, password)


@on_one_layout
@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "form",
    [
        "redis://u:{encoded}@127.0.0.1:{valkey}/0",
        "redis://u:{encoded}@127.0.0.1:{closed}/0",
        "rediss://u:{encoded}@127.0.0.1:{closed}/0?ssl_ca_certs=/nonexistent",
        "redis://u:{encoded}@127.0.0.1:{valkey}/x",
        "redis://u:{encoded}@127.0.0.1:65536/0",
        "redis://u:{password}@127.0.0.1:{closed}/0",
        "redis://u:{password}",
        "u:{password}@127.0.0.1:{closed}",
        "redis://u:{encoded}@[::1/0",
    ],
)
def test_errors_of_the_cache(registry: Registry, valkey_url: str, form: str, password: str) -> None:
    closed = free_ports(["nobody"])["nobody"]
    valkey = valkey_url.split(":")[2].partition("/")[0]
    url = form.format(password=password, encoded=quote(password, safe=""), closed=closed, valkey=valkey)
    result = result_of(model_registry_entry, {**DEMO, "database_url": registry.url, "redis_url": url})
    assert_without(json.dumps(result), password)
    assert result.get("failed") or result["cache"] == "stale"


@on_one_layout
@pytest.mark.parametrize("password", PASSWORDS)
def test_password_of_the_cache_in_the_history(registry: Registry, password: str) -> None:
    url = f"redis://u:{quote(password, safe='')}@127.0.0.1:{free_ports(['nobody'])['nobody']}/0"
    told = {"reason": f"it is {password}", "actor": password, "job": {"url": url}}
    result = result_of(model_registry_entry, {**DEMO, **told, "database_url": registry.url, "redis_url": url})
    assert result["cache"] == "stale"
    kept = str(registry.execute("SELECT t::text FROM model_registry_history t"))
    assert HIDDEN in kept
    assert_without(kept + json.dumps(result), password)


@on_one_layout
@pytest.mark.parametrize("option", ["job", "metadata"])
def test_password_as_a_key(registry: Registry, role: Any, option: str) -> None:
    """Ansible masks the values of a result and leaves its keys as they are."""
    url = granted(registry, role, PASSWORD)
    result = result_of(model_registry_entry, {**DEMO, "database_url": url, option: {"a": [{PASSWORD: 7}]}})
    assert result["actions"] == ["insert"]
    assert_without(json.dumps(result))


def test_nothing_is_logged_by_python(caplog: pytest.LogCaptureFixture, registry: Registry) -> None:
    with caplog.at_level(logging.DEBUG):
        result_of(model_registry_entry, {**DEMO, "database_url": registry.url})
    assert caplog.text == ""
