# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One transaction: begun, done, and done again where another session or a fail-over came in between."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

if TYPE_CHECKING:
    import psycopg2
    from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry.connection import Database
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

T = TypeVar("T")
# `check` may only read, but on a server where the change itself could be made.
Access = Literal["read", "check", "write"]

# What another session may cause and a second try cures: serialization, deadlock, a row inserted in between.
CONFLICTS = ("40001", "40P01", "23505")
ATTEMPTS = 5
READ_ONLY = "25006"
MISSING_RIGHT = "42501"

_LONGEST_PAUSE = 1.0
# Of libpq: in a transaction, or in a failed one, and no statement is under way.
_AT_REST = (2, 3)
# Settings are local to the transaction: a pooled proxy would hand a session's setting on to someone else.
_BEGIN = """
    SELECT set_config('statement_timeout', %s, true),
           pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean
"""


class Clock(NamedTuple):
    """The time in seconds, and how to let it pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


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


class ReadOnlyServerError(Exception):
    """The server takes no changes: a replica, or a primary that has become one."""


class Unconfirmed(NamedTuple):
    """A transaction whose commit was sent and not answered."""

    number: int
    result: Any


class Judge(NamedTuple):
    """Tells whether a transaction took place: by its result, and by rows with the number of its `xmin`."""

    changed: Callable[[Any], bool] = bool
    evident: Callable[[Cursor, str, Any], bool] = lambda _cursor, _number, _result: False


def run(
    database: Database,
    work: Callable[[Cursor], T],
    timings: Timings,
    access: Access = "write",
    clock: Clock = Clock(),  # noqa: B008
    judge: Judge | None = None,
) -> T:
    """Do work in one transaction, again from its start where another session or a fail-over came in between.

    Args:
        database: where; its `retry_timeout` bounds the seconds spent on further connections.
        work: reads and writes with the cursor; may be called several times.
        timings: learns how long connecting and committing took.
        access: what the transaction may do.
        clock: how time passes between attempts.
        judge: how to tell whether a commit that was not answered took place.

    Raises:
        InferenceError: no connection, or the server refused the work. The transaction is rolled back.
    """
    session = Session(database, timings, access, clock)
    try:
        return session.run(work, judge or Judge())
    finally:
        session.close()


class Session:
    """The connections that one piece of work takes, one after another."""

    def __init__(self, database: Database, timings: Timings, access: Access, clock: Clock) -> None:
        self.database = database
        self.timings = timings
        self.access = access
        self.clock = clock
        self.deadline = clock.now() + database.retry_timeout
        self.connection: Connection | None = None
        self.unconfirmed: Unconfirmed | None = None
        self.conflicts = 0
        self.losses = 0
        self.pauses = 0

    def run(self, work: Callable[[Cursor], T], judge: Judge) -> T:
        """Do the work, at as many attempts as are allowed."""
        import psycopg2

        while True:
            connection = self.connected()
            try:
                earlier = self.committed(connection)
                if earlier and self.is_evident(connection, judge, earlier):
                    return earlier.result  # type: ignore[no-any-return]
                result = self.attempt(connection, work)
                return earlier.result if earlier and not judge.changed(result) else result
            except ReadOnlyServerError:
                if not self.losses or not self.loses():
                    raise self.refusal(READ_ONLY) from None
            except psycopg2.Error as error:
                if not self.may_go_on(connection, error):
                    raise self.refusal(error.pgcode, error.diag) from None
            self.pause()

    def connected(self) -> Connection:
        """The connection, made if there is none. Once there was one, it is tried for until the deadline."""
        import psycopg2

        while self.connection is None:
            try:
                with self.timings.step("connect"):
                    self.connection = psycopg2.connect(**self.parameters())  # type: ignore[call-overload]
            except psycopg2.Error as error:
                from ansible_collections.ai_aas.inference.plugins.module_utils._registry import failures

                if self.is_late() or not failures.may_pass(str(error), after_loss=bool(self.losses)):
                    raise failures.connection_failure(self.database.target, str(error)) from None
                self.pause()
        # Both become part of BEGIN, and leave nothing in the session.
        self.connection.set_session(isolation_level="READ COMMITTED", readonly=self.access != "write" or None)
        return self.connection

    def parameters(self) -> Mapping[str, str]:
        """Of several hosts the one that takes changes, unless the user says which one."""
        given = self.database.parameters
        hosts = given.get("host") or given.get("hostaddr") or os.environ.get("PGHOST", "")
        if self.access == "read" or "," not in hosts or "PGTARGETSESSIONATTRS" in os.environ:
            return given
        return {"target_session_attrs": "read-write", **given}

    def attempt(self, connection: Connection, work: Callable[[Cursor], T]) -> T:
        """Do the work once and commit it."""
        with connection.cursor() as cursor:
            cursor.execute(_BEGIN, [str(max(1, round(self.database.statement_timeout * 1000)))])
            if _value(cursor) and self.access != "read":
                raise ReadOnlyServerError
            result = work(cursor)
            if self.access == "write":
                cursor.execute("SELECT txid_current_if_assigned()")
                number = _value(cursor)
                self.unconfirmed = None if number is None else Unconfirmed(number, result)
        with self.timings.step("commit"):
            connection.commit()
        return result

    def committed(self, connection: Connection) -> Unconfirmed | None:
        """The transaction whose commit was not answered, if it seems to have taken place. Waits for its end."""
        import psycopg2.errors

        earlier, status = self.unconfirmed, None
        if earlier is None:
            return None
        try:
            with connection.cursor() as cursor:
                while (status := _status(cursor, earlier.number)) == "in progress":
                    if self.is_late():
                        raise self.unknown_outcome()
                    self.pause()
        except psycopg2.errors.InvalidParameterValue:
            # A replica that took over without having heard of it.
            status = None
        connection.rollback()
        return earlier if status == "committed" else None

    def may_go_on(self, connection: Connection, error: psycopg2.Error) -> bool:
        """Whether another attempt may succeed. What cannot be used any more is closed."""
        if connection.closed or (error.pgcode or "").startswith(("08", "57P")):
            return self.loses()
        # The server has answered, so nothing was committed.
        self.unconfirmed = None
        connection.rollback()
        self.conflicts += 1
        return error.pgcode in CONFLICTS and self.conflicts < ATTEMPTS

    def loses(self) -> bool:
        """Give the connection up. Tells whether there is time for another."""
        self.losses += 1
        self.close()
        return not self.is_late()

    def is_late(self) -> bool:
        return self.clock.now() >= self.deadline

    def pause(self) -> None:
        """Wait a moment, longer each time, and not as long as others that wait for the same."""
        import random

        self.pauses += 1
        self.clock.sleep(min(_LONGEST_PAUSE, 0.02 * 2**self.pauses) * random.uniform(0.5, 1))  # noqa: S311

    def close(self) -> None:
        import psycopg2

        if self.connection is None:
            return
        if self.connection.get_transaction_status() in _AT_REST:
            # A pool keeps only what is left without a transaction.
            with suppress(psycopg2.Error):
                self.connection.rollback()
        self.connection.close()
        self.connection = None

    def is_evident(self, connection: Connection, judge: Judge, earlier: Unconfirmed) -> bool:
        """Whether what a transaction wrote is there. Its number alone proves nothing: a server that crashed gives it
        out again."""
        with connection.cursor() as cursor:
            found = judge.evident(cursor, str(earlier.number % 2**32), earlier.result)
        connection.rollback()
        return found

    def unknown_outcome(self) -> InferenceError:
        """The error about a change that is neither made nor undone yet."""
        from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError

        return InferenceError(
            f"It is not known whether the registry in {self.database.target} has taken the change",
            f"the connection broke during its commit, which has not ended after {self.database.retry_timeout:g} s",
            "Run it again: a change is made as a whole or not at all.",
        )

    def refusal(self, sqlstate: str | None, diagnosis: Any = None) -> InferenceError:
        """The error for a statement that the server refused."""
        from ansible_collections.ai_aas.inference.plugins.module_utils._registry import failures, rights

        if sqlstate == MISSING_RIGHT and self.connection is not None:
            return failures.missing_right(self.database.target, *rights.missing(self.connection))
        column, constraint = getattr(diagnosis, "column_name", ""), getattr(diagnosis, "constraint_name", "")
        return failures.statement_failure(self.database.target, sqlstate or "", column or "", constraint or "")


def _value(cursor: Cursor) -> Any:
    """The last column of the first row."""
    row = cursor.fetchone()
    return row[-1] if row else None


def _status(cursor: Cursor, number: int) -> Any:
    cursor.execute("SELECT txid_status(%s)", [number])
    return _value(cursor)
