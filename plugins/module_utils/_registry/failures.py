# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failure of PostgreSQL means and what to do about it. Pure; never repeats the driver's own text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError

# DELETE is for purging alone. The history needs no right where the table's triggers write it.
GRANTS = (
    "GRANT USAGE ON SCHEMA <schema> TO <role>; "
    "GRANT SELECT, INSERT, UPDATE, DELETE ON <schema>.model_registry_entries TO <role>; "
    "GRANT SELECT ON <schema>.model_registry_history TO <role>;"
)

# Parts of libpq's and the server's texts, the most telling first: with several addresses a text holds
# several causes.
_CONNECTION = (
    (
        ("password authentication failed", "authentication failed for user", "sasl authentication failed"),
        "authentication failed",
        "Check user and password; in database_url, percent-encode the characters @ : / ? # % of a password.",
    ),
    (
        ("no password supplied", "fe_sendauth"),
        "the server demands a password and none was given",
        "Give it in database_url or as login_password.",
    ),
    (
        ("no pg_hba.conf entry", "pg_hba.conf rejects"),
        "the server does not admit this user, database or host",
        "Add a line to the server's pg_hba.conf, or set ssl_mode (sslmode in database_url) to require.",
    ),
    (
        ('database "" does not exist', "no such database"),
        "database does not exist",
        "Create the database, or correct its name.",
    ),
    (
        ("session is read-only", "session is not read-write", "server is in hot standby mode"),
        "none of the hosts takes changes",
        "Name the primary server, or wait until a replica has taken over.",
    ),
    (('role "" does not exist',), "user does not exist", "Create the role, or correct its name."),
    (
        ("too many clients", "too many connections", "remaining connection slots", "no more connections allowed"),
        "the server has no connection left",
        "Try again later, raise max_connections or use a connection pool.",
    ),
    (
        ("the database system is", "not currently accepting connections"),
        "the server is starting up, shutting down or recovering",
        "Try again when it accepts connections.",
    ),
    (
        ("server does not support ssl",),
        "the server does not offer TLS, and ssl_mode demands it",
        "Turn TLS on at the server, or choose another ssl_mode.",
    ),
    (
        ("certificate", "ssl error", "tls handshake", "tls alert"),
        "TLS could not be agreed on",
        "Check ssl_mode, ca_cert, ssl_cert and ssl_key, and that the server's certificate names this host.",
    ),
    (("connection refused",), "connection refused", "Check that PostgreSQL runs there and listens on this port."),
    (
        ("could not translate host name", "name or service not known", "nodename nor servname"),
        "unknown host",
        "Check the host name and the name server.",
    ),
    (
        ("query_wait_timeout",),
        "the pool has no connection to the database left",
        "See that the database behind the pool answers, or try again later.",
    ),
    (
        ("timeout expired", "timed out"),
        "timeout",
        "Check the address, firewalls and network policies, or raise connect_timeout.",
    ),
    (
        ("no route to host", "network is unreachable"),
        "the host cannot be reached",
        "Check the address and the network.",
    ),
    (
        ("no such file or directory",),
        "there is no such socket",
        "Check that PostgreSQL runs on this machine, or name a host.",
    ),
    (
        ("server closed the connection", "connection reset", "received invalid response"),
        "what answers there broke off, or is no PostgreSQL server",
        "Check host and port.",
    ),
)
_STATEMENTS = {
    "25006": (
        "this server is a read-only replica, or the database is set to read-only",
        "Give the address of the primary server.",
    ),
    "57014": (
        "it did not finish in time; another session may hold a lock on it",
        "Try again, end the other session, or raise statement_timeout.",
    ),
    "55P03": ("another session holds a lock on it", "Try again, or end the other session."),
    "42P01": ("the table model_registry_entries went away", "Create it with ai_aas.inference.model_registry_schema."),
    "40001": ("other sessions kept changing the same rows", "Try again."),
    "40P01": ("it and other sessions waited for each other", "Try again."),
    "53100": ("the server's disk is full", "Free some space there."),
}
# Causes that end by themselves: the first one always, the others where a server answered a moment ago.
_PASSING = (
    "the server is starting up, shutting down or recovering",
    "connection refused",
    "timeout",
    "what answers there broke off, or is no PostgreSQL server",
    "the host cannot be reached",
    "none of the hosts takes changes",
    "the pool has no connection to the database left",
)
_CLASSES = {
    "08": ("the connection was lost", "Run it again: a change is made as a whole or not at all."),
    "57": ("the server ended the session", "Run it again: a change is made as a whole or not at all."),
    "53": ("the server has too few resources", "Try again later."),
}


def connection_failure(target: str, text: str) -> InferenceError:
    """The error for a connection that could not be made.

    Args:
        target: host:port/database, as a message can name it.
        text: the driver's text. It is only compared, never repeated, since it can hold parts of a password.
    """
    why, remedy = _connection_cause(text)
    return InferenceError("Failed to connect to database", f"{target}: {why}", remedy)


def may_pass(text: str, *, after_loss: bool) -> bool:
    """Whether waiting may cure a connection's failure.

    Args:
        text: the driver's text.
        after_loss: whether there was a connection a moment ago, as in a fail-over.
    """
    return _connection_cause(text)[0] in (_PASSING if after_loss else _PASSING[:1])


def missing_right(target: str, role: str, missing: Sequence[str], grant: str) -> InferenceError:
    """The error for a statement that the role may not make.

    Args:
        target: host:port/database, as a message can name it.
        role: the database role.
        missing: the rights that it lacks, each with the object; empty if none is known to be missing.
        grant: the SQL that gives them.
    """
    what = f"The registry in {target} refused the request"
    if missing:
        return InferenceError(what, f"a right is missing: role {role} lacks {', '.join(missing)}", f"Run: {grant}")
    why = f"a right is missing: role {role} is not the owner, or a policy (row level security) stands against it"
    return InferenceError(what, why, f"Run it as the table's owner, or see that these suffice: {GRANTS}")


def statement_failure(target: str, sqlstate: str, column: str = "", constraint: str = "") -> InferenceError:
    """The error for a statement that the server refused.

    Args:
        target: host:port/database, as a message can name it.
        sqlstate: the five characters of the SQL standard; empty when the connection was lost.
        column: the column that the server blames, if it names one.
        constraint: the constraint that the server blames, if it names one.
    """
    why, remedy = _constraint_failure(sqlstate, column, constraint)
    if not why:
        sqlstate = sqlstate or "08006"
        unknown = (f"SQLSTATE {sqlstate}", "The server's log tells more.")
        why, remedy = _STATEMENTS.get(sqlstate) or _CLASSES.get(sqlstate[:2]) or unknown
    return InferenceError(f"The registry in {target} refused the request", why, remedy)


def _connection_cause(text: str) -> tuple[str, str]:
    """The cause in a driver's text, and what to do about it."""
    # Names stand in quotes, and could look like a cause.
    text = re.sub('".*?"', '""', text).lower()
    for parts, cause, advice in _CONNECTION:
        if any(part in text for part in parts):
            return cause, advice
    return "the driver gives no known cause", "Try the same with psql."


def _constraint_failure(sqlstate: str, column: str, constraint: str) -> tuple[str, str]:
    if sqlstate == "23502":
        return f"column {column} of the table needs a value", f"Give it a default: ALTER COLUMN {column} SET DEFAULT …"
    if sqlstate == "23503":
        return (
            f"a row that it refers to is missing (constraint {constraint})",
            "Give organization_id of an organisation that exists, or create the default one.",
        )
    if sqlstate == "23514":
        return f"a value is outside what the table allows (constraint {constraint})", "Correct the value."
    if sqlstate == "23505":
        return (
            f"another entry has the same values (constraint {constraint})",
            "Choose another revision, or leave it to the collection.",
        )
    return "", ""
