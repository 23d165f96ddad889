# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection options and strings, and what may be said about them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import connection_arguments
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.connection import database_from
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import Timings

NOTHING: dict[str, Any] = {name: option.get("default") for name, option in connection_arguments().items()}


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "target", "expected"),
    [
        ("postgresql://u:p@db:5433/lab", "db:5433/lab", {"user": "u", "password": "p"}),
        ("postgres://u:p@db/lab?sslmode=require", "db:5432/lab", {"sslmode": "require"}),
        ("postgresql://u:p%40ss%3A%2F%25@db/lab", "db:5432/lab", {"password": "p@ss:/%"}),
        ("postgresql://u:pa:ss@db/lab", "db:5432/lab", {"password": "pa:ss"}),
        ("postgresql://u@[::1]:5432/lab", "::1:5432/lab", {"host": "::1"}),
        ("postgresql://u@a,b:5433/lab", "a,b:,5433/lab", {"host": "a,b"}),
        ("postgresql://u@db", "db:5432/u", {"user": "u"}),
        ("postgresql:///lab?host=/run/postgresql", "/run/postgresql:5432/lab", {}),
        ("host=db dbname=lab password='p w'", "db:5432/lab", {"password": "p w"}),
        ("postgresql://u:p@db/lab?connect_timeout=9", "db:5432/lab", {"connect_timeout": "9"}),
        ("dbname=lab", "local socket:5432/lab", {"connect_timeout": "5"}),
    ],
)
def test_url(url: str, target: str, expected: dict[str, str]) -> None:
    database = database_from(NOTHING | {"database_url": url})
    assert database.target == target
    assert expected.items() <= database.parameters.items()
    assert "password" not in repr(database)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://u:s3cret@db/lab",
        "postgresql://u:s3cret%zz@db/lab",
        "postgresql://u:s3cret@and@db/lab",
        "postgresql://u:s3cret/1@db/lab",
        "postgresql://u:12/s3cret@db/lab",
        "postgresql://u:p@db/lab?unknown=s3cret",
        "postgresql://u:p@db:s3cret/lab",
        "host=db password='s3cret",
    ],
)
def test_string_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(InferenceError) as caught:
        database_from(NOTHING | {"database_url": url})
    assert caught.value.message.startswith("Failed to connect to database: database_url (or DATABASE_URL) is no ")
    assert "s3cret" not in caught.value.message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_login_options() -> None:
    login = {"login_host": "db", "login_user": "u", "login_password": "p", "login_db": "lab", "login_port": 5433}
    tls = {"ssl_mode": "verify-full", "ca_cert": "/ca", "ssl_cert": "/cert", "ssl_key": "/key"}
    database = database_from(NOTHING | login | tls | {"connect_timeout": 7, "statement_timeout": 2.5})
    assert database.target == "db:5433/lab"
    assert database.statement_timeout == 2.5
    assert dict(database.parameters) == {
        "application_name": "ai_aas.inference",
        "client_encoding": "UTF8",
        "connect_timeout": "7",
        "host": "db",
        "port": "5433",
        "user": "u",
        "password": "p",
        "dbname": "lab",
        "sslmode": "verify-full",
        "sslrootcert": "/ca",
        "sslcert": "/cert",
        "sslkey": "/key",
    }


def test_nothing_given() -> None:
    with pytest.raises(InferenceError, match=r"^Failed to connect to database: none is given.*DATABASE_URL=postgresql"):
        database_from(NOTHING)


def test_steps_add_up() -> None:
    timings = Timings()
    for _unused in range(2):
        with timings.step("read"):
            pass
    assert list(timings.seconds) == ["read"]
    assert timings.seconds["read"] >= 0
