# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several writers at once: no duplicate, no lost update, no error."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .conftest import Registry

WRITERS = 8
ENVIRONMENTS = ("development", "staging", "production")


def endpoint(number: int) -> str:
    return f"demo-{number}.system.svc.cluster.local:8000"


def test_one_entry(registry: Registry) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        results = list(pool.map(lambda number: registry.entry(endpoint=endpoint(number)), range(3 * WRITERS)))
    assert registry.count() == 1
    # Each writer found what another one had left: they form one chain from nothing to what is there now.
    following: dict[str | None, dict[str, Any]] = {
        (result["previous"] or {}).get("endpoint"): result["entry"] for result in results
    }
    assert len(following) == len(results)
    last: str | None = None
    for _unused in results:
        last = following[last]["endpoint"]
    assert registry.routed() == (last, "system")


def test_one_name_in_every_environment(registry: Registry) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        made = list(
            pool.map(lambda place: registry.entry(environment=place, endpoint=endpoint(1)), ENVIRONMENTS * WRITERS)
        )
    assert registry.count() == 3
    assert sum(result["changed"] for result in made) == 3
    assert {result["entry"]["revision"] for result in made} == {1, 2, 3}


def test_other_writers_in_between(registry: Registry) -> None:
    """A tool that takes no lock of ours updates the same row; either order is right, losing one is not."""
    registry.entry(endpoint=endpoint(0))

    def other(number: int) -> None:
        registry.execute("UPDATE model_registry_entries SET cost_per_1k_tokens = cost_per_1k_tokens + 1")

    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(2 * WRITERS):
            pool.submit(other, number)
            pool.submit(registry.entry, metadata={str(number): number})
    (entry,) = registry.info()["entries"]
    assert entry["cost_per_1k_tokens"] == 2 * WRITERS
    assert entry["metadata"] == {str(number): number for number in range(2 * WRITERS)}


def test_schema_is_made_once(scratch: Registry) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        results = list(pool.map(lambda _unused: scratch.schema(), range(WRITERS)))
    assert sum(result["changed"] for result in results) == 1
