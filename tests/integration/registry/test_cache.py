# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The router's copy of an entry after a change, in a real Valkey."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
import redis
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry import cache as router_cache
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.change import Settings, apply
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.connection import Database
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Desired
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.provenance import Provenance
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import Clock

from tests.lab.process import free_ports

from .conftest import Registry
from .expectation import assert_same

KEY = "model_registry:development:demo"
NEW = "demo.system.svc.cluster.local:8000"


@pytest.fixture(autouse=True)
def routed(registry: Registry, valkey: redis.Redis) -> None:
    registry.add("ready")
    valkey.set(KEY, "old route")
    valkey.set("model_registry:staging:demo", "another")


def test_change_drops_the_key(registry: Registry, valkey: redis.Redis, valkey_url: str) -> None:
    result = registry.entry(state="disabled", redis_url=valkey_url)
    assert result["cache"] == "deleted"
    assert result["actions"] == ["disable", "cache_delete"]
    assert valkey.keys() == [b"model_registry:staging:demo"]
    assert result["timings"].keys() == {"connect", "read", "write", "commit", "cache"}


def test_check_mode_predicts_and_drops_nothing(registry: Registry, valkey: redis.Redis, valkey_url: str) -> None:
    predicted = registry.entry(check=True, state="disabled", redis_url=valkey_url)
    assert valkey.get(KEY) == b"old route"
    done = registry.entry(state="disabled", redis_url=valkey_url)
    assert (predicted["cache"], predicted["actions"]) == (done["cache"], done["actions"])


def test_without_a_change_the_key_is_dropped_too(registry: Registry, valkey: redis.Redis, valkey_url: str) -> None:
    """An earlier run may have died between its commit and the cache."""
    result = registry.entry(redis_url=valkey_url)
    assert (result["changed"], result["actions"], result["cache"]) == (False, [], "deleted")
    assert valkey.get(KEY) is None


def test_no_cache_given(registry: Registry) -> None:
    result = registry.entry(state="disabled")
    assert (result["cache"], result["actions"]) == ("none", ["disable"])


@pytest.mark.parametrize(
    ("desired", "waits"),
    [
        (Desired("demo", "development", "disabled"), 1),
        (Desired("demo", "development", status="deploying"), 1),
        (Desired("demo", "development", endpoint=NEW), 1),
        (Desired("demo", "development", metadata={"a": 1}), 0),
        (Desired("other", "development", endpoint=NEW), 0),
    ],
)
def test_route_that_comes_back_is_dropped_again(
    registry: Registry, valkey: redis.Redis, valkey_url: str, desired: Desired, waits: int
) -> None:
    """A router that read the old row before the commit writes it back while the module waits."""
    waited: list[float] = []

    def settle(seconds: float) -> None:
        waited.append(seconds)
        assert valkey.get(KEY) is None
        valkey.set(KEY, "old route again")

    database = Database({"dsn": registry.url}, "lab")
    cache = router_cache.cache_from(valkey_url, 5)
    result = apply(desired, Settings(database, Provenance("test", "", ""), cache, clock=Clock(sleep=settle)))
    assert result["cache"] == "deleted"
    assert waited == [0.5] * waits
    assert not waits or valkey.get(KEY) is None


def test_unreachable_cache_leaves_the_change_and_warns(registry: Registry) -> None:
    port = free_ports(["nobody"])["nobody"]
    asked: dict[str, Any] = {"state": "disabled", "redis_url": f"redis://:s3cret@127.0.0.1:{port}/0"}
    predicted = registry.entry(**asked, check=True)
    assert registry.routed()
    result = registry.entry(**asked)
    assert_same(predicted, result)
    assert registry.routed() is None
    assert (result["cache"], result["actions"]) == ("stale", ["disable"])
    (warning,) = result["warnings"]
    assert f"the router's cache at 127.0.0.1:{port}/0 could not be cleared (Connection refused)" in warning
    assert "up to 2 minutes" in warning
    assert "s3cret" not in warning


def test_user_of_the_cache(registry: Registry, valkey: redis.Redis, valkey_url: str) -> None:
    password = "p@ss:w/rd%41?#"
    valkey.acl_setuser(
        "registrar", enabled=True, passwords=[f"+{password}"], keys=["model_registry:*"], commands=["+del", "+select"]
    )
    host = valkey_url.removeprefix("redis://")
    result = registry.entry(state="disabled", redis_url=f"redis://registrar:{quote(password, safe='')}@{host}")
    assert (result["cache"], valkey.get(KEY)) == ("deleted", None)
    result = registry.entry(state="enabled", redis_url=f"redis://registrar:wrong@{host}")
    assert result["cache"] == "stale"
    assert "(AUTH was refused: WRONGPASS)" in result["warnings"][0]


def test_numbered_database(registry: Registry, valkey_url: str) -> None:
    url = f"{valkey_url.removesuffix('/0')}/3"
    with redis.Redis.from_url(url) as client:
        client.set(KEY, "old route")
        assert registry.entry(state="disabled", redis_url=url)["cache"] == "deleted"
        assert client.get(KEY) is None


@pytest.mark.parametrize("url", ["127.0.0.1:6379", "http://127.0.0.1", "redis://:s3cret@/0", "redis://h:s3cret/0"])
def test_malformed_address_stops_before_the_change(registry: Registry, url: str) -> None:
    before: Any = registry.versions()
    with pytest.raises(InferenceError, match="Invalid redis_url") as caught:
        registry.entry(state="disabled", redis_url=url)
    assert "s3cret" not in caught.value.message
    assert registry.versions() == before
