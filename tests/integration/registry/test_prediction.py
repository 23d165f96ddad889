# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode predicts the real run and writes nothing: generated sequences of operations, against a model.

Of each operation: what check mode says, that no version of a row is new after it, what the real run says, that the
table and its history are what the model has, and that a second run changes nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import Session
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from .conftest import Registry
from .expectation import (
    ENDPOINTS,
    ENVIRONMENTS,
    HIGHEST,
    NAMES,
    NOBODY,
    OF_KEY,
    STRANGER,
    TENANT,
    USE,
    VALID_ENDPOINTS,
    Asked,
    Expectation,
    Key,
    World,
    assert_same,
    emptied,
    expected,
    history_of,
    rows_of,
    usage_recorded,
)

# As in tests/unit/conftest.py: the same sample at every run, or many new examples in a soak.
PROFILES = {
    "sample": settings(max_examples=80, derandomize=True),
    "soak": settings(max_examples=int(os.environ.get("SOAK_EXAMPLES", "5000")) // 10),
}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "sample")
SEQUENCES = settings(
    PROFILES[PROFILE],
    stateful_step_count=50,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
OPERATIONS = 2000

Operation = Callable[..., dict[str, Any]]

FORGET = "DELETE FROM usage_events WHERE model_id IN (SELECT model_id FROM model_registry_entries WHERE {})"

keys = st.tuples(st.sampled_from(NAMES), st.sampled_from(ENVIRONMENTS))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
numbers = st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda parts: st.lists(parts, max_size=2) | st.dictionaries(st.sampled_from("abc"), parts, max_size=2),
    max_leaves=4,
)
# Few enough to meet again: what is merged at depth, and what differs as JSON alone.
alike = st.sampled_from((1, True, 1.0, {"a": 1}, {"a": True}, {"b": {"a": 1}}, {"b": {"c": None}}, [1], [True], 1e23))
# One in several values is none that the modules take.
endpoints = st.sampled_from((*VALID_ENDPOINTS[:1] * 8, *VALID_ENDPOINTS[1:] * 4, "demo"))
declared = {
    "endpoint": endpoints,
    "namespace": st.sampled_from(("system", "system", "system", "search")),
    "status": st.sampled_from(("ready", "ready", "pending", "deploying", "degraded", "failed")),
    "revision": st.sampled_from((*range(1, 6), *range(1, 12), HIGHEST, 0)),
    "organization_id": st.sampled_from((NOBODY, NOBODY, TENANT, TENANT, STRANGER)),
    "deployment_target": st.sampled_from(("managed", "self_hosted")),
    "cost_per_1k_tokens": st.floats(0, 50) | st.sampled_from((0.12345, 1, 999_999.9999, 999_999.99999, -1)),
    "metadata": st.dictionaries(st.sampled_from("ab"), alike | alike | values, max_size=2),
}
entries = st.fixed_dictionaries({"model_name": st.sampled_from(NAMES)}, optional=declared)
modes = st.sampled_from(("merge", "replace"))
# State and purge, the last of them not together.
withdrawals = st.sampled_from((*(("disabled", False), ("absent", False), ("absent", True)) * 4, ("disabled", True)))


def few(options: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """At most three of these options: with more of them hardly an operation would be one that may succeed."""
    some = st.lists(st.sampled_from([*sorted(options), "metadata"]), max_size=3).map(dict.fromkeys)
    return some.flatmap(lambda names: st.fixed_dictionaries({name: options[name] for name in names}))


# What another tool may write, by column.
COLUMNS: dict[str, tuple[object, ...]] = {
    "deployment_status": (None, "ready", "degraded", "disabled"),
    "deployment_endpoint": (None, *ENDPOINTS),
    "deployment_namespace": (None, "", "system", "elsewhere"),
    "deployment_target": ("managed",),
    "revision": (1, 5, 40),
    "organization_id": (NOBODY, TENANT),
    "cost_per_1k_tokens": (0.5, "NaN"),
    "metadata": ("null", "[1]", '"text"', '{"a": {"b": 1e2, "c": true}}'),
    "last_health_check_at": ("2026-01-01T00:00:00Z",),
    # No column, but a row of another table that refers to this one.
    "usage": (True, True, True, False),
}
cells = st.sampled_from([(column, value) for column, written in COLUMNS.items() for value in written])


class Sequence(RuleBasedStateMachine):
    """Operations of the modules, with another tool in between."""

    registry: Registry
    redis_url: str
    done: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.registry)
        self.cache: dict[str, str] = {}
        emptied(self.registry)

    @initialize(found=st.sets(keys, min_size=1), cached=st.booleans())
    def begin(self, found: set[Key], cached: bool) -> None:
        for key in sorted(found):
            self.insert(key)
        self.world.rows = rows_of(self.registry)
        self.cache = {"redis_url": self.redis_url} if cached else {}

    @rule(
        key=keys,
        state=st.sampled_from(("present", "present", "enabled")),
        endpoint=st.none() | endpoints,
        options=few(declared),
        mode=modes,
    )
    def declare(self, key: Key, state: str, endpoint: str | None, options: dict[str, Any], mode: str) -> None:
        options = {"state": state, "metadata_mode": mode, **({"endpoint": endpoint} if endpoint else {}), **options}
        self.entry({"model_name": key[0], "environment": key[1], **options})

    @rule(key=keys, way=withdrawals)
    def withdraw(self, key: Key, way: tuple[str, bool]) -> None:
        self.entry({"model_name": key[0], "environment": key[1], "state": way[0], "purge": way[1]})

    @rule(environment=st.sampled_from(ENVIRONMENTS), some=st.lists(entries, max_size=3), mode=modes)
    def sync(self, environment: str, some: list[dict[str, Any]], mode: str) -> None:
        self.synchronise({"environment": environment, "entries": some, "metadata_mode": mode})

    @rule(
        environment=st.sampled_from(ENVIRONMENTS),
        names=st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
        endpoint=st.sampled_from(VALID_ENDPOINTS),
        prune=st.sampled_from(("disable", "delete")),
        limit=st.sampled_from((0, 1, 10, 10)),
    )
    def prune(self, environment: str, names: list[str], endpoint: str, prune: str, limit: int) -> None:
        some = [{"model_name": name, "endpoint": endpoint} for name in names]
        self.synchronise({"environment": environment, "entries": some, "prune": prune, "max_removals": limit})

    @rule(key=keys, cell=cells)
    def another_tool(self, key: Key, cell: tuple[str, object]) -> None:
        """Write a column, of a new row if there is none, or record the use of the entry, or forget it."""
        column, value = cell
        if key not in self.world.rows:
            self.insert(key)
        if column == "usage":
            self.registry.execute(sql.SQL(USE if value else FORGET).format(OF_KEY), *key)
            self.world.used = (
                self.world.used | ({key} & rows_of(self.registry).keys()) if value else self.world.used - {key}
            )
        else:
            statement = sql.SQL("UPDATE model_registry_entries SET {} = %s WHERE {}")
            # As far as the table's constraints admit it.
            with contextlib.suppress(psycopg2.IntegrityError):
                self.registry.execute(statement.format(sql.Identifier(column), OF_KEY), value, *key)
        self.world.rows = rows_of(self.registry)
        self.done["another tool"] += 1

    def insert(self, key: Key) -> None:
        """Insert a row as another tool would, unless its revision is taken."""
        name, environment = key
        columns = {
            "model_name": name,
            "deployment_environment": environment,
            "revision": 1 + ENVIRONMENTS.index(environment),
        }
        with contextlib.suppress(psycopg2.IntegrityError):
            self.registry.add("pending", **columns, deployment_endpoint=VALID_ENDPOINTS[0])

    def entry(self, asked: Asked) -> None:
        self.prove(self.registry.entry, self.world.entry, asked)

    def synchronise(self, asked: Asked) -> None:
        self.prove(self.registry.sync, self.world.sync, asked)

    def prove(self, operation: Operation, expectation: Expectation, asked: Asked) -> None:
        done = assert_predicted(self.registry, operation, expectation, {**asked, **self.cache})
        assert rows_of(self.registry) == self.world.rows
        self.done["operations"] += 1
        self.done["failed" if "failed" in done else "changed" if done["changed"] else "unchanged"] += 1


def assert_predicted(
    registry: Registry, operation: Operation, expectation: Expectation, asked: Asked
) -> dict[str, Any]:
    """Predict an operation, do it, compare both with each other and with the model, and return what came of it."""
    before, recorded = versions(registry), len(history_of(registry))
    predicted = outcome(operation, asked, check=True)
    assert versions(registry) == before
    done = outcome(operation, asked, check=False)
    changes, refusal = expected(expectation, asked)
    if refusal:
        assert refusal.lower() in done.get("failed", "").lower()
        assert versions(registry) == before
    else:
        assert done.get("changed") is bool(changes), done
    assert_same(predicted, done)
    assert history_of(registry, recorded) == changes
    if not refusal:
        after = versions(registry)
        assert after == before or changes
        assert operation(**asked)["changed"] is False
        assert versions(registry) == after
    return done


def versions(registry: Registry) -> str:
    """As text, where a NaN is equal to itself."""
    return repr(registry.versions())


def outcome(operation: Operation, asked: Asked, *, check: bool) -> dict[str, Any]:
    """The result of a run, or its failure."""
    try:
        return operation(check=check, **asked)
    except InferenceError as error:
        return {"failed": error.message, **error.result}


@pytest.fixture
def prepared(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry whose entries another table refers to, and one connection that all operations share as in a pool.

    To connect takes ten times as long as to work. Nobody else is there, so that no pause lets anybody finish.
    """
    pool: dict[str, Connection] = {}
    connect = psycopg2.connect

    class Pooled(Connection):
        def close(self) -> None:
            self.rollback()
            self.readonly = None

    def pooled(*args: Any, **params: Any) -> Connection:
        key = repr((args, sorted(params.items())))
        if key not in pool:
            pool[key] = connect(*args, **params, connection_factory=Pooled)
        return pool[key]

    with usage_recorded(registry), monkeypatch.context() as patch:
        patch.setattr(psycopg2, "connect", pooled)
        patch.setattr(Session, "pause", lambda session: None)
        yield registry
        for connection in pool.values():
            Connection.close(connection)


def test_sequences(prepared: Registry, valkey_url: str) -> None:
    counted: Counter[str] = Counter()
    bound = type("Sequence", (Sequence,), {"registry": prepared, "redis_url": valkey_url, "done": counted})
    run_state_machine_as_test(bound, settings=SEQUENCES)
    # Shown with -s, or where it fails.
    print(f"{prepared.layout}: {dict(sorted(counted.items()))}")
    assert counted["operations"] >= OPERATIONS
    assert min(counted[kind] for kind in ("changed", "unchanged", "failed", "another tool")) > OPERATIONS / 10


NEW = {"model_name": "demo", "endpoint": VALID_ENDPOINTS[0]}
# What is asked of `demo`, which has revision 1 in development and the highest possible one in staging, and what another
# tool had written to development's row.
EDGES: list[tuple[str, dict[str, Any], str]] = [
    ("entry", {"revision": HIGHEST}, ""),
    ("sync", {"entries": [{"model_name": "demo", "revision": HIGHEST}]}, ""),
    ("entry", {"organization_id": STRANGER}, ""),
    ("sync", {"entries": [{"model_name": "demo", "organization_id": STRANGER}]}, ""),
    ("entry", {"cost_per_1k_tokens": 999_999.99999}, ""),
    ("sync", {"entries": [{"model_name": "demo", "cost_per_1k_tokens": 999_999.99999}]}, ""),
    ("entry", {"environment": "production", **NEW}, ""),
    ("sync", {"environment": "production", "entries": [NEW]}, ""),
    ("entry", {"environment": "production", **NEW, "revision": 7}, ""),
    ("sync", {"environment": "production", "entries": [{**NEW, "revision": 7}]}, ""),
    ("entry", {"metadata": {"large": 1e23}}, ""),
    ("sync", {"entries": [{"model_name": "demo", "metadata": {"large": 1e23}}]}, ""),
    ("entry", {"state": "disabled"}, "cost_per_1k_tokens = 'NaN'"),
    ("sync", {"entries": [], "prune": "disable"}, "cost_per_1k_tokens = 'NaN'"),
    ("entry", {"organization_id": NOBODY}, f"revision = {HIGHEST}, organization_id = '{TENANT}'"),
    (
        "sync",
        {"entries": [{"model_name": "demo", "organization_id": NOBODY}]},
        f"revision = {HIGHEST}, organization_id = '{TENANT}'",
    ),
]


@pytest.mark.parametrize(("operation", "asked", "written"), EDGES)
def test_at_the_edge(prepared: Registry, operation: str, asked: dict[str, Any], written: str) -> None:
    """What sequences come upon seldom."""
    emptied(prepared)
    prepared.entry(endpoint=VALID_ENDPOINTS[0])
    prepared.entry(endpoint=VALID_ENDPOINTS[0], environment="staging", revision=HIGHEST)
    if written:
        prepared.execute(sql.SQL("UPDATE model_registry_entries SET {} WHERE revision = 1").format(sql.SQL(written)))
    world = World(prepared)
    world.rows = rows_of(prepared)
    asked = {"model_name": "demo", "environment": "development", **asked}
    if operation == "sync":
        del asked["model_name"]
    assert_predicted(prepared, getattr(prepared, operation), getattr(world, operation), asked)
    assert rows_of(prepared) == world.rows
