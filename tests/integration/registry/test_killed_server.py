# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that dies in the middle of a change, or makes it wait for others: the change is made once, and told so."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg2
import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.change import Settings, transact
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.connection import Database
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Desired
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.provenance import Provenance
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import (
    ATTEMPTS,
    Clock,
    Timings,
    run,
)
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.lab import state, stores
from tests.lab.process import free_ports, wait_until

from .conftest import ADMIN_PASSWORD, FOREIGN, Registry, Server
from .messages import message_of
from .moments import COMMIT, CONNECT, Moment, observe
from .operations import NEW, OPERATIONS, VARIANTS, Operation, Variant

SECONDS = 30
DATABASES = ("superset", "foreign")
NAME = "postgres"
BOUND = 8.0


@dataclass(frozen=True)
class Mortal:
    """A server of its own, that may be killed, stopped and started again."""

    folder: Path
    server: Server

    def kill_session(self, connection: Connection) -> None:
        """SIGKILL of one of its processes, upon which it ends all others and recovers as after a crash."""
        pid = connection.info.backend_pid
        os.kill(pid, signal.SIGKILL)
        wait_until("the process to end", lambda: "it runs" if state.start_time(pid) else None, [], SECONDS)

    def stop(self) -> None:
        state.end(self.folder, NAME, grace=SECONDS)
        self.forget_connections()

    def start(self) -> None:
        if NAME not in state.living(self.folder):
            stores.serve_postgres(self.folder, NAME, self.server.port, ADMIN_PASSWORD)

    def recover(self) -> None:
        """Wait until it answers again."""
        self.forget_connections()
        url = self.server.url("postgres")
        wait_until("the server to recover", lambda: stores.postgres_problem(url), [], SECONDS)

    def forget_connections(self) -> None:
        for database in list(self.server.connections):
            self.server.close(database)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    folder = tmp_path_factory.mktemp("mortal")
    port = free_ports([NAME])[NAME]
    server = Server(port)
    try:
        stores.start_postgres(folder, port, ADMIN_PASSWORD)
        for database in DATABASES:
            server.execute("postgres", sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        server.execute("foreign", FOREIGN)
        Registry(server, "superset").schema()
        yield Mortal(folder, server)
    finally:
        state.end_all(folder, grace=5)


@pytest.fixture
def mortal(started: Mortal) -> Iterator[Mortal]:
    """It runs when a test begins, and when it has ended."""
    started.recover()
    yield started
    started.start()


@pytest.fixture(params=["superset", "foreign without history"])
def variant(mortal: Mortal, request: pytest.FixtureRequest) -> Variant:
    layout, has_history = VARIANTS[request.param]
    return Variant(Registry(mortal.server, layout), has_history)


@dataclass
class Strike:
    """Does something at one of the moments that suit, once."""

    suits: Callable[[Moment], bool]
    act: Callable[[Moment], None]
    # Counted from 1, of those that suit.
    number: int = 1
    moments: list[Moment] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return len(self.moments) >= self.number

    def __call__(self, moment: Moment) -> None:
        if self.suits(moment):
            self.moments.append(moment)
            if len(self.moments) == self.number:
                self.act(moment)


def interrupted(variant: Variant, operation: Operation, *strikes: Strike, **options: object) -> dict[str, Any]:
    """What a change returns while these strike."""

    def observer(moment: Moment) -> None:
        for strike in strikes:
            strike(moment)

    with pytest.MonkeyPatch.context() as patch:
        observe(patch, observer)
        return variant.run(operation, retry_timeout=SECONDS, **options)


def before_a_statement(moment: Moment) -> bool:
    return moment.when == "before" and moment.what != CONNECT


def of(moment: Moment) -> Connection:
    assert moment.connection
    return moment.connection


@pytest.mark.parametrize("name", ["insert", "update", "purge", "sync"])
def test_killed_before_every_statement(mortal: Mortal, variant: Variant, name: str) -> None:
    operation = OPERATIONS[name]
    _old, new = variant.states(operation)
    for number in count(1):
        variant.reset()
        strike = Strike(before_a_statement, lambda moment: mortal.kill_session(of(moment)), number)
        result = interrupted(variant, operation, strike)
        if not strike.done:
            break
        mortal.recover()
        assert (result["changed"], variant.state()) == (True, new), strike.moments[-1]
    print(f" {number - 1} kills", end="")
    assert [moment.what for moment in strike.moments][-2:] == ["SELECT txid_current_if_assigned()", COMMIT]


@pytest.mark.parametrize("name", ["insert", "update", "purge", "sync"])
def test_answer_to_the_commit_is_lost(mortal: Mortal, variant: Variant, name: str) -> None:
    """The server has made the change, and dies before anyone hears of it: it is not made again, nor denied."""
    operation = OPERATIONS[name]
    _old, new = variant.states(operation)
    variant.reset()
    result = interrupted(variant, operation, Strike(is_committed, lambda moment: lose(mortal, moment)))
    mortal.recover()
    assert (result["changed"], variant.state()) == (True, new)


@pytest.mark.parametrize("number", range(1, 3))
def test_answer_is_lost_and_the_question_for_it_too(mortal: Mortal, variant: Variant, number: int) -> None:
    operation = OPERATIONS["update"]
    _old, new = variant.states(operation)
    variant.reset()
    answer = Strike(is_committed, lambda moment: lose(mortal, moment))
    question = Strike(
        lambda moment: answer.done and moment.when in ("before", "after") and "txid_status" in moment.what,
        lambda moment: mortal.kill_session(of(moment)),
        number,
    )
    result = interrupted(variant, operation, answer, question)
    mortal.recover()
    assert question.done
    assert (result["changed"], variant.state()) == (True, new)


def test_another_writer_changes_it_before_the_answer_is_known(mortal: Mortal, variant: Variant) -> None:
    """What was committed is told, though the entry is another one since: making it again would undo the other's."""
    operation = OPERATIONS["update"]
    variant.reset()

    def lose_and_change(moment: Moment) -> None:
        try:
            lose(mortal, moment)
        finally:
            mortal.recover()
            variant.registry.execute("UPDATE model_registry_entries SET deployment_status = 'degraded'")

    result = interrupted(variant, operation, Strike(is_committed, lose_and_change))
    assert (result["changed"], result["entry"]["status"]) == (True, "ready")
    assert variant.registry.routed() is None


def test_number_of_the_lost_transaction_is_given_to_another(mortal: Mortal, variant: Variant) -> None:
    """A crash forgets the numbers of transactions that left nothing on the disk, and gives them out anew."""
    operation = OPERATIONS["update"]
    _old, new = variant.states(operation)
    variant.reset()
    numbers: list[int] = []

    def kill(moment: Moment) -> None:
        mortal.kill_session(of(moment))
        mortal.recover()
        # As any other client of the server would. They stop where the lost one may have been.
        numbers.extend(int(variant.registry.execute("SELECT txid_current()")[0][0]) for _unused in range(20))

    result = interrupted(variant, operation, Strike(is_to_commit, kill))
    assert (result["changed"], variant.state()) == (True, new), numbers


def test_killed_while_it_commits(mortal: Mortal, variant: Variant) -> None:
    operation = OPERATIONS["update"]
    _old, new = variant.states(operation)
    variant.reset()

    def kill() -> None:
        pid, _name = variant.committing()
        os.kill(pid, signal.SIGKILL)

    with variant.slow_commit():
        thread = Thread(target=kill)
        # The one who holds the commit up dies too, so the next attempt is not.
        result = interrupted(variant, operation, Strike(is_to_commit, lambda _moment: thread.start()))
        thread.join()
        mortal.recover()
    assert (result["changed"], variant.state()) == (True, new)


def test_network_breaks_while_it_commits(variant: Variant) -> None:
    """The server goes on with the commit. Who asked for it waits for its end instead of beginning again."""
    operation = OPERATIONS["update"]
    _old, new = variant.states(operation)
    variant.reset()

    def cut(file: int) -> None:
        variant.committing()
        with socket.socket(fileno=os.dup(file)) as line:
            line.shutdown(socket.SHUT_RDWR)

    cutters: list[Thread] = []

    def begin(moment: Moment) -> None:
        cutters.append(Thread(target=cut, args=[of(moment).fileno()]))
        cutters[0].start()

    with variant.slow_commit() as release:
        asked = Strike(lambda moment: moment.is_at("before", "txid_status"), lambda _moment: release(), number=3)
        result = interrupted(variant, operation, Strike(is_to_commit, begin), asked)
        cutters[0].join()
    assert asked.done
    assert (result["changed"], variant.state()) == (True, new)


def is_to_commit(moment: Moment) -> bool:
    return moment.is_at("before", COMMIT)


def is_committed(moment: Moment) -> bool:
    return moment.is_at("after", COMMIT)


def lose(mortal: Mortal, moment: Moment) -> None:
    """Kill the session that has just committed, as if it had not answered yet."""
    connection = of(moment)
    mortal.kill_session(connection)
    connection.close()
    raise psycopg2.OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("name", ["update", "sync"])
@pytest.mark.parametrize("when", ["SELECT txid_current_if_assigned()", COMMIT, "SELECT set_config"])
def test_stopped_and_started_again(mortal: Mortal, variant: Variant, name: str, when: str) -> None:
    operation = OPERATIONS[name]
    _old, new = variant.states(operation)
    variant.reset()
    stop = Strike(lambda moment: moment.is_at("before", when), lambda _moment: mortal.stop())
    # It is away for two attempts to reach it.
    start = Strike(
        lambda moment: stop.done and moment.is_at("before", CONNECT), lambda _moment: mortal.start(), number=3
    )
    result = interrupted(variant, operation, stop, start)
    assert start.done
    assert (result["changed"], variant.state()) == (True, new)


def test_stopped_for_good(mortal: Mortal, variant: Variant) -> None:
    """It is waited for as long as was agreed, by a clock that only the waiting moves, and then said what is wrong."""
    variant.reset()
    old = variant.state()
    passed = [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    clock = Clock(lambda: passed[0], sleep)
    database = Database(
        psycopg2.extensions.parse_dsn(variant.registry.url) | {"application_name": "x"}, "lab", 30, BOUND
    )
    settings, timings = Settings(database, Provenance("alice", "", "")), Timings()
    desired = Desired("demo", "development", endpoint=NEW)
    stop = Strike(is_to_commit, lambda _moment: mortal.stop())
    with pytest.MonkeyPatch.context() as patch:
        observe(patch, stop)
        message = message_of(
            lambda: run(database, lambda cursor: transact(cursor, desired, settings, timings), timings, clock=clock)
        )
    assert message.startswith("Failed to connect to database: lab: connection refused. Check that PostgreSQL runs")
    # The last pause begins before the bound, and is at most a second long.
    assert BOUND <= passed[0] < BOUND + 1
    mortal.start()
    assert variant.state() == old


class Opponent:
    """Another session that locks `off`, and then `demo` when a change has locked them the other way round."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._connection = psycopg2.connect(registry.url)
        self._thread: Thread | None = None
        self.rounds = 0
        # The other side is the one that the server lets go.
        self._lock("SET deadlock_timeout = '1h'")

    def engage(self) -> None:
        """Lock the one entry, and the other one as soon as a change waits for the first."""
        self.join()
        self.rounds += 1
        self._lock(
            "UPDATE model_registry_entries SET cost_per_1k_tokens = cost_per_1k_tokens + 1 WHERE model_name = 'off'"
        )
        self._thread = Thread(target=self._cross)
        self._thread.start()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        self.join()
        self._connection.close()

    def _cross(self) -> None:
        waiting = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'ai_aas.inference' AND wait_event_type = 'Lock'"
        )
        with contextlib.closing(psycopg2.connect(self._registry.url)) as watcher, watcher.cursor() as cursor:

            def idle() -> str | None:
                cursor.execute(waiting)
                found = cursor.fetchall()
                watcher.rollback()
                return None if found else "it does not"

            wait_until("the change to wait", idle, [], SECONDS)
        self._lock(
            "UPDATE model_registry_entries SET cost_per_1k_tokens = cost_per_1k_tokens + 1 WHERE model_name = 'demo'"
        )
        self._connection.commit()

    def _lock(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.fixture
def opponent(variant: Variant) -> Iterator[Opponent]:
    variant.reset()
    made = Opponent(variant.registry)
    try:
        yield made
    finally:
        made.close()


def locks(moment: Moment) -> bool:
    return moment.is_at("before", "FOR UPDATE")


CROSSING = Operation("sync", {"entries": [{"model_name": name, "endpoint": NEW} for name in ("off", "demo")]})


def test_deadlock(variant: Variant, opponent: Opponent) -> None:
    """The change begins again, and both sides have their way."""
    strike = Strike(locks, lambda _moment: opponent.engage())
    result = interrupted(variant, CROSSING, strike)
    opponent.join()
    assert len(strike.moments) == 2
    assert result["counts"]["update"] == 2
    rows = variant.registry.execute(
        "SELECT deployment_endpoint, cost_per_1k_tokens::int FROM model_registry_entries "
        "WHERE deployment_environment = 'development'"
    )
    assert rows == [(NEW, 1)] * 2
    assert recorded(variant, "alice") == 2


def test_endless_deadlocks(variant: Variant, opponent: Opponent) -> None:
    every = [Strike(locks, lambda _moment: opponent.engage(), number) for number in range(1, 2 * ATTEMPTS)]
    message = message_of(lambda: interrupted(variant, CROSSING, *every))
    opponent.join()
    assert opponent.rounds == ATTEMPTS
    assert "refused the request: it and other sessions waited for each other. Try again." in message
    assert recorded(variant, "alice") == 0
    assert variant.registry.routed() == ("old.system.svc.cluster.local:8000", "system")


def test_row_is_inserted_in_between(variant: Variant) -> None:
    """By a tool that takes no lock of ours, at the last moment: it is updated then."""
    variant.reset()

    def insert(_moment: Moment) -> None:
        variant.registry.add("degraded", model_name="created", cost_per_1k_tokens=2)

    result = interrupted(variant, OPERATIONS["insert"], Strike(inserts, insert))
    assert (result["previous"]["status"], result["entry"]["status"]) == ("degraded", "ready")
    assert result["entry"]["cost_per_1k_tokens"] == 2
    assert recorded(variant, "alice") == 1


def test_row_is_inserted_in_between_and_deleted_again_and_again(variant: Variant) -> None:
    variant.reset()

    def insert(_moment: Moment) -> None:
        variant.registry.add("ready", model_name="created")

    def delete(_moment: Moment) -> None:
        variant.registry.execute("DELETE FROM model_registry_entries WHERE model_name = 'created'")

    strikes = [
        strike
        for number in range(1, 2 * ATTEMPTS)
        for strike in (Strike(inserts, insert, number), Strike(locks, delete, number))
    ]
    with pytest.raises(InferenceError) as caught:
        interrupted(variant, OPERATIONS["insert"], *strikes)
    assert len(strikes[0].moments) == ATTEMPTS
    assert "refused the request: another entry has the same values" in caught.value.message
    assert recorded(variant, "alice") == 0


def inserts(moment: Moment) -> bool:
    return moment.is_at("before", 'INSERT INTO "model_registry_entries"')


def recorded(variant: Variant, actor: str) -> int:
    if variant.registry.execute("SELECT to_regclass('model_registry_history')") == [(None,)]:
        return 0
    rows = variant.registry.execute("SELECT count(*) FROM model_registry_history WHERE actor = %s", actor)
    return int(rows[0][0])
