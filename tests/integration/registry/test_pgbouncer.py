# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Behind PgBouncer in transaction mode: many clients on one connection, and nothing left in its session."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest

from tests.lab import state, stores
from tests.lab.process import LOOPBACK, free_ports

from .conftest import ADMIN_PASSWORD, LAYOUTS, Registry, Server
from .messages import message_of
from .pgbouncer import CONSOLE, Pool, console, start_pgbouncer

CLIENTS = 16
NEW = "demo.system.svc.cluster.local:8000"
PROVENANCE: dict[str, Any] = {"actor": "alice", "reason": "a test of pools", "job": {"id": 7}}
UNKNOWN = "the driver gives no known cause"

# What happens before any statement is the same for every schema.
ONE_LAYOUT = pytest.mark.parametrize("registry", ["superset"], indirect=True)


@dataclass(frozen=True)
class Bouncer:
    """A running PgBouncer. Its pools: each layout with one connection and with two, and some that cannot work."""

    port: int

    def url(self, pool: str, user: str = stores.SUPERUSER, password: str = ADMIN_PASSWORD) -> str:
        return f"postgresql://{user}:{quote(password, safe='')}@{LOOPBACK}:{self.port}/{pool}"

    def connections(self, pool: str) -> int:
        """How many connections to the server the pool has."""
        return sum(row["database"] == pool for row in console(self.url(CONSOLE), "SHOW SERVERS"))


@pytest.fixture(scope="module")
def bouncer(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bouncer]:
    folder = tmp_path_factory.mktemp("pgbouncer")
    ports = free_ports(["pgbouncer", "nobody"])
    pools = {
        **{layout: Pool(server.port, layout, 1) for layout in LAYOUTS},
        **{f"{layout}_two": Pool(server.port, layout, 2) for layout in LAYOUTS},
        "down": Pool(ports["nobody"], "superset", 1),
        "gone": Pool(server.port, "gone", 1),
    }
    try:
        start_pgbouncer(folder, ports["pgbouncer"], ADMIN_PASSWORD, pools)
        yield Bouncer(ports["pgbouncer"])
    finally:
        state.end_all(folder, grace=5)


@pytest.fixture
def pooled(registry: Registry, bouncer: Bouncer) -> str:
    """The connection string of a pool with one connection."""
    return bouncer.url(registry.layout)


def endpoint(number: int) -> str:
    return f"demo-{number}.system.svc.cluster.local:8000"


def test_every_action(registry: Registry, bouncer: Bouncer, pooled: str) -> None:
    assert registry.schema(database_url=pooled)["changed"] is False
    assert registry.entry(database_url=pooled, endpoint=NEW)["actions"] == ["insert"]
    assert registry.routed() == (NEW, "system")
    assert registry.entry(database_url=pooled, endpoint=NEW)["changed"] is False
    assert registry.entry(database_url=pooled, state="disabled", check=True)["actions"] == ["disable"]
    assert registry.entry(database_url=pooled, state="disabled")["actions"] == ["disable"]
    assert registry.entry(database_url=pooled, state="enabled", **PROVENANCE)["actions"] == ["enable"]
    assert registry.info(database_url=pooled)["entries"][0]["status"] == "ready"
    assert registry.entry(database_url=pooled, state="absent")["changed"]
    assert registry.routed() is None
    assert bouncer.connections(registry.layout) == 1


@pytest.mark.parametrize("size", [1, 2])
def test_many_clients(registry: Registry, bouncer: Bouncer, size: int) -> None:
    pool = {1: registry.layout, 2: f"{registry.layout}_two"}[size]
    url = bouncer.url(pool)

    def work(number: int) -> dict[str, Any]:
        assert registry.info(database_url=url)["changed"] is False
        assert registry.entry(database_url=url, model_name=f"own-{number}", endpoint=NEW)["actions"] == ["insert"]
        return registry.entry(database_url=url, endpoint=endpoint(number))

    with ThreadPoolExecutor(CLIENTS) as executor:
        results = list(executor.map(work, range(2 * CLIENTS)))
    assert registry.info(database_url=url)["count"] == 2 * CLIENTS + 1
    # Each writer found what another one had left: they form one chain.
    following = {(result["previous"] or {}).get("endpoint"): result["entry"]["endpoint"] for result in results}
    last: str | None = None
    for _unused in results:
        last = following[last]
    assert registry.routed() == (last, "system")
    assert bouncer.connections(pool) == size


def test_nothing_is_left_in_the_session(registry: Registry, pooled: str) -> None:
    with contextlib.closing(psycopg2.connect(pooled)) as other:
        other.autocommit = True
        before = session(other)
        registry.entry(database_url=pooled, endpoint=NEW, statement_timeout=7.0, **PROVENANCE)
        registry.entry(database_url=pooled, state="disabled", check=True, statement_timeout=8.0, **PROVENANCE)
        registry.info(database_url=pooled, statement_timeout=9.0)
        registry.schema(database_url=pooled, statement_timeout=9.5)
        assert session(other) == before
        message_of(lambda: registry.entry(database_url=pooled, model_name="other", state="disabled", **PROVENANCE))
        assert session(other) == before
        with contextlib.closing(psycopg2.connect(registry.url)) as holder, holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM model_registry_entries FOR UPDATE")
            late = message_of(lambda: registry.entry(database_url=pooled, state="disabled", statement_timeout=0.2))
        assert "it did not finish in time" in late
        assert session(other) == before
    with contextlib.closing(psycopg2.connect(registry.url)) as direct:
        direct.autocommit = True
        fresh = session(direct)
    for name in ("statement_timeout", "lock_timeout", "default_transaction_read_only", "search_path"):
        assert before["settings"][name] == fresh["settings"][name]
    assert before["settings"]["default_transaction_read_only"] == "off"


def session(connection: Any) -> dict[str, Any]:
    """All that a client could find in a session which another one left."""
    with connection.cursor() as cursor:
        # The name of the application is PgBouncer's own affair, which sets it for clients that have one.
        # A trigger's language adds its settings when it is first used.
        cursor.execute(
            "SELECT name, setting FROM pg_settings WHERE name <> 'application_name' AND name NOT LIKE 'plpgsql.%'"
        )
        settings = dict(cursor.fetchall())
        cursor.execute(
            "SELECT current_setting('ai_aas.actor', true), current_setting('ai_aas.reason', true), "
            "current_setting('ai_aas.job', true), "
            "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), "
            "(SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors), "
            "(SELECT count(*) FROM pg_class WHERE relpersistence = 't'), "
            "(SELECT count(*) FROM pg_listening_channels())"
        )
        names = ("actor", "reason", "job", "locks", "prepared", "cursors", "temporary", "channels")
        found = dict(zip(names, cursor.fetchone(), strict=True))
    # A setting that was made for one transaction is empty after it, and not null as before.
    return {"settings": settings, **{name: value or None for name, value in found.items()}}


def test_connection_is_given_back(registry: Registry, pooled: str) -> None:
    """PgBouncer closes the connection to the server when a client leaves in the middle of a transaction."""
    with contextlib.closing(psycopg2.connect(pooled)) as other:
        other.autocommit = True

        def server_process() -> Any:
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                return cursor.fetchone()

        before = server_process()
        registry.entry(database_url=pooled, endpoint=NEW)
        registry.entry(database_url=pooled, state="disabled", check=True)
        registry.info(database_url=pooled)
        assert server_process() == before
        with contextlib.closing(psycopg2.connect(registry.url)) as holder, holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM model_registry_entries FOR UPDATE")
            message_of(lambda: registry.entry(database_url=pooled, state="disabled", statement_timeout=0.2))
        assert server_process() == before, "after a statement that the server refused"
        message_of(lambda: registry.entry(database_url=pooled, model_name="other", state="disabled"))
        assert server_process() == before, "after a change that the module refused"


def test_pool_would_hand_a_session_on(pooled: str) -> None:
    """Why that matters: what one client leaves is there for the next."""
    with contextlib.closing(psycopg2.connect(pooled)) as one, contextlib.closing(psycopg2.connect(pooled)) as two:
        one.autocommit = two.autocommit = True
        before = session(two)
        with one.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', '7s', false), pg_advisory_lock(1)")
        after = session(two)
        with one.cursor() as cursor:
            cursor.execute("RESET statement_timeout; SELECT pg_advisory_unlock(1)")
        assert (before["settings"]["statement_timeout"], after["settings"]["statement_timeout"]) == ("0", "7000")
        assert (before["locks"], after["locks"]) == (None, 1)
        assert session(two) == before


def test_second_host_behind_it(registry: Registry, bouncer: Bouncer) -> None:
    """A client that looks for the primary among several addresses asks PgBouncer for what it does not report."""
    hosts = f"{LOOPBACK}:{bouncer.port},{LOOPBACK}:{registry.server.port}"
    url = f"postgresql://postgres:{ADMIN_PASSWORD}@{hosts}/{registry.layout}"
    assert registry.entry(database_url=url, endpoint=NEW)["actions"] == ["insert"]
    assert registry.info(database_url=url)["count"] == 1


def refusal(registry: Registry, url: str, **options: Any) -> str:
    """Why a list and a change are refused, without the place."""
    given: Mapping[str, Any] = {"database_url": url, "connect_timeout": 10, **options}
    message = message_of(lambda: registry.info(**given))
    assert message_of(lambda: registry.entry(**given)) == message
    head, _place, why = message.partition(f"{LOOPBACK}:")
    assert head == "Failed to connect to database: "
    return why.partition(": ")[2]


@ONE_LAYOUT
def test_wrong_password(registry: Registry, bouncer: Bouncer) -> None:
    why = refusal(registry, bouncer.url("superset", password="s3cret@:/%"))
    assert why.startswith("authentication failed. Check user and password")
    assert "s3cret" not in why


@ONE_LAYOUT
def test_unknown_user(registry: Registry, bouncer: Bouncer) -> None:
    assert refusal(registry, bouncer.url("superset", user="stranger")).startswith("authentication failed.")


@ONE_LAYOUT
def test_unknown_pool(registry: Registry, bouncer: Bouncer) -> None:
    assert refusal(registry, bouncer.url("nowhere")).startswith("database does not exist.")


@ONE_LAYOUT
@pytest.mark.parametrize("pool", ["down", "gone"])
def test_server_behind_it_is_out_of_reach(registry: Registry, bouncer: Bouncer, pool: str) -> None:
    why = refusal(registry, bouncer.url(pool))
    assert UNKNOWN not in why


@ONE_LAYOUT
def test_server_behind_it_is_out_of_reach_and_patience_is_short(registry: Registry, bouncer: Bouncer) -> None:
    # libpq takes no less than two seconds.
    assert refusal(registry, bouncer.url("down"), connect_timeout=2).startswith("timeout.")


@ONE_LAYOUT
def test_pool_is_held_by_another_client(registry: Registry, pooled: str) -> None:
    registry.entry(database_url=pooled, endpoint=NEW)
    before = registry.versions()
    with contextlib.closing(psycopg2.connect(pooled)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT 1")
        message = message_of(lambda: registry.entry(database_url=pooled, state="disabled", retry_timeout=0.0))
    assert UNKNOWN not in message
    assert registry.versions() == before
    # Once it has let go, the next one gets through.
    assert registry.entry(database_url=pooled, state="disabled")["actions"] == ["disable"]
