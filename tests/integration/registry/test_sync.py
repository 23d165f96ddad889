# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A declared set of entries: all or nothing, nothing removed by accident."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.modules import model_registry_sync

from .conftest import Registry, in_process
from .test_states import NEW, OLD

MANY = 2500


def declared(*names: str, **values: object) -> list[dict[str, object]]:
    return [{"model_name": name, "endpoint": NEW, **values} for name in names]


def state(registry: Registry) -> dict[tuple[str, str], tuple[str, str]]:
    entries = registry.info()["entries"]
    return {(entry["model_name"], entry["environment"]): (entry["status"], entry["endpoint"]) for entry in entries}


def test_inserts_updates_and_leaves_alone(registry: Registry) -> None:
    registry.add("ready", model_name="a")
    registry.add("ready", model_name="b", deployment_endpoint=NEW)
    registry.add("disabled", model_name="off")
    registry.add("ready", model_name="extra")
    registry.add("ready", model_name="a", deployment_environment="staging", revision=2)
    before = registry.versions()
    predicted = registry.sync(check=True, entries=declared("a", "b", "off", "new"))
    assert registry.versions() == before
    done = registry.sync(entries=declared("a", "b", "off", "new"))
    for part in ("changed", "counts", "actions", "diff", "history", "warnings"):
        assert predicted[part] == done[part]
    assert done["counts"] == {
        **dict.fromkeys(("disable", "delete"), 0),
        "insert": 1,
        "update": 2,
        "unchanged": 1,
        "kept_disabled": 1,
    }
    assert done["actions"] == ["update a", "update off", "insert new"]
    assert done["diff"]["before"]["a"]["endpoint"] == OLD
    assert done["diff"]["after"]["a"]["endpoint"] == NEW
    assert done["diff"]["before"].keys() == {"a", "off"}
    assert state(registry) == {
        ("a", "development"): ("ready", NEW),
        ("b", "development"): ("ready", NEW),
        ("extra", "development"): ("ready", OLD),
        ("new", "development"): ("ready", NEW),
        ("off", "development"): ("disabled", NEW),
        ("a", "staging"): ("ready", OLD),
    }
    after = registry.versions()
    again = registry.sync(entries=declared("a", "b", "off", "new"))
    assert (again["changed"], again["actions"], registry.versions()) == (False, [], after)


@pytest.mark.parametrize(
    ("prune", "actions"),
    [("none", []), ("disable", ["disable extra"]), ("delete", ["delete extra", "delete off"])],
)
def test_prune(registry: Registry, prune: str, actions: list[str]) -> None:
    registry.add("ready", model_name="extra")
    registry.add("disabled", model_name="off")
    registry.add("ready", model_name="elsewhere", deployment_environment="staging")
    registry.entry(endpoint=NEW, model_name="a")
    predicted = registry.sync(check=True, entries=declared("a"), prune=prune)
    done = registry.sync(entries=declared("a"), prune=prune)
    assert predicted["actions"] == done["actions"] == actions
    assert ("elsewhere", "staging") in state(registry)
    assert registry.sync(entries=declared("a"), prune=prune)["actions"] == []


@pytest.mark.parametrize("prune", ["disable", "delete"])
def test_too_many_removals_change_nothing(registry: Registry, prune: str) -> None:
    for number in range(3):
        registry.add("ready", model_name=f"extra-{number}")
    before = registry.versions()
    for check in (True, False):
        with pytest.raises(InferenceError) as caught:
            registry.sync(check=check, entries=declared("new"), prune=prune, max_removals=2)
        assert "3 entries of development would be removed, and max_removals is 2" in caught.value.message
        assert caught.value.result["removals"] == ["extra-0", "extra-1", "extra-2"]
        assert registry.versions() == before
    assert registry.sync(entries=[], prune=prune, max_removals=3)["counts"][prune] == 3


@pytest.mark.parametrize("registry", ["foreign", "adopted"], indirect=True)
def test_prune_keeps_what_is_referred_to(registry: Registry) -> None:
    registry.add("ready", model_name="used")
    registry.add("ready", model_name="unused")
    registry.execute("INSERT INTO usage_events (model_id) SELECT model_id FROM model_registry_entries LIMIT 1")
    done = registry.sync(entries=[], prune="delete")
    assert done["actions"] == ["delete unused", "disable used"]
    assert "'used' in environment 'development' is kept as disabled" in done["warnings"][0]
    assert "usage_events refers to it" in done["warnings"][0]
    entry = registry.entry(model_name="used", state="absent", purge=True)
    assert (entry["changed"], entry["referenced_by"]) == (False, ["usage_events"])


def test_more_than_one_batch_by_file(registry: Registry, tmp_path: Path) -> None:
    registry.add("ready", model_name="m-7")
    path = tmp_path / "entries.jsonl"
    lines = [json.dumps({"model_name": f"m-{number}", "endpoint": NEW, "revision": 5}) for number in range(MANY)]
    path.write_text("\n\n".join(lines))
    done = registry.sync(entries_file=str(path))
    assert done["counts"] == {
        **dict.fromkeys(("disable", "delete", "unchanged", "kept_disabled"), 0),
        "insert": MANY - 1,
        "update": 1,
    }
    assert registry.count() == MANY
    assert registry.sync(entries_file=str(path))["counts"]["unchanged"] == MANY


def test_revisions_count_on(registry: Registry) -> None:
    registry.add("ready", model_name="a", deployment_environment="staging", revision=4)
    registry.sync(entries=declared("a", "b"))
    entries = registry.info(environment="development")["entries"]
    assert [(entry["model_name"], entry["revision"]) for entry in entries] == [("a", 5), ("b", 1)]


GOOD = json.dumps({"model_name": "a", "endpoint": NEW})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{GOOD}\n{{", "Invalid line 2 of {path}: It must be one JSON object"),
        ("[1]", "Invalid line 1 of {path}: It must be one JSON object"),
        ('{"endpoint": "a"}', "Invalid line 1 of {path}: model_name is missing"),
        ('{"model_name": 7}', "Invalid line 1 of {path}: model_name must be a text"),
        ('{"model_name": "a", "revision": true}', "revision must be a whole number"),
        ('{"model_name": "a", "status": "disabled"}', "status must be one of pending, deploying"),
        ('{"model_name": "a", "colour": 1}', "There is no 'colour'. There are model_name, endpoint"),
        ('{"model_name": "a", "endpoint": "b"}', "(model 'a'): invalid endpoint format: b: Endpoint must include port"),
        (f"{GOOD}\n\n{GOOD}", "Invalid line 3 of {path}: Model 'a' stands in line 1 of {path} already"),
        ('{"model_name": "a"}', "There is no entry for model 'a'"),
        (b"\xff", "Cannot read entries_file {path}: it is not UTF-8 throughout"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_changed(
    registry: Registry, tmp_path: Path, content: str | bytes, message: str
) -> None:
    path = tmp_path / "entries.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    for check in (True, False):
        with pytest.raises(InferenceError) as caught:
            registry.sync(check=check, entries_file=str(path))
        assert message.replace("{path}", str(path)) in caught.value.message
    assert registry.versions() == []


def test_a_wrong_entry_is_named(registry: Registry) -> None:
    with pytest.raises(InferenceError, match=r"^Invalid entries\[1\] \(model 'b'\): invalid namespace: X"):
        registry.sync(entries=[*declared("a"), {"model_name": "b", "endpoint": NEW, "namespace": "X"}])
    with pytest.raises(InferenceError, match="Cannot read entries_file /nowhere: No such file"):
        registry.sync(entries_file="/nowhere")
    assert registry.versions() == []


def test_keys_of_all_declared_and_removed_entries_are_dropped(
    registry: Registry, valkey: redis.Redis, valkey_url: str
) -> None:
    registry.add("ready", model_name="extra")
    registry.entry(endpoint=NEW, model_name="same")
    keys = [f"model_registry:development:{name}" for name in ("extra", "same", "new")]
    for key in (*keys, "model_registry:staging:same"):
        valkey.set(key, "old route")
    done = registry.sync(entries=declared("same", "new"), prune="disable", redis_url=valkey_url)
    assert done["cache"] == "deleted"
    assert valkey.keys() == [b"model_registry:staging:same"]


@pytest.mark.parametrize("registry", ["superset"], indirect=True)
def test_as_a_module(registry: Registry) -> None:
    given: dict[str, Any] = {"environment": "staging", "database_url": registry.url}
    done = in_process(model_registry_sync, {**given, "entries": declared("a"), "_ansible_diff": True})
    assert (done["actions"], done["diff"]["after"]["a"]["status"]) == (["insert a"], "ready")
    assert in_process(model_registry_sync, {**given, "entries": declared("b")})["diff"]["after"] == {}
    assert "one of the following" in in_process(model_registry_sync, given)["msg"]
