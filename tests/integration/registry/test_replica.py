# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A streaming replica: it can be read, is never changed, and is passed over where a primary is among the hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg2 import sql

from tests.lab import state
from tests.lab.process import free_ports

from .conftest import FOREIGN, Registry, Server
from .messages import message_of
from .replica import Pair

LAYOUTS = ("superset", "foreign")
NEW = "demo.system.svc.cluster.local:8000"
READ_ONLY = "this server is a read-only replica"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    yield from _pair(tmp_path_factory)


@pytest.fixture
def own_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One that is not needed as it was."""
    yield from _pair(tmp_path_factory)


def _pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("replica")
    ports = free_ports(["primary", "replica"])
    made = Pair(folder, ports["primary"], ports["replica"])
    try:
        made.start()
        for layout in LAYOUTS:
            made.primary.execute("postgres", sql.SQL("CREATE DATABASE {}").format(sql.Identifier(layout)))
        made.primary.execute("foreign", FOREIGN)
        Registry(made.primary, "superset").schema()
        yield made
    finally:
        state.end_all(folder, grace=5)


@pytest.fixture(params=LAYOUTS)
def primary(pair: Pair, request: pytest.FixtureRequest) -> Registry:
    """The registry on the primary, with one entry."""
    pair.primary.execute(request.param, "TRUNCATE model_registry_entries CASCADE")
    registry = Registry(pair.primary, request.param)
    assert registry.entry(endpoint=NEW)["actions"] == ["insert"]
    pair.catch_up()
    return registry


@pytest.fixture
def replica(pair: Pair, primary: Registry) -> Registry:
    """The same registry on the replica."""
    return Registry(pair.replica, primary.layout)


def test_it_is_one(pair: Pair) -> None:
    assert pair.replica.execute("postgres", "SELECT pg_is_in_recovery()") == [(True,)]
    assert pair.primary.execute("postgres", "SELECT pg_is_in_recovery()") == [(False,)]
    assert pair.primary.execute("postgres", "SELECT state FROM pg_stat_replication") == [("streaming",)]


def test_info(pair: Pair, primary: Registry, replica: Registry) -> None:
    assert replica.info()["entries"] == primary.info()["entries"]
    assert replica.info(status="ready")["count"] == 1
    primary.entry(state="disabled")
    pair.catch_up()
    assert replica.info()["entries"][0]["status"] == "disabled"


@pytest.mark.parametrize("check", [False, True])
def test_schema_is_refused(replica: Registry, check: bool) -> None:
    """Even where it would find nothing to do: whoever makes sure of a table is about to change entries."""
    assert READ_ONLY in message_of(lambda: replica.schema(check=check))


CHANGES: list[dict[str, Any]] = [
    {"state": "present", "model_name": "new", "endpoint": NEW},
    {"state": "present", "status": "deploying"},
    {"state": "present", "metadata": {"a": 1}},
    {"state": "enabled", "model_name": "new", "endpoint": NEW},
    {"state": "enabled", "revision": 7},
    {"state": "disabled"},
    {"state": "absent"},
]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_change_is_refused(primary: Registry, replica: Registry, change: dict[str, Any], check: bool) -> None:
    """Check mode too, since it would promise what cannot be done."""
    before = primary.versions()
    message = message_of(lambda: replica.entry(check=check, **change))
    assert f"127.0.0.1:{replica.server.port}/{replica.layout}" in message
    assert READ_ONLY in message
    assert "Give the address of the primary" in message
    assert primary.versions() == before


# Whether the string is one of keywords, and whether the replica comes first in it.
FORMS = [(keywords, first) for keywords in (False, True) for first in (True, False)]


@pytest.mark.parametrize(("keywords", "first"), FORMS)
def test_change_finds_the_primary(
    pair: Pair, primary: Registry, replica: Registry, keywords: bool, first: bool
) -> None:
    servers = [pair.replica, pair.primary] if first else [pair.primary, pair.replica]
    url = pair.url(primary.layout, *servers, keywords=keywords)
    assert replica.entry(database_url=url, state="disabled", check=True)["actions"] == ["disable"]
    assert replica.entry(database_url=url, state="disabled")["actions"] == ["disable"]
    assert replica.entry(database_url=url, model_name="new", endpoint=NEW)["actions"] == ["insert"]
    assert replica.schema(database_url=url)["changed"] is False
    assert primary.routed() is None
    assert primary.routed("new") == (NEW, "system")
    pair.catch_up()
    assert replica.info(database_url=url)["count"] == 2


def test_list_needs_no_primary(pair: Pair, primary: Registry, replica: Registry) -> None:
    """A list is read from whoever answers first."""
    nobody = Server(free_ports(["nobody"])["nobody"])
    for keywords in (False, True):
        url = pair.url(primary.layout, nobody, pair.replica, keywords=keywords)
        assert replica.info(database_url=url)["count"] == 1


@pytest.mark.parametrize("check", [False, True])
def test_no_primary_among_the_hosts(pair: Pair, primary: Registry, replica: Registry, check: bool) -> None:
    before = primary.versions()
    url = pair.url(primary.layout, pair.replica, pair.replica)
    message = message_of(lambda: replica.entry(database_url=url, state="disabled", check=check))
    assert "read-only" in message or "primary" in message
    assert "the driver gives no known cause" not in message
    assert primary.versions() == before


def test_own_choice_of_a_host_is_kept(pair: Pair, primary: Registry, replica: Registry) -> None:
    """Who asks for a replica by libpq's parameter gets it, and no change."""
    before = primary.versions()
    url = pair.url(primary.layout, pair.primary, pair.replica) + "?target_session_attrs=standby"
    assert replica.info(database_url=url)["count"] == 1
    assert READ_ONLY in message_of(lambda: replica.entry(database_url=url, state="disabled"))
    assert primary.versions() == before


def test_promotion(own_pair: Pair) -> None:
    primary, replica = (Registry(server, "superset") for server in (own_pair.primary, own_pair.replica))
    primary.entry(endpoint=NEW)
    own_pair.catch_up()
    assert READ_ONLY in message_of(lambda: replica.entry(state="disabled"))
    own_pair.promote()
    assert replica.entry(state="disabled", check=True)["actions"] == ["disable"]
    assert replica.entry(state="disabled")["actions"] == ["disable"]
    assert replica.entry(model_name="new", endpoint=NEW)["actions"] == ["insert"]
    assert replica.routed() is None
    # They have parted: the old primary knows nothing of it.
    assert primary.routed() == (NEW, "system")
    assert primary.routed("new") is None
