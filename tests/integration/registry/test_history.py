# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who changed what, when, from what to what, why and from which job; and what is announced to routers that listen."""

from __future__ import annotations

import itertools
import json
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from .conftest import LAYOUTS, Registry
from .test_states import NEW, OLD

WHO: dict[str, Any] = {"actor": "alice", "reason": "incident 1234", "job": {"awx_job_id": 12, "awx_workflow_job_id": 7}}
TRIGGERED = pytest.mark.parametrize("registry", [name for name in LAYOUTS if name != "foreign"], indirect=True)


def history(registry: Registry, **params: object) -> list[dict[str, Any]]:
    """The changes, the first one first."""
    found: list[dict[str, Any]] = registry.info(history=True, **params)["history"]
    return found[::-1]


def test_every_change_is_kept_with_who_and_why(registry: Registry) -> None:
    results = [
        registry.entry(endpoint=OLD, **WHO),
        registry.entry(endpoint=NEW, metadata={"a": 1}, **WHO),
        registry.entry(state="disabled", **WHO),
        registry.entry(state="absent", purge=True, **WHO),
    ]
    assert [result["history"] for result in results] == ["recorded"] * 4
    events = history(registry)
    assert [event["operation"] for event in events] == ["insert", "update", "update", "delete"]
    assert [event["changed"] for event in events[1:3]] == [["endpoint", "metadata"], ["status"]]
    for event, result in zip(events, results, strict=True):
        assert (event["actor"], event["reason"], event["job"], event["role"]) == (*WHO.values(), "postgres")
        assert (event["model_name"], event["environment"]) == ("demo", "development")
        for side, entry in ((event["before"], result["previous"]), (event["after"], result["entry"])):
            assert side == (entry and {name: entry[name] for name in side})
    for event, following in itertools.pairwise(events):
        assert event["after"] == following["before"]


def test_nothing_is_kept_of_what_changes_nothing(registry: Registry) -> None:
    registry.entry(endpoint=OLD)
    assert registry.entry(endpoint=OLD)["history"] == "none"
    assert registry.entry(endpoint=NEW, check=True)["history"] == "recorded"
    assert len(history(registry)) == 1


def test_the_account_stands_for_who_says_nothing(registry: Registry) -> None:
    registry.entry(endpoint=OLD)
    (event,) = history(registry)
    assert event["actor"]
    assert (event["reason"], event["job"]) == (None, None)


def test_sync_is_kept_entry_by_entry(registry: Registry) -> None:
    registry.entry(endpoint=OLD, model_name="other")
    registry.sync(entries=[{"model_name": "demo", "endpoint": NEW}], prune="disable", **WHO)
    events = history(registry)[1:]
    assert [(event["operation"], event["model_name"], event["actor"]) for event in events] == [
        ("insert", "demo", "alice"),
        ("update", "other", "alice"),
    ]


def test_it_is_shown_as_a_table_and_filtered(registry: Registry) -> None:
    registry.entry(endpoint=OLD, **WHO)
    registry.entry(endpoint=OLD, environment="staging")
    registry.entry(state="disabled", **WHO)
    shown = registry.info(history=True, environment="development", history_limit=1)["history_table"]
    heading, line = (row.split(" | ") for row in shown)
    assert [cell.strip() for cell in heading] == [
        *("When", "Who", "What", "Model Name", "Environment", "Changed", "Reason", "Job"),
    ]
    assert [cell.strip() for cell in line[1:]] == [
        *("alice", "update", "demo", "development", "status=disabled", "incident 1234"),
        "awx_job_id=12, awx_workflow_job_id=7",
    ]


@TRIGGERED
def test_other_tools_are_in_it_too(registry: Registry) -> None:
    registry.add("ready")
    registry.execute("UPDATE model_registry_entries SET deployment_status = 'degraded'")
    registry.execute("UPDATE model_registry_entries SET last_health_check_at = now()")
    registry.execute("DELETE FROM model_registry_entries")
    events = history(registry)
    assert [(event["operation"], event["actor"]) for event in events] == [
        *(("insert", None), ("update", None), ("delete", None)),
    ]


@TRIGGERED
def test_truncate_is_in_it(registry: Registry) -> None:
    registry.entry(endpoint=OLD)
    registry.entry(endpoint=OLD, model_name="other")
    registry.execute("TRUNCATE model_registry_entries CASCADE")
    events = history(registry)[2:]
    assert [(event["operation"], event["model_name"], event["after"]) for event in events] == [
        ("truncate", "demo", None),
        ("truncate", "other", None),
    ]
    assert events[0]["before"]["endpoint"] == OLD


@TRIGGERED
def test_who_may_change_entries_cannot_change_their_history(registry: Registry, role: Any) -> None:
    name = role("registrar", "right")
    registry.execute(f"GRANT SELECT, INSERT, UPDATE ON model_registry_entries TO {name}")
    url = registry.server.url(registry.layout, name, "right")
    assert registry.entry(database_url=url, endpoint=OLD)["history"] == "recorded"
    assert [event["role"] for event in history(registry)] == ["registrar"]
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        refused = pytest.raises(psycopg2.errors.InsufficientPrivilege)
        with refused:
            cursor.execute("DELETE FROM model_registry_history")


@pytest.mark.parametrize("registry", ["foreign"], indirect=True)
def test_unavailable_where_the_role_may_not_keep_one(registry: Registry, role: Any) -> None:
    name = role("registrar", "right")
    registry.execute(f"GRANT SELECT, INSERT, UPDATE ON model_registry_entries TO {name}")
    url = registry.server.url(registry.layout, name, "right")
    predicted = registry.entry(database_url=url, endpoint=OLD, check=True)
    assert registry.entry(database_url=url, endpoint=OLD)["history"] == predicted["history"] == "unavailable"
    assert registry.routed() == (OLD, "system")
    found = registry.info(database_url=url, history=True)
    assert found["history"] == []
    assert "no history that this role may read" in found["warnings"][0]


def test_changes_are_announced(registry: Registry) -> None:
    with closing(psycopg2.connect(registry.url)) as listener:
        listener.autocommit = True
        with listener.cursor() as cursor:
            cursor.execute("LISTEN model_registry_changed")
            registry.entry(endpoint=OLD)
            registry.entry(endpoint=OLD)
            registry.entry(endpoint=NEW, check=True)
            registry.sync(entries=[], prune="delete", environment="development")
            cursor.execute("SELECT 1")
        listener.poll()
        place = {"model_name": "demo", "environment": "development"}
        assert [json.loads(notice.payload) for notice in listener.notifies] == [
            {"operation": "insert", **place},
            {"operation": "delete", **place},
        ]


@pytest.mark.parametrize("params", [{"actor": "a" * 256}, {"reason": "a\0b"}, {"job": {"a": float("nan")}}])
def test_what_cannot_be_kept_is_refused(registry: Registry, params: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=f"Invalid {next(iter(params))}"):
        registry.entry(endpoint=OLD, **params)
    assert registry.versions() == []
