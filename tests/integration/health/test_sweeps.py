# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sweeps make of the entries of a registry, in each layout."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import redis
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError

from tests.integration.health.fleet import Fleet
from tests.integration.health.scene import Scene, endpoint

OTHERS = ("b", "c", "d")


def test_a_model_that_fails_twice_is_degraded_and_restored_after_two_successes(scene: Scene, fleet: Fleet) -> None:
    scene.add("a", *OTHERS)
    scene.updated(["a"], team="search")
    fleet.behave({"a": "hung"})
    first = scene.check()
    assert (first["changed"], first["failing"], scene.status("a")) == (False, 1, "ready")
    second = scene.check()
    assert (second["changed"], second["degraded"], second["healthy"]) == (True, ["a"], 3)
    assert second["failures"][0]["reason"] == "not_generating"
    assert second["diff"]["after"] == {"a": "degraded"}
    assert scene.registry.routed("a") is None
    remembered = scene.metadata("a")["health"]
    assert (remembered["degraded_by"], remembered["reason"]) == ("health", "not_generating")
    assert not scene.check()["changed"]
    fleet.behave({})
    assert scene.check()["restored"] == []
    assert scene.check()["restored"] == ["a"]
    assert scene.registry.routed("a") is not None
    assert scene.metadata("a") == {"team": "search"}
    assert scene.statuses() == dict.fromkeys(("a", *OTHERS), "ready")


def test_the_history_tells_of_both_changes_and_of_nothing_else(scene: Scene, fleet: Fleet) -> None:
    scene.add("a", *OTHERS)
    fleet.behave({"a": "error"})
    for _unused in range(2):
        scene.check(actor="watcher")
    fleet.behave({})
    for _unused in range(3):
        scene.check(actor="watcher")
    events = scene.registry.info(history=True, model_name="a")["history"]
    changed = [event for event in events if "status" in event["changed"] and event["operation"] == "update"]
    assert [event["after"]["status"] for event in changed] == ["ready", "degraded"]
    assert {(event["actor"], event["reason"]) for event in changed} == {("watcher", "health check")}
    others = scene.registry.info(history=True, model_name="b")["history"]
    assert [event["operation"] for event in others if event["operation"] != "insert"] == []


@pytest.mark.parametrize("status", ["disabled", "pending", "deploying", "failed"])
def test_what_belongs_to_others_is_not_even_asked(scene: Scene, fleet: Fleet, status: str) -> None:
    scene.add("a", status=status)
    before = scene.registry.versions()
    assert scene.check(due=False)["checked"] == 0
    assert fleet.counts() == {}
    assert scene.registry.versions() == before


def test_what_another_degraded_is_checked_and_stays_degraded(scene: Scene, fleet: Fleet) -> None:
    scene.add("a", status="degraded")
    for _unused in range(4):
        assert scene.check()["checked"] == 1
    assert scene.status("a") == "degraded"
    assert scene.age("a") is not None


def test_one_that_was_made_ready_by_a_person_begins_anew(scene: Scene, fleet: Fleet) -> None:
    scene.add("a", *OTHERS)
    fleet.behave({"a": "error"})
    scene.check()
    scene.check()
    scene.registry.entry(model_name="a", state="enabled")
    scene.check()
    assert scene.status("a") == "ready"
    assert scene.metadata("a")["health"]["failures"] == 1


@pytest.mark.parametrize(("probe", "kind"), [("token", "healthy"), ("text", "failing"), ("health", "healthy")])
def test_damaged_weights_show_by_their_text_alone(scene: Scene, fleet: Fleet, probe: str, kind: str) -> None:
    scene.add("a")
    fleet.behave({"a": "nan", "/health": "healthy"})
    assert scene.check(probe=probe)[kind] == 1


def test_what_is_the_checkers_fault_counts_neither_way(scene: Scene, fleet: Fleet) -> None:
    scene.add("a", "b", "c")
    fleet.behave({"b": "unauthorised"})
    del scene.endpoint_map[endpoint("a")]
    for _unused in range(3):
        result = scene.check()
        assert result["unchecked"]["reasons"] == {"unauthorised": 1, "unresolved": 1}
        assert (result["healthy"], result["failing"]) == (1, 0)
    assert set(scene.statuses().values()) == {"ready"}
    assert (scene.age("a"), scene.age("b")) == (None, None)
    # What could not be checked is due again at once.
    assert scene.check(due=False)["unchecked"]["count"] == 2


@pytest.mark.parametrize("models", [("a", "b", "c"), ("a", "b")])
def test_a_whole_environment_is_never_degraded_at_once(scene: Scene, fleet: Fleet, models: tuple[str, ...]) -> None:
    scene.add(*models)
    fleet.behave(dict.fromkeys(models[:2], "error"))
    for _unused in range(3):
        result = scene.check()
        assert result["cut_off"] == f"2 of {len(models)} ready models that were checked fail at once"
        assert "Nothing was degraded" in result["warnings"][-1]
    assert set(scene.statuses().values()) == {"ready"}
    # Nothing has been counted meanwhile.
    fleet.behave({"a": "error"})
    scene.check(quorum=1)
    assert scene.status("a") == "ready"


def test_nothing_is_degraded_while_the_control_endpoint_is_silent(scene: Scene, fleet: Fleet) -> None:
    scene.add("a", *OTHERS)
    fleet.behave({"a": "error"})
    for _unused in range(3):
        result = scene.check(control="http://127.0.0.1:1/healthz")
        assert result["cut_off"] == "the control endpoint does not answer: refused"
    assert scene.status("a") == "ready"
    for _unused in range(2):
        scene.check(control=f"http://{fleet.address}/health")
    assert scene.status("a") == "degraded"


def test_check_mode_asks_and_predicts_and_writes_nothing(scene: Scene, fleet: Fleet, valkey: redis.Redis) -> None:
    scene.add("a", *OTHERS)
    fleet.behave({"a": "error"})
    scene.check()
    scene.make_due()
    before, url = scene.registry.versions(), valkey.connection_pool.connection_kwargs
    valkey.set("model_registry:development:a", "x")
    fleet.counts()
    predicted = scene.check(check=True, due=False, redis_url=f"redis://127.0.0.1:{url['port']}/0")
    assert fleet.counts() == dict.fromkeys(("a", *OTHERS), 1)
    assert scene.registry.versions() == before
    assert valkey.get("model_registry:development:a") == b"x"
    done = scene.check(due=False)
    for name in ("changed", "degraded", "restored", "diff", "checked", "failures"):
        assert predicted[name] == done[name]


def test_the_routers_copy_of_what_changes_is_dropped(scene: Scene, fleet: Fleet, valkey: redis.Redis) -> None:
    url = f"redis://127.0.0.1:{valkey.connection_pool.connection_kwargs['port']}/0"
    scene.add("a", *OTHERS)

    def cache() -> None:
        for model in ("a", "b"):
            valkey.set(f"model_registry:development:{model}", "x")

    def cached() -> list[Any]:
        return [valkey.get(f"model_registry:development:{model}") for model in ("a", "b")]

    fleet.behave({"a": "error"})
    scene.check(redis_url=url)
    cache()
    result = scene.check(redis_url=url, cache_settle=0.2)
    assert cached() == [None, b"x"]
    assert result["timings"]["settle"] >= 0.2
    # A run that died between the commit and the cache is made up for by the next.
    cache()
    scene.check(redis_url=url)
    assert cached() == [None, b"x"]
    assert "could not be cleared" in scene.check(redis_url="redis://127.0.0.1:1/0")["warnings"][0]


def test_only_the_models_that_are_named_are_checked(scene: Scene, fleet: Fleet) -> None:
    scene.add("a", "b")
    result = scene.check(models=["a", "nobody"])
    assert (result["checked"], result["unchecked"]["not_due"]) == (1, 0)
    assert fleet.counts() == {"a": 1}


def test_what_was_checked_a_moment_ago_is_not_due(scene: Scene, fleet: Fleet) -> None:
    scene.add("a")
    scene.check()
    result = scene.check(due=False)
    assert (result["checked"], result["unchecked"]["not_due"]) == (0, 1)
    # A clock that was wrong does not keep it from being checked for ever.
    scene.registry.execute("UPDATE model_registry_entries SET last_health_check_at = now() + interval '1 day'")
    assert scene.check(due=False)["checked"] == 1


def test_metrics_tell_of_every_entry(scene: Scene, fleet: Fleet, tmp_path: Path) -> None:
    scene.add("a", "b", "c", "d")
    scene.add("e", status="disabled", last_health_check_at="2026-01-01")
    fleet.behave({"a": "error"})
    file = tmp_path / "development.prom"
    scene.check(metrics_file=str(file))
    scene.check(metrics_file=str(file), check=True)
    assert 'ai_aas_model_health_state{model="a",environment="development",state="ready"} 1.0' in file.read_text()
    scene.check(metrics_file=str(file))
    lines = file.read_text().splitlines()
    assert 'ai_aas_model_health_state{model="a",environment="development",state="degraded"} 1.0' in lines
    assert 'ai_aas_model_health_state{model="e",environment="development",state="disabled"} 1.0' in lines
    times = [line for line in lines if line.startswith("ai_aas_model_health_check_timestamp_seconds")]
    assert len(times) == 4
    assert all(abs(time.time() - float(line.split()[-1])) < 30 for line in times)
    result = scene.check(metrics_file=str(tmp_path / "nowhere" / "x.prom"))
    assert "could not be written" in result["warnings"][-1]


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"timeout": 0.01}, "Invalid timeout"),
        ({"timeout": float("nan")}, "Invalid timeout"),
        ({"timeout": 30.0, "interval": 10.0}, "Invalid timeout"),
        ({"failures": 0}, "Invalid failures"),
        ({"quorum": 1.5}, "Invalid quorum"),
        ({"endpoint_map": {"a": "b"}}, "Invalid endpoint_map"),
        ({"control": "ftp://x"}, "Invalid control"),
        ({"api_key": "sécret"}, "Invalid api_key"),
    ],
)
def test_senseless_options_are_refused(scene: Scene, given: dict[str, Any], rule: str) -> None:
    with pytest.raises(InferenceError, match=rule) as caught:
        scene.check(**given)
    assert "sécret" not in caught.value.message
