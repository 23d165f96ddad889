# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sweep is not alone: other checkers, people and tools change entries while it is under way."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest

from tests.integration.health.fleet import Fleet
from tests.integration.health.scene import Scene, endpoint

PATIENCE = 20.0


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def once_asked(fleet: Fleet, count: int) -> None:
    """Wait until so many completions were asked for."""
    asked, deadline = 0, time.monotonic() + PATIENCE
    while asked < count:
        assert time.monotonic() < deadline, "the models were not asked"
        asked += sum(fleet.counts().values())
        time.sleep(0.01)


def meanwhile(
    scene: Scene, fleet: Fleet, pool: ThreadPoolExecutor, action: Callable[[], object], **given: Any
) -> dict[str, Any]:
    """The result of a sweep in whose middle something happens: `a` has been asked, and hangs."""
    scene.make_due()
    fleet.counts()
    sweep: Future[dict[str, Any]] = pool.submit(scene.check, due=False, **given)
    once_asked(fleet, len(scene.statuses()))
    action()
    return sweep.result(PATIENCE)


def about_to_degrade(scene: Scene, fleet: Fleet) -> None:
    scene.add("a", "b", "c", "d")
    fleet.behave({"a": "hung"})
    scene.check()


def test_two_checkers_at_once_ask_each_model_once(scene: Scene, fleet: Fleet, pool: ThreadPoolExecutor) -> None:
    models = scene.add_many(200)
    fleet.behave({models[0]: "hung"})
    sweeps = [pool.submit(scene.check, due=False) for _unused in range(4)]
    results = [sweep.result(PATIENCE) for sweep in sweeps]
    assert fleet.counts() == dict.fromkeys(models, 1)
    assert sum(result["checked"] for result in results) == 200
    assert scene.metadata(models[0])["health"]["failures"] == 1
    # What one of them has claimed is not due for the others.
    assert all(result["checked"] + result["unchecked"]["not_due"] == 200 for result in results)


def test_what_a_person_disables_in_the_middle_stays_as_they_left_it(
    scene: Scene, fleet: Fleet, pool: ThreadPoolExecutor
) -> None:
    about_to_degrade(scene, fleet)
    result = meanwhile(scene, fleet, pool, lambda: scene.registry.entry(model_name="a", state="disabled"))
    assert (result["degraded"], result["unchecked"]["reasons"]) == ([], {"changed": 1})
    assert scene.status("a") == "disabled"


def test_what_a_person_disables_in_the_middle_is_not_restored(
    scene: Scene, fleet: Fleet, pool: ThreadPoolExecutor
) -> None:
    about_to_degrade(scene, fleet)
    scene.check()
    assert scene.status("a") == "degraded"
    fleet.behave({"b": "hung"})
    scene.check()

    def disable() -> None:
        scene.registry.entry(model_name="a", state="disabled")

    with contextlib.closing(psycopg2.connect(scene.registry.url)) as holder, holder.cursor() as cursor:
        # Whoever disables it holds it already.
        cursor.execute("SELECT 1 FROM model_registry_entries WHERE model_name = 'a' FOR UPDATE")
        scene.registry.execute(
            "UPDATE model_registry_entries SET last_health_check_at = now() - interval '1 hour' WHERE model_name <> 'a'"
        )
        result = scene.check(due=False)
        assert (result["restored"], result["unchecked"]["not_due"]) == ([], 1)
        cursor.execute("UPDATE model_registry_entries SET deployment_status = 'disabled' WHERE model_name = 'a'")
        holder.commit()
    for _unused in range(3):
        scene.check()
    assert scene.status("a") == "disabled"


def test_a_result_of_an_endpoint_that_has_moved_counts_for_nothing(
    scene: Scene, fleet: Fleet, pool: ThreadPoolExecutor
) -> None:
    about_to_degrade(scene, fleet)
    elsewhere = endpoint("elsewhere")
    scene.endpoint_map[elsewhere] = scene.address
    result = meanwhile(scene, fleet, pool, lambda: scene.registry.entry(model_name="a", endpoint=elsewhere))
    assert result["unchecked"]["reasons"] == {"changed": 1}
    assert scene.status("a") == "ready"


def test_an_entry_that_another_session_holds_delays_nobody(
    scene: Scene, fleet: Fleet, pool: ThreadPoolExecutor
) -> None:
    about_to_degrade(scene, fleet)
    with contextlib.closing(psycopg2.connect(scene.registry.url)) as holder, holder.cursor() as cursor:

        def hold() -> None:
            cursor.execute("SELECT 1 FROM model_registry_entries WHERE model_name = 'a' FOR UPDATE")

        result = meanwhile(scene, fleet, pool, hold)
    assert (result["healthy"], result["unchecked"]["reasons"]) == (3, {"held": 1})


def test_usage_that_is_recorded_meanwhile_hinders_nothing(scene: Scene, fleet: Fleet) -> None:
    """As the foreign key of usage_events does with each request that is served."""
    scene.add("a")
    with contextlib.closing(psycopg2.connect(scene.registry.url)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT 1 FROM model_registry_entries FOR KEY SHARE")
        assert scene.check(due=False)["checked"] == 1


def test_metadata_that_another_tool_writes_meanwhile_is_kept(
    scene: Scene, fleet: Fleet, pool: ThreadPoolExecutor
) -> None:
    about_to_degrade(scene, fleet)
    result = meanwhile(scene, fleet, pool, lambda: scene.updated(["a", "b"], owner="me"))
    assert result["degraded"] == ["a"]
    assert scene.metadata("a").keys() == {"owner", "health"}
    assert scene.metadata("b") == {"owner": "me"}


def test_what_a_checker_took_and_never_reported_is_due_again_after_its_lease(scene: Scene, fleet: Fleet) -> None:
    from ansible_collections.ai_aas.inference.plugins.module_utils._health.health import Checker

    scene.add("a")
    killed = Checker(scene.params(interval=60.0), set(), lambda _line: None, check=False)
    assert len(killed.store.claim().entries) == 1
    assert scene.check(due=False, interval=60.0)["checked"] == 0
    lease = killed.store.terms.lease
    scene.registry.execute(
        "UPDATE model_registry_entries SET last_health_check_at = last_health_check_at - make_interval(secs => %s)",
        lease,
    )
    assert scene.check(due=False, interval=60.0)["checked"] == 1


def test_those_that_generate_are_written_while_others_hang(
    scene: Scene, fleet: Fleet, pool: ThreadPoolExecutor
) -> None:
    models = scene.add_many(1000)
    fleet.behave(dict.fromkeys(models[::20], "hung"))
    begin = time.monotonic()
    sweep = pool.submit(scene.check, due=False, timeout=5.0, interval=60.0)
    written = 0
    while not sweep.done() and written < 950:
        statement = "SELECT count(*) FROM model_registry_entries WHERE last_health_check_at > now() - interval '10 s'"
        written = scene.registry.execute(statement)[0][0]
        time.sleep(0.05)
    early = time.monotonic() - begin
    result = sweep.result(PATIENCE)
    assert (written, result["healthy"], result["failing"]) == (950, 950, 50)
    assert early < 5.0
    assert time.monotonic() - begin < 10.0
