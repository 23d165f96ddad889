# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's router, held between its reading of the registry and its filling of the cache."""

from __future__ import annotations

import contextlib
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest
import requests
from ansible_collections.ai_aas.inference.plugins.module_utils._registry import cache as router_cache
from ansible_collections.ai_aas.inference.plugins.module_utils._registry import ddl
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.change import Settings, apply
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.connection import Database
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Desired
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import inspect
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.provenance import Provenance
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import Clock

from tests.integration.conftest import SharedLab
from tests.lab.process import wait_until

PATIENCE = 20.0
DENIED_WITHIN = 2.0


class Router:
    """The lab's router, its registry and its cache, as a client and as a test."""

    def __init__(self, lab: SharedLab) -> None:
        self.url = lab.env["ROUTER_URL"]
        self.root = self.url.removesuffix("/development")
        self.database = Database({"dsn": lab.env["DATABASE_URL"]}, "lab")
        self.cache = router_cache.cache_from(lab.env["REDIS_URL"], 5.0)
        self.model = f"race-{uuid.uuid4().hex[:8]}"

    def status(self) -> int:
        """404 is a denial; a route that is followed leads to a Service that is not there, which is a 502."""
        body = {"model": self.model, "prompt": "hi", "max_tokens": 1}
        return requests.post(f"{self.url}/v1/completions", json=body, timeout=PATIENCE).status_code

    def test_only(self, verb: str) -> None:
        requests.post(f"{self.root}/_lab/{verb}", timeout=PATIENCE).raise_for_status()

    def waits(self) -> str | None:
        waiting = requests.get(f"{self.root}/_lab/hold", timeout=PATIENCE).json()["waiting"]
        return None if waiting else "no request is held"

    def apply(self, clock: Clock, settle: float = 0.5, **wish: Any) -> dict[str, Any]:
        settings = Settings(self.database, Provenance("test", "", ""), self.cache, settle, clock=clock)
        return apply(Desired(self.model, "development", **wish), settings)


@pytest.fixture
def router(lab: SharedLab) -> Router:
    own = Router(lab)
    with contextlib.closing(psycopg2.connect(lab.env["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        if inspect(cursor) is None:
            ddl.run(cursor, None, ddl.CREATE)
            connection.commit()
    own.apply(Clock(), endpoint="nobody.nowhere.svc.cluster.local:8000")
    return own


@pytest.mark.parametrize("wish", [{"state": "disabled"}, {"status": "deploying"}, {"state": "absent", "purge": True}])
def test_denied_soon_although_the_router_had_read_the_old_row(router: Router, wish: dict[str, Any]) -> None:
    released: list[float] = []

    with ThreadPoolExecutor(1) as pool:
        router.test_only("hold")
        try:
            held: Future[int] = pool.submit(router.status)
            wait_until("the router to have read the row", router.waits, [], PATIENCE)

            def settle(_seconds: float) -> None:
                # Committed, and the key was deleted once. Now the router puts the old route back.
                released.append(time.monotonic())
                router.test_only("release")
                assert held.result(PATIENCE) == 502
                assert router.status() == 502, "the old route is in the cache again, or this test proves nothing"

            router.apply(Clock(sleep=settle), **wish)
        finally:
            router.test_only("release")
    assert released
    assert router.status() == 404
    assert time.monotonic() - released[0] < DENIED_WITHIN


def test_one_delete_would_not_be_enough(router: Router) -> None:
    with ThreadPoolExecutor(1) as pool:
        router.test_only("hold")
        try:
            held = pool.submit(router.status)
            wait_until("the router to have read the row", router.waits, [], PATIENCE)
            router.apply(Clock(), settle=0, state="disabled")
        finally:
            router.test_only("release")
        assert held.result(PATIENCE) == 502
    assert router.status() == 502
    router.apply(Clock(), state="disabled")
    assert router.status() == 404
