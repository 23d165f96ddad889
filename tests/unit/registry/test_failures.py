# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each failure of PostgreSQL is called. The texts are libpq's and the server's own."""

from __future__ import annotations

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.failures import (
    connection_failure,
    statement_failure,
)

AT = 'connection to server at "db.example.com" (10.0.0.1), port 5432 failed: '


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{AT}Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?", "refused"),
        ('could not translate host name "db" to address: Name or service not known', "unknown host"),
        (f"{AT}timeout expired", "timeout"),
        (f"{AT}Connection timed out", "timeout"),
        (f"{AT}No route to host", "cannot be reached"),
        (f"{AT}Network is unreachable", "cannot be reached"),
        (f'{AT}FATAL:  password authentication failed for user "s3cret"', "authentication failed"),
        (f'{AT}FATAL:  PAM authentication failed for user "u"', "authentication failed"),
        (f"{AT}fe_sendauth: no password supplied", "demands a password"),
        (f'{AT}FATAL:  database "s3cret" does not exist', "database does not exist"),
        (f'{AT}FATAL:  role "database" does not exist', "user does not exist"),
        (f'{AT}FATAL:  no pg_hba.conf entry for host "10.0.0.2", user "u", database "d", no encryption', "not admit"),
        (f"{AT}FATAL:  sorry, too many clients already", "no connection left"),
        (
            f"{AT}FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "no connection",
        ),
        (f"{AT}FATAL:  the database system is starting up", "starting up"),
        (f"{AT}server does not support SSL, but SSL was required", "does not offer TLS"),
        (f"{AT}SSL error: certificate verify failed", "TLS could not be agreed on"),
        ('root certificate file "/nowhere" does not exist', "TLS could not be agreed on"),
        ('connection to server on socket "/run/.s.PGSQL.5432" failed: No such file or directory', "no such socket"),
        (f"{AT}server closed the connection unexpectedly", "is no PostgreSQL server"),
        (f"{AT}received invalid response to SSL negotiation: H", "is no PostgreSQL server"),
        ('connection to server at "certificate", port 5432 failed: Connection refused', "connection refused"),
        (f"{AT}something new with s3cret", "no known cause"),
        (
            'connection to server at "localhost" (::1), port 5432 failed: Connection refused\n'
            'connection to server at "localhost" (127.0.0.1), port 5432 failed: FATAL:  password authentication '
            'failed for user "u"',
            "authentication failed",
        ),
    ],
)
def test_connection(text: str, why: str) -> None:
    error = connection_failure("db.example.com:5432/lab", text)
    assert error.message.startswith("Failed to connect to database: db.example.com:5432/lab: ")
    assert why in error.why
    assert error.remedy
    assert "s3cret" not in error.message


@pytest.mark.parametrize(
    ("sqlstate", "why"),
    [
        ("25006", "read-only"),
        ("57014", "did not finish in time"),
        ("55P03", "holds a lock"),
        ("42P01", "went away"),
        ("40001", "kept changing"),
        ("40P01", "waited for each other"),
        ("53100", "disk is full"),
        ("53200", "too few resources"),
        ("57P01", "the server ended the session"),
        ("08006", "the connection was lost"),
        ("", "the connection was lost"),
        ("22P05", "SQLSTATE 22P05"),
        ("23502", "column tier of the table needs a value"),
        ("23503", "(constraint fk)"),
        ("23505", "(constraint fk)"),
        ("23514", "(constraint fk)"),
    ],
)
def test_statement(sqlstate: str, why: str) -> None:
    error = statement_failure("db:5432/lab", sqlstate, "tier", "fk")
    assert error.message.startswith("The registry in db:5432/lab refused the request: ")
    assert why in error.why
    assert error.remedy
