# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moments of a change at which it can be interrupted: before and after everything that it asks of a server."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg2
import pytest
from psycopg2 import extensions

CONNECT = "CONNECT"
COMMIT = "COMMIT"


class Moment(NamedTuple):
    """A moment before or after a statement, a commit, a connect, or a command to the cache."""

    when: str
    what: str
    # None before there is one, and for a command to the cache.
    connection: extensions.connection | None = None

    def is_at(self, when: str, what: str) -> bool:
        return self.when == when and what in self.what

    def __str__(self) -> str:
        return f"{self.when} {' '.join(self.what.split())}"


Observer = Callable[[Moment], None]


def observe(patch: pytest.MonkeyPatch, observer: Observer, *, cache: bool = False) -> None:
    """Let an observer know of every moment of the collection's changes in this process. What it raises is raised there.

    Args:
        patch: puts the observer in place, and takes it away.
        observer: is called at each moment.
        cache: whether commands to the cache count. Whatever this process sends by Python's sockets counts then.
    """
    connect: Callable[..., extensions.connection] = psycopg2.connect

    class ObservedCursor(extensions.cursor):
        def execute(self, query: Any, arguments: Any = None) -> None:
            text = query if isinstance(query, str) else query.as_string(self)
            observer(Moment("before", text, self.connection))
            super().execute(query, arguments)
            observer(Moment("after", text, self.connection))

    class ObservedConnection(extensions.connection):
        def cursor(self, *arguments: Any, **options: Any) -> Any:
            return super().cursor(*arguments, **{"cursor_factory": ObservedCursor, **options})

        def commit(self) -> None:
            observer(Moment("before", COMMIT, self))
            super().commit()
            observer(Moment("after", COMMIT, self))

    def observed_connect(*arguments: Any, **parameters: Any) -> extensions.connection:
        if "application_name" not in parameters:
            # Not the collection but a test.
            return connect(*arguments, **parameters)
        observer(Moment("before", CONNECT))
        connection = connect(*arguments, **parameters, connection_factory=ObservedConnection)
        observer(Moment("after", CONNECT, connection))
        return connection

    patch.setattr(psycopg2, "connect", observed_connect)
    if cache:
        send = socket.socket.sendall

        def observed_send(sender: socket.socket, data: Any, *flags: int) -> None:
            text = bytes(data).decode()
            observer(Moment("before", text))
            send(sender, data, *flags)
            observer(Moment("after", text))

        patch.setattr(socket.socket, "sendall", observed_send)
