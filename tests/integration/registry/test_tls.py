# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS to the database in every mode of libpq, and to the router's cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
import redis
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError

from .conftest import ADMIN_PASSWORD, Registry, Server
from .messages import message_of
from .tls import Authority, Pair, TlsProxy, proxy, server_context

KEY = "model_registry:development:demo"
NEW = "demo.system.svc.cluster.local:8000"

ENCRYPTED, PLAIN = "encrypted", "plain"
NOT_AGREED = "TLS could not be agreed on"
NOT_OFFERED = "the server does not offer TLS"

# One schema is enough for what happens before any statement.
pytestmark = pytest.mark.parametrize("registry", ["superset"], indirect=True)


@dataclass(frozen=True)
class Papers:
    """Who signed for whom. `right` signed the servers' certificate, for localhost, and the client's."""

    right: Authority
    wrong: Authority
    server: Pair
    client: Pair
    stranger: Pair

    def options(self, authority: str, client: str) -> dict[str, Any]:
        """The options of the modules."""
        given: dict[str, Any] = {"ca_cert": str(getattr(self, authority).certificate)} if authority else {}
        if client:
            pair: Pair = getattr(self, client)
            given |= {"ssl_cert": str(pair.certificate), "ssl_key": str(pair.key)}
        return given


@dataclass(frozen=True)
class Doors:
    """Ways to one server: with TLS, without, and with TLS for those who have a certificate."""

    offered: TlsProxy
    absent: TlsProxy
    demanding: TlsProxy

    def counts(self) -> dict[str, int]:
        doors = [getattr(self, door.name) for door in fields(self)]
        return {kind: sum(getattr(door, kind) for door in doors) for kind in (ENCRYPTED, PLAIN)}


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    folder = tmp_path_factory.mktemp("tls")
    right, wrong = Authority(folder, "right"), Authority(folder, "wrong")
    server, client = right.issue("server", "localhost"), right.issue("client")
    return Papers(right, wrong, server, client, wrong.issue("stranger"))


@pytest.fixture(scope="module")
def doors(server: Server, papers: Papers) -> Iterator[Doors]:
    offer, demand = server_context(papers.server), server_context(papers.server, clients=papers.right)
    with ExitStack() as stack:
        yield Doors(*(stack.enter_context(proxy(server.port, "postgres", given)) for given in (offer, None, demand)))


@pytest.fixture(scope="module")
def cache_doors(valkey_url: str, papers: Papers) -> Iterator[Doors]:
    port = urlsplit(valkey_url).port or 0
    offer, demand = server_context(papers.server), server_context(papers.server, clients=papers.right)
    with ExitStack() as stack:
        yield Doors(*(stack.enter_context(proxy(port, "direct", given)) for given in (offer, None, demand)))


@pytest.fixture(autouse=True)
def no_papers_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without options libpq looks for certificates in ~/.postgresql."""
    monkeypatch.setenv("HOME", str(tmp_path))


def address(door: TlsProxy, host: str = "localhost", **parameters: str) -> str:
    return f"postgresql://postgres:{ADMIN_PASSWORD}@{host}:{door.port}/superset?{urlencode(parameters)}"


# ssl_mode, the door, the host, who is trusted, who the client is, what comes of it
CASES = [
    # Without ssl_mode libpq takes TLS where it is offered, and checks nothing.
    (None, "offered", "localhost", "", "", ENCRYPTED),
    (None, "absent", "localhost", "", "", PLAIN),
    ("disable", "offered", "localhost", "right", "", PLAIN),
    ("disable", "absent", "localhost", "", "", PLAIN),
    ("allow", "offered", "localhost", "right", "", PLAIN),
    ("allow", "absent", "localhost", "", "", PLAIN),
    ("prefer", "offered", "localhost", "", "", ENCRYPTED),
    ("prefer", "offered", "127.0.0.1", "right", "", ENCRYPTED),
    ("prefer", "absent", "localhost", "right", "", PLAIN),
    # Only a preference: what cannot be trusted is replaced by what cannot be at all.
    ("prefer", "offered", "localhost", "wrong", "", PLAIN),
    ("prefer", "demanding", "localhost", "", "client", ENCRYPTED),
    ("require", "offered", "localhost", "", "", ENCRYPTED),
    ("require", "offered", "127.0.0.1", "", "", ENCRYPTED),
    ("require", "absent", "localhost", "", "", NOT_OFFERED),
    ("require", "demanding", "localhost", "", "", NOT_AGREED),
    ("require", "demanding", "localhost", "", "client", ENCRYPTED),
    ("require", "demanding", "localhost", "", "stranger", NOT_AGREED),
    # An authority that is given is held to, as in verify-ca.
    ("require", "offered", "127.0.0.1", "right", "", ENCRYPTED),
    ("require", "offered", "localhost", "wrong", "", NOT_AGREED),
    ("verify-ca", "offered", "localhost", "right", "", ENCRYPTED),
    ("verify-ca", "offered", "127.0.0.1", "right", "", ENCRYPTED),
    ("verify-ca", "offered", "localhost", "wrong", "", NOT_AGREED),
    ("verify-ca", "offered", "localhost", "", "", NOT_AGREED),
    ("verify-ca", "absent", "localhost", "right", "", NOT_OFFERED),
    ("verify-ca", "demanding", "localhost", "right", "", NOT_AGREED),
    ("verify-ca", "demanding", "127.0.0.1", "right", "client", ENCRYPTED),
    ("verify-full", "offered", "localhost", "right", "", ENCRYPTED),
    ("verify-full", "offered", "127.0.0.1", "right", "", NOT_AGREED),
    ("verify-full", "offered", "localhost", "wrong", "", NOT_AGREED),
    ("verify-full", "offered", "localhost", "", "", NOT_AGREED),
    ("verify-full", "absent", "localhost", "right", "", NOT_OFFERED),
    ("verify-full", "demanding", "localhost", "right", "", NOT_AGREED),
    ("verify-full", "demanding", "localhost", "right", "client", ENCRYPTED),
    ("verify-full", "demanding", "localhost", "right", "stranger", NOT_AGREED),
]


@pytest.mark.parametrize(("mode", "door", "host", "authority", "client", "expected"), CASES)
def test_mode(
    registry: Registry,
    papers: Papers,
    doors: Doors,
    mode: str | None,
    door: str,
    host: str,
    authority: str,
    client: str,
    expected: str,
) -> None:
    options = {"ssl_mode": mode, **papers.options(authority, client)}
    url = address(getattr(doors, door), host)
    assert outcome(registry, doors, {"database_url": url, **options}) == expected
    # The same as parameters of the connection string.
    names = {"ssl_mode": "sslmode", "ca_cert": "sslrootcert", "ssl_cert": "sslcert", "ssl_key": "sslkey"}
    inside = {names[option]: value for option, value in options.items() if value}
    assert outcome(registry, doors, {"database_url": address(getattr(doors, door), host, **inside)}) == expected


def outcome(registry: Registry, doors: Doors, options: Mapping[str, Any]) -> str:
    """How a connection came about, or the beginning of why it did not."""
    before = doors.counts()
    try:
        registry.info(**options)
    except InferenceError as error:
        message = error.message
    else:
        (used,) = [kind for kind, count in doors.counts().items() if count > before[kind]]
        return used
    # Nothing goes on plainly where TLS is demanded.
    assert doors.counts()[PLAIN] == before[PLAIN]
    assert ADMIN_PASSWORD not in message
    assert message.startswith("Failed to connect to database: ")
    why = message.split("/superset: ", 1)[1]
    return next((known for known in (NOT_AGREED, NOT_OFFERED) if why.startswith(known)), why)


def test_option_overrides_connection_string(registry: Registry, papers: Papers, doors: Doors) -> None:
    lax = address(doors.offered, "127.0.0.1", sslmode="disable")
    options = papers.options("right", "")
    assert outcome(registry, doors, {"database_url": lax}) == PLAIN
    assert outcome(registry, doors, {"database_url": lax, "ssl_mode": "verify-full", **options}) == NOT_AGREED
    strict = address(doors.offered, "127.0.0.1", sslmode="verify-full", sslrootcert=options["ca_cert"])
    assert outcome(registry, doors, {"database_url": strict}) == NOT_AGREED
    assert outcome(registry, doors, {"database_url": strict, "ssl_mode": "verify-ca"}) == ENCRYPTED
    distrustful = address(doors.offered, sslmode="verify-full", sslrootcert=str(papers.wrong.certificate))
    assert outcome(registry, doors, {"database_url": distrustful, **options}) == ENCRYPTED


def test_login_options(registry: Registry, papers: Papers, doors: Doors) -> None:
    login = {
        "database_url": None,
        "login_host": "localhost",
        "login_port": doors.offered.port,
        "login_user": "postgres",
        "login_password": ADMIN_PASSWORD,
        "login_db": "superset",
        "ssl_mode": "verify-full",
    }
    assert outcome(registry, doors, login | papers.options("right", "")) == ENCRYPTED
    assert outcome(registry, doors, login | papers.options("wrong", "")) == NOT_AGREED


def test_change_over_tls(registry: Registry, papers: Papers, doors: Doors) -> None:
    options: dict[str, Any] = {
        "database_url": address(doors.demanding),
        "ssl_mode": "verify-full",
        **papers.options("right", "client"),
    }
    before = doors.counts()
    assert registry.entry(endpoint=NEW, **options)["actions"] == ["insert"]
    assert registry.routed() == (NEW, "system")
    assert registry.entry(state="disabled", check=True, **options)["actions"] == ["disable"]
    assert registry.info(**options)["count"] == 1
    assert registry.schema(**options)["changed"] is False
    assert doors.counts() == {ENCRYPTED: before[ENCRYPTED] + 4, PLAIN: before[PLAIN]}


def test_no_change_where_tls_fails(registry: Registry, papers: Papers, doors: Doors) -> None:
    options: dict[str, Any] = {
        "database_url": address(doors.offered),
        "ssl_mode": "verify-full",
        **papers.options("wrong", ""),
    }
    message = message_of(lambda: registry.entry(endpoint=NEW, **options))
    assert f"localhost:{doors.offered.port}/superset: {NOT_AGREED}. Check ssl_mode, ca_cert" in message
    assert registry.versions() == []


def cache_address(door: TlsProxy, host: str = "localhost", user: str = "", **parameters: str) -> str:
    return f"rediss://{user}{host}:{door.port}/0?{urlencode(parameters)}"


def cache_parameters(papers: Papers, authority: str, client: str) -> dict[str, str]:
    names = {"ca_cert": "ssl_ca_certs", "ssl_cert": "ssl_certfile", "ssl_key": "ssl_keyfile"}
    return {names[option]: value for option, value in papers.options(authority, client).items()}


# the door, the host, who is trusted, who the client is, further parameters, whether the cache is cleared
CACHE_CASES = [
    ("offered", "localhost", "right", "", {}, True),
    ("offered", "localhost", "wrong", "", {}, False),
    ("offered", "localhost", "", "", {}, False),
    ("offered", "127.0.0.1", "right", "", {}, False),
    ("offered", "127.0.0.1", "right", "", {"ssl_check_hostname": "false"}, True),
    ("offered", "127.0.0.1", "right", "", {"ssl_check_hostname": "False"}, True),
    ("offered", "127.0.0.1", "right", "", {"ssl_check_hostname": "true"}, False),
    # Any other word than a no is a yes, as it is for redis-py.
    ("offered", "127.0.0.1", "right", "", {"ssl_check_hostname": "yes"}, False),
    ("offered", "127.0.0.1", "right", "", {"ssl_check_hostname": "1"}, False),
    ("offered", "127.0.0.1", "right", "", {"ssl_check_hostname": "0"}, True),
    ("offered", "localhost", "wrong", "", {"ssl_check_hostname": "false"}, False),
    ("offered", "localhost", "", "", {"ssl_cert_reqs": "none"}, True),
    ("offered", "127.0.0.1", "wrong", "", {"ssl_cert_reqs": "none"}, True),
    ("offered", "localhost", "wrong", "", {"ssl_cert_reqs": "required"}, False),
    ("absent", "localhost", "right", "", {}, False),
    ("demanding", "localhost", "right", "", {}, False),
    ("demanding", "localhost", "right", "client", {}, True),
    ("demanding", "localhost", "right", "stranger", {}, False),
]


@pytest.mark.parametrize(("door", "host", "authority", "client", "parameters", "cleared"), CACHE_CASES)
def test_cache(
    registry: Registry,
    valkey: redis.Redis,
    papers: Papers,
    cache_doors: Doors,
    door: str,
    host: str,
    authority: str,
    client: str,
    parameters: dict[str, str],
    cleared: bool,
) -> None:
    registry.add("ready")
    valkey.set(KEY, "old route")
    before = cache_doors.counts()
    given = cache_parameters(papers, authority, client) | parameters
    url = cache_address(getattr(cache_doors, door), host, ":s3cret@" if not cleared else "", **given)
    result = registry.entry(state="disabled", redis_url=url, connect_timeout=2)
    # The change stands, whatever becomes of the cache.
    assert registry.routed() is None
    assert result["changed"]
    if cleared:
        assert (result["cache"], result["warnings"], valkey.get(KEY)) == ("deleted", [], None)
        assert cache_doors.counts()[ENCRYPTED] == before[ENCRYPTED] + 1
    else:
        assert (result["cache"], valkey.get(KEY)) == ("stale", b"old route")
        (warning,) = result["warnings"]
        assert f"router's cache at {host}:{getattr(cache_doors, door).port}/0 could not be cleared" in warning
        assert "s3cret" not in warning
        assert cache_doors.counts()[ENCRYPTED] == before[ENCRYPTED]


def test_user_of_the_cache(registry: Registry, valkey: redis.Redis, papers: Papers, cache_doors: Doors) -> None:
    registry.add("ready")
    valkey.set(KEY, "old route")
    password = "p@ss:w/rd%41?#"
    valkey.acl_setuser("tls", enabled=True, passwords=[f"+{password}"], keys=["model_registry:*"], commands=["+del"])
    before = cache_doors.counts()

    def through(secret: str) -> str:
        trusted = cache_parameters(papers, "right", "")
        return cache_address(cache_doors.offered, user=f"tls:{quote(secret, safe='')}@", **trusted)

    try:
        result = registry.entry(state="disabled", redis_url=through(password))
        assert (result["cache"], valkey.get(KEY)) == ("deleted", None)
        result = registry.entry(state="enabled", redis_url=through("wrong"))
    finally:
        valkey.acl_deluser("tls")
    assert result["cache"] == "stale"
    assert "(AUTH was refused: WRONGPASS)" in result["warnings"][0]
    assert cache_doors.counts() == {ENCRYPTED: before[ENCRYPTED] + 2, PLAIN: before[PLAIN]}
