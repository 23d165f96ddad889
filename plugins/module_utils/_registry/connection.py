# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the database is, and one transaction in it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError

if TYPE_CHECKING:
    import psycopg2
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

T = TypeVar("T")

# What another session may cause and a second try cures: serialization, deadlock, a row inserted in between.
RETRIED = ("40001", "40P01", "23505")
ATTEMPTS = 5

# Option of the modules -> libpq's parameter.
_LOGIN = {
    "login_host": "host",
    "login_unix_socket": "host",
    "login_user": "user",
    "login_password": "password",
    "login_db": "dbname",
}
_TLS = {"ssl_mode": "sslmode", "ca_cert": "sslrootcert", "ssl_cert": "sslcert", "ssl_key": "sslkey"}


class Database(NamedTuple):
    """How to reach the database, and how a message may call it."""

    parameters: Mapping[str, str]
    target: str
    statement_timeout: float = 30.0

    def __repr__(self) -> str:
        return f"Database({self.target})"


class Timings:
    """Seconds by step, added up over attempts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - start, 4)


def database_from(params: Mapping[str, Any]) -> Database:
    """Read the connection options of a module.

    Raises:
        InferenceError: no database is given, or the connection string cannot be read. Never repeats the string.
    """
    login = {libpq: params[option] for option, libpq in _LOGIN.items() if params[option]}
    url = params["database_url"]
    # The environment speaks only where the task does not.
    if url and login and url != os.environ.get("DATABASE_URL"):
        raise InvalidInputError(
            "Invalid connection options", "database_url and login_* exclude each other", "Leave one out."
        )
    if not url and not login:
        raise InferenceError(
            "Failed to connect to database",
            "none is given: database_url and login_host are not set, and DATABASE_URL is not in the environment",
            "Give one of them, for example DATABASE_URL=postgresql://user:password@host:5432/dbname.",
        )
    parameters = {"connect_timeout": str(params["connect_timeout"]), "application_name": "ai_aas.inference"}
    if login:
        parameters |= {"port": str(params["login_port"]), **login}
    else:
        parameters |= _parsed(url)
    parameters |= {libpq: params[option] for option, libpq in _TLS.items() if params[option]}
    return Database(parameters, target_of(parameters), params["statement_timeout"])


def target_of(parameters: Mapping[str, str]) -> str:
    """host:port/database for a message."""
    host = parameters.get("host") or os.environ.get("PGHOST") or "local socket"
    port = parameters.get("port") or os.environ.get("PGPORT") or "5432"
    user = parameters.get("user") or os.environ.get("PGUSER") or ""
    return f"{host}:{port}/{parameters.get('dbname') or os.environ.get('PGDATABASE') or user}"


def run(database: Database, work: Callable[[Cursor], T], timings: Timings, *, read_only: bool = False) -> T:
    """Do work in one transaction, again from its start where another session came in between.

    Args:
        database: where.
        work: reads and writes with the cursor; may be called several times.
        timings: learns how long connecting and committing took.
        read_only: whether the transaction must not be able to write.

    Raises:
        InferenceError: no connection, or the server refused the work. The transaction is rolled back.
    """
    import psycopg2

    with timings.step("connect"):
        connection = _connect(database)
    with closing(connection):
        connection.set_session(isolation_level="READ COMMITTED", readonly=True if read_only else None)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return _attempt(connection, database, work, timings)
            except psycopg2.Error as error:
                if attempt == ATTEMPTS or error.pgcode not in RETRIED:
                    raise _refusal(database, error) from None
    raise AssertionError("unreachable")


def _attempt(connection: Connection, database: Database, work: Callable[[Cursor], T], timings: Timings) -> T:
    import psycopg2

    try:
        with connection.cursor() as cursor:
            # Local to the transaction: a pooled proxy would hand a session's setting on to someone else.
            cursor.execute("SET LOCAL statement_timeout = %s", [round(database.statement_timeout * 1000)])
            result = work(cursor)
        with timings.step("commit"):
            connection.commit()
    except BaseException:
        # A connection that is gone has nothing left to roll back, and says so by an error of its own.
        with suppress(psycopg2.Error):
            connection.rollback()
        raise
    return result


def _connect(database: Database) -> Connection:
    import psycopg2

    try:
        return psycopg2.connect(**database.parameters)  # type: ignore[call-overload, no-any-return]
    except psycopg2.Error as error:
        from ansible_collections.ai_aas.inference.plugins.module_utils._registry.failures import connection_failure

        raise connection_failure(database.target, str(error)) from None


def _refusal(database: Database, error: psycopg2.Error) -> InferenceError:
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry.failures import statement_failure

    diagnosis = error.diag
    return statement_failure(
        database.target, error.pgcode or "", diagnosis.column_name or "", diagnosis.constraint_name or ""
    )


def _parsed(url: str) -> dict[str, str]:
    """The parts of a connection string, as libpq reads them."""
    import psycopg2
    from psycopg2.extensions import parse_dsn

    try:
        parts: dict[str, str] = parse_dsn(url)
    except psycopg2.Error:
        parts = {}
    # A character that should have been encoded moves parts of the password into what a message would show.
    shown = (parts.get("host", ""), parts.get("port", ""), parts.get("dbname", ""))
    if not parts or any("@" in part for part in shown) or not re.fullmatch(r"[0-9,]*", shown[1]):
        raise InvalidInputError(
            "Failed to connect to database",
            "database_url (or DATABASE_URL) is no connection string of PostgreSQL",
            "Write postgresql://user:password@host:5432/dbname, "
            "with the characters @ : / ? # % of user and password percent-encoded.",
        ) from None
    return parts
