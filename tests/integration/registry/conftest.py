# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL with both schemas and a real Valkey, started for the session and ended by their pids."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
import redis
from ansible.module_utils import _internal
from ansible.module_utils.common.parameters import PASS_VARS
from ansible.module_utils.testing import patch_module_args
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import (
    cache_arguments,
    connection_arguments,
    provenance_arguments,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.change import change_entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.listing import list_entries
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.schema import ensure_schema
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.sync import sync_entries
from ansible_collections.ai_aas.inference.plugins.modules import (
    model_registry_entry,
    model_registry_info,
    model_registry_schema,
    model_registry_sync,
)
from psycopg2 import sql

from tests.lab import state, stores
from tests.lab.process import free_ports

Spec = Mapping[str, Any]

LAYOUTS = ("superset", "foreign", "adopted")
ADMIN_PASSWORD = "administrator"
FOREIGN = (Path(__file__).parent / "ai_aas.sql").read_text()


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL."""

    port: int
    connections: dict[str, Any] = field(default_factory=dict, repr=False)

    def url(self, database: str, user: str = stores.SUPERUSER, password: str = ADMIN_PASSWORD) -> str:
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def execute(self, database: str, statement: str | sql.Composable, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement on its own, as a client that is not the collection."""
        if database not in self.connections:
            self.connections[database] = psycopg2.connect(self.url(database))
            self.connections[database].autocommit = True
        with self.connections[database].cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def close(self, database: str) -> None:
        if database in self.connections:
            self.connections.pop(database).close()


@dataclass(frozen=True)
class Registry:
    """A database with an empty registry, and the modules' functions bound to it."""

    server: Server
    layout: str

    @property
    def url(self) -> str:
        return self.server.url(self.layout)

    def entry(self, *, check: bool = False, **params: object) -> dict[str, Any]:
        """What model_registry_entry returns, for `demo` in development unless told otherwise."""
        given = {"model_name": "demo", "environment": "development", "database_url": self.url, "cache_settle": 0}
        return change_entry(_filled(_changing(model_registry_entry), given | params), check=check)

    def sync(self, *, check: bool = False, diff: bool = True, **params: object) -> dict[str, Any]:
        """What model_registry_sync returns, for development unless told otherwise."""
        given: dict[str, object] = {"environment": "development", "database_url": self.url, "cache_settle": 0}
        if "entries" in params:
            options: Any = model_registry_sync.ARGUMENTS["entries"]["options"]
            params["entries"] = [_filled(options, entry) for entry in params["entries"]]  # type: ignore[attr-defined]
        return sync_entries(_filled(_changing(model_registry_sync), given | params), check=check, diff=diff)

    def info(self, **params: object) -> dict[str, Any]:
        spec: Spec = {**model_registry_info.ARGUMENTS, **connection_arguments()}
        return list_entries(_filled(spec, {"database_url": self.url} | params))

    def schema(self, *, check: bool = False, **params: object) -> dict[str, Any]:
        spec: Spec = {**model_registry_schema.ARGUMENTS, **connection_arguments()}
        return ensure_schema(_filled(spec, {"database_url": self.url} | params), check=check)

    def execute(self, statement: str | sql.Composable, *values: object) -> list[tuple[Any, ...]]:
        return self.server.execute(self.layout, statement, *values)

    def versions(self) -> list[tuple[Any, ...]]:
        """Which versions of which rows there are, of entries and of their history: any write makes a difference."""
        rows = self.execute("SELECT ctid, xmin, t.* FROM model_registry_entries t ORDER BY model_name, ctid")
        if self.execute("SELECT to_regclass('model_registry_history')") != [(None,)]:
            rows += self.execute("SELECT ctid, xmin, t.* FROM model_registry_history t ORDER BY id")
        return rows

    def count(self) -> int:
        return int(self.execute("SELECT count(*) FROM model_registry_entries")[0][0])

    def routed(self, model_name: str = "demo", environment: str = "development") -> tuple[Any, ...] | None:
        """What the ai-aas router sees."""
        rows = self.execute(
            "SELECT deployment_endpoint, deployment_namespace FROM model_registry_entries WHERE model_name = %s "
            "AND deployment_environment = %s AND deployment_status = 'ready' AND deployment_endpoint IS NOT NULL",
            model_name,
            environment,
        )
        return rows[0] if rows else None

    def add(self, status: str | None, **columns: object) -> None:
        """Insert a row as another tool would."""
        values = {
            "model_name": "demo",
            "revision": 1,
            "deployment_target": "self_hosted",
            "deployment_endpoint": "old.system.svc.cluster.local:8000",
            "deployment_environment": "development",
            "deployment_namespace": "system",
            "deployment_status": status,
        } | columns
        statement = sql.SQL("INSERT INTO model_registry_entries ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(sql.Placeholder() * len(values))
        )
        self.execute(statement, *values.values())


def _changing(module: ModuleType) -> Spec:
    return {**module.ARGUMENTS, **connection_arguments(), **cache_arguments(), **provenance_arguments()}


def _filled(spec: Spec, params: Mapping[str, object]) -> dict[str, object]:
    """Parameters as Ansible hands them to a module."""
    assert params.keys() <= spec.keys()
    return {name: option.get("default") for name, option in spec.items()} | dict(params)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the servers keep their data and the records of their processes."""
    path = tmp_path_factory.mktemp("registry")
    try:
        yield path
    finally:
        state.end_all(path, grace=5)


@pytest.fixture(scope="session")
def server(folder: Path) -> Server:
    port = free_ports(["postgres"])["postgres"]
    stores.start_postgres(folder, port, ADMIN_PASSWORD)
    running = Server(port)
    for layout in LAYOUTS:
        running.execute("postgres", sql.SQL("CREATE DATABASE {}").format(sql.Identifier(layout)))
    for layout in ("foreign", "adopted"):
        running.execute(layout, FOREIGN)
    Registry(running, "superset").schema()
    Registry(running, "adopted").schema(adopt=True)
    return running


@pytest.fixture(scope="session")
def valkey_url(folder: Path) -> str:
    port = free_ports(["valkey"])["valkey"]
    stores.start_valkey(folder, port)
    return stores.redis_url(port)


@pytest.fixture
def valkey(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        yield client


@pytest.fixture(params=LAYOUTS)
def registry(server: Server, request: pytest.FixtureRequest) -> Registry:
    """An empty registry, of each schema in turn."""
    server.execute(request.param, "TRUNCATE model_registry_entries CASCADE")
    forget = "DROP TABLE IF EXISTS" if request.param == "foreign" else "TRUNCATE"
    server.execute(request.param, f"{forget} model_registry_history")
    return Registry(server, request.param)


@pytest.fixture
def scratch(server: Server) -> Iterator[Registry]:
    """A database without any table."""
    server.execute("postgres", "CREATE DATABASE scratch")
    try:
        yield Registry(server, "scratch")
    finally:
        server.close("scratch")
        server.execute("postgres", "DROP DATABASE scratch WITH (FORCE)")


@pytest.fixture
def role(server: Server) -> Iterator[Any]:
    """Makes roles, and drops them afterwards with what they own and may do."""
    made: list[sql.Identifier] = []

    def make(name: str, password: str) -> str:
        made.append(sql.Identifier(name))
        statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password))
        server.execute("postgres", statement)
        return name

    yield make
    for database in LAYOUTS:
        for name in made:
            server.execute(database, sql.SQL("DROP OWNED BY {}").format(name))
    for name in made:
        server.execute("postgres", sql.SQL("DROP ROLE {}").format(name))


# From core 2.21 on a result shows its arguments only when asked to, and it is there that a secret could show.
SHOW_ARGUMENTS = {"_ansible_inject_invocation": True} if "inject_invocation" in PASS_VARS else {}


def in_process(module: ModuleType, params: Mapping[str, object]) -> dict[str, Any]:
    """What a module prints, with the real AnsibleModule."""
    output = io.StringIO()
    given = patch_module_args({**params, **SHOW_ARGUMENTS})
    with on_target(), given, contextlib.redirect_stdout(output), pytest.raises(SystemExit):
        module.main()
    result: dict[str, Any] = json.loads(output.getvalue())
    return result


@contextlib.contextmanager
def on_target() -> Iterator[None]:
    """There is no controller to ask, whatever another test has imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_internal, "is_controller", False)
        patch.setattr(_internal, "import_controller_module", lambda _name: None)
        yield


def ansible(
    module: str, params: Mapping[str, object], *flags: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a module as a user does ad hoc."""
    arguments = ["-a", json.dumps(params)] if params else []
    return run_program(["ansible", "localhost", "-m", f"ai_aas.inference.{module}", *arguments, *flags], env or {})


def playbook(text: str, *flags: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a playbook, which must not fail."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(text)
        file.flush()
        done = run_program(["ansible-playbook", file.name, *flags], env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def run_program(command: list[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name(command[0]))
    surroundings = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    surroundings |= {"ANSIBLE_INJECT_INVOCATION": "1", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0", **env}
    return subprocess.run(
        [program, *command[1:]], capture_output=True, text=True, timeout=120, check=False, env=surroundings
    )
