# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes one entry: one transaction, and then the router's cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._registry import journal, table
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.connection import Database, database_from
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import shown
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Desired, Entry, desired_from
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import Layout, layout_of
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.plan import (
    Plan,
    kept_instead,
    needs_entry,
    plan,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.provenance import Provenance, provenance_from
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import (
    Access,
    Clock,
    Judge,
    Timings,
    run,
)

if TYPE_CHECKING:
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry.cache import Cache
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

NEAREST = 5


class Settings(NamedTuple):
    """Where to change entries, how, and on whose behalf."""

    database: Database
    provenance: Provenance
    cache: Cache | None = None
    cache_settle: float = 0.5
    check: bool = False
    clock: Clock = Clock()

    @property
    def access(self) -> Access:
        """What a transaction may do."""
        return "check" if self.check else "write"


class Outcome(NamedTuple):
    """What a transaction came to."""

    plan: Plan
    entry: Entry | None
    history: str


def settings_from(params: Mapping[str, Any], *, check: bool) -> Settings:
    """Read what the modules that change entries have in common.

    Raises:
        InferenceError: an address cannot be read, or a text cannot be stored.
    """
    return Settings(
        database_from(params),
        provenance_from(params),
        _cache_from(params["redis_url"], params["connect_timeout"]),
        params["cache_settle"],
        check,
    )


def change_entry(params: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """Bring one entry to the state that a module's parameters ask for, and return the module's result.

    Raises:
        InferenceError: a value breaks a rule, or the registry refuses; nothing was changed.
    """
    desired = desired_from(params)
    return apply(desired, settings_from(params, check=check))


def _cache_from(url: str | None, timeout: float) -> Cache | None:
    # Modules are compiled anew in every task, so what is not used is not imported.
    if not url:
        return None
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry.cache import cache_from

    return cache_from(url, timeout)


def apply(desired: Desired, settings: Settings) -> dict[str, Any]:
    """Plan and make the change, then drop the router's copy of the entry."""
    timings = Timings()

    def work(cursor: Cursor) -> Outcome:
        return transact(cursor, desired, settings, timings)

    judge = judge_of(desired)
    decided, entry, history = run(settings.database, work, timings, settings.access, settings.clock, judge)
    result: dict[str, Any] = {
        "changed": decided.changed,
        "entry": entry.as_dict() if entry else None,
        "previous": decided.before.as_dict() if decided.before else None,
        "actions": list(decided.actions),
        "diff": decided.diff(),
        "kept_disabled": decided.kept_disabled,
        "referenced_by": list(decided.referenced_by),
        "history": history if decided.changed else "none",
        "cache": "none",
        "warnings": [kept_instead(desired, decided.referenced_by)] if decided.referenced_by else [],
    }
    if settings.cache:
        places = [(desired.environment, desired.model_name)]
        cleared = invalidate(settings.cache, settings, timings, places, places if decided.withdraws else ())
        result["warnings"] += cleared["warnings"]
        result["cache"] = cleared["cache"]
        result["actions"] += ["cache_delete"] if decided.changed and result["cache"] == "deleted" else []
    return {**result, "timings": timings.seconds}


def judge_of(desired: Desired) -> Judge:
    """How to tell whether a change of one entry took place."""

    def evident(cursor: Cursor, number: str, _outcome: Outcome) -> bool:
        from ansible_collections.ai_aas.inference.plugins.module_utils._registry import history

        return history.wrote(cursor, number, desired.environment, [desired.model_name])

    return Judge(lambda outcome: outcome.plan.changed, evident)


def transact(cursor: Cursor, desired: Desired, settings: Settings, timings: Timings) -> Outcome:
    """Lock, read, plan and write within the caller's transaction."""
    with timings.step("read"):
        if not settings.check:
            table.lock_name(cursor, desired.model_name)
        layout = layout_of(cursor, table.asked_columns(desired))
        decided = decide(cursor, layout, desired, lock=not settings.check)
    history = journal.outcome(layout)
    if settings.check or not decided.changed:
        return Outcome(decided, decided.after, history)
    with timings.step("write"):
        journal.hand_over(cursor, layout, settings.provenance)
        entry = write(cursor, layout, decided)
        # As the database has it: it may have rounded a number or filled a value.
        journal.record(cursor, layout, settings.provenance, [decided._replace(after=entry)])
    return Outcome(decided, entry, history)


def decide(cursor: Cursor, layout: Layout, desired: Desired, *, lock: bool) -> Plan:
    """Read what the plan depends on, and plan."""
    current = table.read_entry(cursor, layout, desired.model_name, desired.environment, lock=lock)
    if current is not None:
        decided = plan(current, desired, referring=_referring(cursor, desired))
    elif needs_entry(desired):
        return plan(None, desired, known=nearest(desired, table.known_entries(cursor)))
    else:
        defaults = {} if desired.state == "absent" else table.insert_defaults(cursor, layout, desired)
        decided = plan(None, desired, defaults)
    if decided.before is None or {"revision", "organization_id"} & set(decided.fields):
        from ansible_collections.ai_aas.inference.plugins.module_utils._registry import conflicts

        conflicts.check(cursor, layout, [decided])
    return decided


def _referring(cursor: Cursor, desired: Desired) -> Sequence[str]:
    if not desired.purge:
        return ()
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry.references import referring

    return referring(cursor, desired.environment, [desired.model_name]).get(desired.model_name, ())


def write(cursor: Cursor, layout: Layout, decided: Plan) -> Entry | None:
    """Make a change, and return the entry that results with what the database made."""
    if decided.after is None:
        if decided.before is not None:
            table.delete(cursor, decided.before)
        return None
    if decided.before is None:
        return table.insert(cursor, layout, decided.after)
    return table.update(cursor, layout, decided.after, decided.fields)


def invalidate(
    cache: Cache,
    settings: Settings,
    timings: Timings,
    places: Sequence[tuple[str, str]],
    withdrawn: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """Drop the router's copies of entries, also where nothing changed: an earlier run may have died before it could.

    Args:
        cache: where it is.
        settings: in check mode the cache is reached and nothing is dropped; its clock waits before the second time.
        timings: learns how long it took, apart from the time that was waited.
        places: environment and name of each entry.
        withdrawn: those whose route was taken away. They are dropped once more after a moment, since a router that
            had read the old row just before the commit may have put it back.
    """
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry import cache as router_cache

    try:
        with timings.step("cache"):
            router_cache.drop(cache, () if settings.check else places)
        if withdrawn and settings.cache_settle > 0 and not settings.check:
            _drop_again(cache, settings, timings, withdrawn)
    except router_cache.CacheError as error:
        return {"cache": "stale", "warnings": [router_cache.stale(cache, error)]}
    return {"cache": "deleted", "warnings": []}


def _drop_again(cache: Cache, settings: Settings, timings: Timings, withdrawn: Sequence[tuple[str, str]]) -> None:
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry import cache as router_cache

    with timings.step("settle"):
        settings.clock.sleep(settings.cache_settle)
    with timings.step("cache"):
        router_cache.drop(cache, withdrawn)


def nearest(desired: Desired, known: list[tuple[str, str]]) -> list[str]:
    """Descriptions of the entries whose names are nearest to the one that is not there."""
    from difflib import get_close_matches

    names = list(dict.fromkeys(name for name, _unused in known))
    close = get_close_matches(desired.model_name, names, n=NEAREST, cutoff=0.6)
    found = [(name, environment) for match in close for name, environment in known if name == match]
    return [f"'{shown(name)}' in {environment}" for name, environment in found[:NEAREST]]
