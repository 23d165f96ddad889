# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change whose process is killed at any moment: the old state or the new one, and a re-run makes it the new one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import count

import pytest
import redis
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.cache import key_of

from tests.lab.process import wait_until

from .conftest import Registry, Server
from .mortal import End, Errand, Mortals
from .operations import OPERATIONS, PROVENANCE, VARIANTS, Operation, Variant

SECONDS = 20
NAME = "mortal-"


@pytest.fixture(scope="module")
def mortals() -> Iterator[Mortals]:
    running = Mortals()
    try:
        yield running
    finally:
        running.close()


@pytest.fixture(params=VARIANTS)
def variant(server: Server, request: pytest.FixtureRequest) -> Variant:
    layout, has_history = VARIANTS[request.param]
    return Variant(Registry(server, layout), has_history)


def errand_of(variant: Variant, operation: Operation, redis_url: str) -> Errand:
    params = {**PROVENANCE, **operation.params, "redis_url": redis_url, "cache_settle": 0.001}
    return Errand(variant.registry.server.port, variant.registry.layout, operation.call, params, name=NAME)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))
def test_killed_at_every_moment(
    variant: Variant, operation: Operation, mortals: Mortals, valkey: redis.Redis, valkey_url: str
) -> None:
    errand = errand_of(variant, operation, valkey_url)
    old, new = variant.states(operation)
    keys = [key_of("development", name) for name in operation.names]
    seen: list[str] = []
    for fatal in count(1):
        variant.reset()
        valkey.mset(dict.fromkeys(keys, "old route"))
        versions = variant.registry.versions()
        end = mortals.run(errand, fatal)
        if not end.killed:
            break
        seen.append(end.moments[-1])
        check_nothing_is_held(variant.registry)
        assert variant.state() == (new if end.committed else old), seen
        assert end.committed or variant.registry.versions() == versions, seen
        check_rerun(variant, operation, end, valkey_url)
        assert variant.state() == new, seen
        assert valkey.exists(*keys) == 0, seen
    print(f" {len(seen)} kills", end="")
    check_coverage(seen)


def test_killed_while_the_server_commits(
    variant: Variant, mortals: Mortals, valkey: redis.Redis, valkey_url: str
) -> None:
    """The COMMIT is on its way and not answered: the server goes on with it, whoever has asked."""
    operation = OPERATIONS["update"]
    _old, new = variant.states(operation)
    variant.reset()
    (key,) = (key_of("development", name) for name in operation.names)
    valkey.set(key, "old route")
    with variant.slow_commit() as release:
        mortals.send(errand_of(variant, operation, valkey_url))
        _pid, name = variant.committing()
        os.kill(int(name.removeprefix(NAME)), signal.SIGKILL)
        end = mortals.end()
        assert (end.killed, end.moments[-1]) == (True, "before COMMIT")
        release()
        check_nothing_is_held(variant.registry)
    assert variant.state() == new
    result = variant.run(operation, redis_url=valkey_url)
    assert (result["changed"], variant.state(), valkey.get(key)) == (False, new, None)


def check_nothing_is_held(registry: Registry) -> None:
    """No session of the killed one is left after a moment, and no lock."""

    def left() -> str | None:
        rows = registry.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE %s "
            "UNION ALL SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND locktype = 'advisory'",
            f"{NAME}%",
        )
        return f"there are {rows}" if rows else None

    wait_until("its session to end", left, [], SECONDS)


def check_rerun(variant: Variant, operation: Operation, end: End, redis_url: str) -> None:
    result = variant.run(operation, redis_url=redis_url)
    assert result["changed"] is not end.committed
    assert (result["cache"], result["warnings"]) == ("deleted", [])


def check_coverage(seen: list[str]) -> None:
    """It was killed on both sides of everything that matters."""
    for when in ("before", "after"):
        for what in ("CONNECT", "SELECT pg_advisory_xact_lock", "SELECT txid_current_if_assigned()", "COMMIT"):
            assert any(moment.startswith(f"{when} {what}") for moment in seen), (when, what)
        assert any(moment.startswith(f"{when} *2 $3 DEL") for moment in seen), when
    assert len(seen) % 2 == 0
