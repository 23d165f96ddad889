# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every state on every kind of row: predicted, done, done again, and seen by the router."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError

from .conftest import Registry

NEW = "demo.system.svc.cluster.local:8000"
OLD = "old.system.svc.cluster.local:8000"
HERE = ("system",)

# Status of the row that is there, what is asked, the actions, status and endpoint after it.
CASES: list[tuple[str | None, dict[str, Any], list[str], str | None, str | None]] = [
    (None, {"endpoint": NEW}, ["insert"], "ready", NEW),
    (None, {"endpoint": NEW, "status": "deploying"}, ["insert"], "deploying", NEW),
    (None, {"state": "enabled", "endpoint": NEW}, ["insert"], "ready", NEW),
    (None, {"state": "absent"}, [], None, None),
    ("ready", {}, [], "ready", OLD),
    ("ready", {"endpoint": OLD}, [], "ready", OLD),
    ("ready", {"endpoint": NEW}, ["update:endpoint"], "ready", NEW),
    ("ready", {"status": "deploying"}, ["update:status"], "deploying", OLD),
    ("ready", {"state": "enabled"}, [], "ready", OLD),
    ("ready", {"state": "disabled"}, ["disable"], "disabled", OLD),
    ("ready", {"state": "absent"}, ["disable"], "disabled", OLD),
    ("ready", {"metadata": {"owner": "a"}}, ["update:metadata"], "ready", OLD),
    ("ready", {"cost_per_1k_tokens": 0.25}, ["update:cost_per_1k_tokens"], "ready", OLD),
    ("ready", {"revision": 7}, ["update:revision"], "ready", OLD),
    ("ready", {"deployment_target": "managed"}, ["update:deployment_target"], "ready", OLD),
    ("deploying", {}, ["update:status"], "ready", OLD),
    ("degraded", {"state": "enabled"}, ["enable"], "ready", OLD),
    ("deploying", {"state": "disabled"}, ["disable"], "disabled", OLD),
    ("disabled", {}, [], "disabled", OLD),
    ("disabled", {"endpoint": NEW}, ["update:endpoint"], "disabled", NEW),
    ("disabled", {"status": "deploying"}, [], "disabled", OLD),
    ("disabled", {"state": "enabled"}, ["enable"], "ready", OLD),
    ("disabled", {"state": "enabled", "endpoint": NEW}, ["update:endpoint", "enable"], "ready", NEW),
    ("disabled", {"state": "disabled"}, [], "disabled", OLD),
    ("disabled", {"state": "absent"}, [], "disabled", OLD),
]


@pytest.mark.parametrize(("row", "asked", "actions", "status", "endpoint"), CASES)
def test_state(
    registry: Registry,
    row: str | None,
    asked: dict[str, Any],
    actions: list[str],
    status: str | None,
    endpoint: str | None,
) -> None:
    if row is not None:
        registry.add(row)
    before = registry.versions()

    predicted = registry.entry(check=True, **asked)
    assert registry.versions() == before
    done = registry.entry(**asked)

    for part in ("changed", "actions", "diff", "kept_disabled", "previous"):
        assert predicted[part] == done[part]
    assert done["changed"] is bool(actions)
    assert done["actions"] == actions
    assert (done["entry"] or {}).get("status") == status
    assert (done["entry"] or {}).get("endpoint") == endpoint
    assert done["kept_disabled"] is (row == "disabled" and "state" not in asked)
    assert registry.routed() == ((endpoint, "system") if status == "ready" else None)
    if not actions:
        assert registry.versions() == before

    after = registry.versions()
    again = registry.entry(**asked)
    assert again["actions"] == []
    assert again["entry"] == done["entry"]
    assert registry.versions() == after


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"state": "disabled"}, "There is no entry for model 'demo' in environment 'development'"),
        ({"state": "enabled"}, "Register it: `state: present` with an endpoint."),
        ({}, "Register it: `state: present` with an endpoint."),
    ],
)
def test_missing_entry_names_the_nearest(registry: Registry, asked: dict[str, Any], message: str, check: bool) -> None:
    registry.add("ready", model_name="demo-20b", deployment_environment="staging")
    registry.add("ready", model_name="unrelated")
    with pytest.raises(InferenceError) as caught:
        registry.entry(check=check, **asked)
    assert message in caught.value.message
    assert "the nearest are 'demo-20b' in staging" in caught.value.message
    assert "unrelated" not in caught.value.message


def test_entry_holds_what_the_table_holds(registry: Registry) -> None:
    made = registry.entry(endpoint=NEW, metadata={"a": [1, 2.5, None, True, "ü"]}, cost_per_1k_tokens=0.12345)["entry"]
    assert made["namespace"] == "system"
    assert made["revision"] == 1
    assert made["deployment_target"] == "self_hosted"
    assert made["organization_id"] == "00000000-0000-0000-0000-000000000000"
    assert made["cost_per_1k_tokens"] == 0.1235
    assert made["metadata"] == {"a": [1, 2.5, None, True, "ü"]}
    assert made["last_health_check_at"] is None
    assert made["created_at"] == made["updated_at"]
    assert made["created_at"].endswith("Z")
    assert (made["id"] is None) is (registry.layout == "foreign")
    assert registry.info()["entries"] == [made]


def test_revisions_count_across_environments(registry: Registry) -> None:
    registry.add("ready", revision=4)
    made = registry.entry(environment="staging", endpoint=NEW)
    assert made["entry"]["revision"] == 5


def test_metadata_is_merged_or_replaced(registry: Registry) -> None:
    registry.entry(endpoint=NEW, metadata={"team": {"name": "a", "size": 2}, "tier": 1})
    merged = registry.entry(metadata={"team": {"name": "b"}})
    assert merged["entry"]["metadata"] == {"team": {"name": "b", "size": 2}, "tier": 1}
    replaced = registry.entry(metadata={"tier": 2}, metadata_mode="replace")
    assert replaced["entry"]["metadata"] == {"tier": 2}
    assert registry.entry(metadata={}, metadata_mode="replace")["entry"]["metadata"] == {}


def test_update_moves_updated_at_alone(registry: Registry) -> None:
    made = registry.entry(endpoint=OLD)["entry"]
    moved = registry.entry(endpoint=NEW)["entry"]
    assert moved["updated_at"] > made["updated_at"]
    assert {**moved, "endpoint": OLD, "updated_at": made["updated_at"]} == made


def test_entry_without_endpoint_is_not_enabled(registry: Registry) -> None:
    registry.add("disabled", deployment_endpoint=None)
    with pytest.raises(InferenceError, match="has no endpoint"):
        registry.entry(state="enabled")
    registry.entry(state="enabled", endpoint=NEW)
    assert registry.routed() == (NEW, "system")


def test_missing_namespace_is_filled(registry: Registry) -> None:
    """The router cannot read a row without a namespace."""
    if registry.layout == "foreign":
        registry.add("disabled", deployment_namespace=None)
    else:
        registry.add("disabled", deployment_namespace="")
    registry.entry(state="enabled")
    assert registry.routed() == (OLD, "system")


def test_rows_without_environment_are_no_entries(registry: Registry) -> None:
    registry.add(None, deployment_environment=None, deployment_endpoint=None, revision=3)
    assert registry.info()["entries"] == []
    made = registry.entry(endpoint=NEW)
    assert made["actions"] == ["insert"]
    assert made["entry"]["revision"] == 4


def test_hostile_name_is_stored_verbatim(registry: Registry) -> None:
    name = "a'; DROP TABLE model_registry_entries; -- %s \\ \" 日本"
    registry.entry(model_name=name, endpoint=NEW)
    assert registry.execute("SELECT model_name FROM model_registry_entries") == [(name,)]
    assert registry.entry(model_name=name, state="disabled")["actions"] == ["disable"]


def test_listing(registry: Registry) -> None:
    registry.add("ready", last_health_check_at="2025-01-27 12:34:56+02", updated_at="2025-01-27 12:00:00+00")
    registry.add("disabled", model_name="other", deployment_environment="staging")
    assert registry.info()["count"] == 2
    assert [found["model_name"] for found in registry.info(status="disabled")["entries"]] == ["other"]
    assert [found["model_name"] for found in registry.info(environment="development")["entries"]] == ["demo"]
    assert registry.info(model_name="nobody")["table"][1:] == []
    heading, line = registry.info(model_name="demo")["table"]
    assert heading.split(" | ")[1].strip() == "Model Name"
    cells = [cell.strip() for cell in line.split(" | ")]
    assert cells[1:] == ["demo", OLD, "ready", "development", *HERE, "2025-01-27 10:34", "2025-01-27 12:00"]
    assert cells[0]
