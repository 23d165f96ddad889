# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes one entry: one transaction, and then the router's cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._registry import connection, table
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Desired, Entry, desired_from
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.plan import Plan, needs_entry, plan

if TYPE_CHECKING:
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry.cache import Cache
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

NEAREST = 5


class Settings(NamedTuple):
    """Where to change an entry, and how."""

    database: connection.Database
    cache: Cache | None
    cache_settle: float = 0.5
    check: bool = False
    sleep: Callable[[float], None] = time.sleep


def change_entry(params: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """Bring one entry to the state that a module's parameters ask for, and return the module's result.

    Raises:
        InferenceError: a value breaks a rule, or the registry refuses; nothing was changed.
    """
    desired = desired_from(params)
    cache = _cache_from(params["redis_url"], params["connect_timeout"])
    settings = Settings(connection.database_from(params), cache, params["cache_settle"], check)
    return apply(desired, settings)


def _cache_from(url: str | None, timeout: float) -> Cache | None:
    # Modules are compiled anew in every task, so what is not used is not imported.
    if not url:
        return None
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry.cache import cache_from

    return cache_from(url, timeout)


def apply(desired: Desired, settings: Settings) -> dict[str, Any]:
    """Plan and make the change, then drop the router's copy of the entry."""
    timings = connection.Timings()

    def work(cursor: Cursor) -> tuple[Plan, Entry | None]:
        return transact(cursor, desired, timings, check=settings.check)

    decided, entry = connection.run(settings.database, work, timings, read_only=settings.check)
    result: dict[str, Any] = {
        "changed": decided.changed,
        "entry": entry.as_dict() if entry else None,
        "previous": decided.before.as_dict() if decided.before else None,
        "actions": list(decided.actions),
        "diff": decided.diff(),
        "kept_disabled": decided.kept_disabled,
        "cache": "none",
        "warnings": [],
    }
    if settings.cache and decided.changed:
        with timings.step("cache"):
            result |= invalidate(settings.cache, desired, settings, again=decided.withdraws)
        result["actions"] += ["cache_delete"] if result["cache"] == "deleted" else []
    return {**result, "timings": timings.seconds}


def transact(
    cursor: Cursor, desired: Desired, timings: connection.Timings, *, check: bool
) -> tuple[Plan, Entry | None]:
    """Lock, read, plan and write within the caller's transaction. Returns the plan and the entry that results."""
    with timings.step("read"):
        if not check:
            table.lock_name(cursor, desired.model_name)
        layout = table.layout_of(cursor, table.asked_columns(desired))
        current = table.read_entry(cursor, layout, desired.model_name, desired.environment, lock=not check)
        defaults, known = {}, []
        if current is None and needs_entry(desired):
            known = nearest(desired, table.known_entries(cursor))
        elif current is None and desired.state != "absent":
            defaults = table.insert_defaults(cursor, layout, desired)
    decided = plan(current, desired, defaults, known)
    if check or not decided.changed or decided.after is None:
        return decided, decided.after
    with timings.step("write"):
        if decided.before is None:
            return decided, table.insert(cursor, layout, decided.after)
        return decided, table.update(cursor, layout, decided.after, decided.fields)


def invalidate(cache: Cache, desired: Desired, settings: Settings, *, again: bool) -> dict[str, Any]:
    """Drop the router's copy of an entry.

    Args:
        cache: where it is.
        desired: which entry.
        settings: in check mode nothing is dropped; `sleep` waits before the second time.
        again: drop it once more after a moment, since a router that had read the old row just before the
            commit may have put it back.
    """
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry import cache as router_cache

    if settings.check:
        return {"cache": "deleted"}
    key = router_cache.key_of(desired.environment, desired.model_name)
    try:
        router_cache.delete(cache, key)
        if again and settings.cache_settle > 0:
            settings.sleep(settings.cache_settle)
            router_cache.delete(cache, key)
    except router_cache.CacheError as error:
        warning = (
            f"The registry is changed, but the router's cache at {cache.target} could not be cleared ({error}). "
            f"Routers may use the old route for up to {router_cache.TTL_MINUTES} minutes."
        )
        return {"cache": "stale", "warnings": [warning]}
    return {"cache": "deleted"}


def nearest(desired: Desired, known: list[tuple[str, str]]) -> list[str]:
    """Descriptions of the entries whose names are nearest to the one that is not there."""
    from difflib import get_close_matches

    names = list(dict.fromkeys(name for name, _unused in known))
    close = get_close_matches(desired.model_name, names, n=NEAREST, cutoff=0.6)
    return [f"'{name}' in {environment}" for match in close for name, environment in known if name == match][:NEAREST]
