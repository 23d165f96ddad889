# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the database is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.limits import (
    LIMITS,
    check_limits,
    is_encodable,
)

MAX_OPTION = 1000
MAX_URL = 10_000

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
    retry_timeout: float = 10.0

    def __repr__(self) -> str:
        return f"Database({self.target})"


def database_from(params: Mapping[str, Any]) -> Database:
    """Read the connection options of a module.

    Raises:
        InferenceError: no database is given, or the connection string cannot be read. Never repeats the string.
    """
    check_limits(params)
    _check_characters(params)
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
    # Whatever a string or PGCLIENTENCODING says: names are any text.
    parameters["client_encoding"] = "UTF8"
    return Database(parameters, target_of(parameters), params["statement_timeout"], params["retry_timeout"])


def target_of(parameters: Mapping[str, str]) -> str:
    """host:port/database for a message."""
    host = parameters.get("host") or os.environ.get("PGHOST") or "local socket"
    port = parameters.get("port") or os.environ.get("PGPORT") or "5432"
    user = parameters.get("user") or os.environ.get("PGUSER") or ""
    return f"{host}:{port}/{parameters.get('dbname') or os.environ.get('PGDATABASE') or user}"


def _check_characters(params: Mapping[str, Any]) -> None:
    """Refuse what no connection can hold, or no message could show. The value is not repeated: it may be a password."""
    for option in (*_LOGIN, *_TLS):
        value = params[option] or ""
        hidden = option == "login_password"
        if len(value) > MAX_OPTION or "\0" in value or not (value.isprintable() or hidden) or not is_encodable(value):
            raise InvalidInputError(
                f"Invalid {option}: Failed to connect to database",
                f"it is longer than {MAX_OPTION} characters, or holds NUL, invisible characters or lone surrogates",
                f"Correct {option}.",
            )


def _parsed(url: str) -> dict[str, str]:
    """The parts of a connection string, as libpq reads them."""
    import psycopg2
    from psycopg2.extensions import parse_dsn

    try:
        parts: dict[str, str] = parse_dsn(url) if len(url) <= MAX_URL else {}
    except (psycopg2.Error, ValueError):
        parts = {}
    # A character that should have been encoded moves parts of the password into what a message would show.
    shown = (parts.get("host", ""), parts.get("port", ""), parts.get("dbname", ""))
    good = all("@" not in part and part.isprintable() and len(part) <= MAX_OPTION for part in shown)
    if not parts or not good or not re.fullmatch(r"[0-9,]*", shown[1]) or not all(map(is_encodable, parts.values())):
        raise InvalidInputError(
            "Failed to connect to database",
            "database_url (or DATABASE_URL) is no connection string of PostgreSQL",
            "Write postgresql://user:password@host:5432/dbname, "
            "with the characters @ : / ? # % of user and password percent-encoded.",
        ) from None
    least, most = LIMITS["login_port"]
    for port in filter(None, parts.get("port", "").split(",")):
        if not least <= int(port) <= most:
            raise InvalidInputError(
                "Failed to connect to database",
                f"the port of database_url must lie between {least} and {most}",
                "Correct it.",
            )
    return parts
