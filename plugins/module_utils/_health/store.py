# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry as health checks use it: short transactions, and after each of them the router's cache.

Nothing is held while models are checked, neither a transaction nor a session, so that pools can be shared.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._health import claims
from ansible_collections.ai_aas.inference.plugins.module_utils._health.judge import (
    CHECKED,
    NOTHING,
    SELF,
    Health,
    Rule,
    decide,
    health_from,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._health.metrics import Standing
from ansible_collections.ai_aas.inference.plugins.module_utils._health.outcome import Outcome
from ansible_collections.ai_aas.inference.plugins.module_utils._health.target import Claimed
from ansible_collections.ai_aas.inference.plugins.module_utils._registry import history, journal
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.change import Settings, invalidate
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import layout_of
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.plan import Plan
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import Judge, Timings, run

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

NO_METADATA = (
    "The table has no column metadata: failures and successes in a row are counted within one run alone, and an entry "
    "that another run has degraded is not restored."
)
NO_TIME = (
    "The table has no column last_health_check_at: the time of a check is not kept, and checkers that run at the same "
    "time check every entry each."
)


class Claims(NamedTuple):
    """The entries that were taken, how many are not due or are held by others, and what the table cannot keep."""

    entries: Sequence[Claimed]
    others: int = 0
    warnings: Sequence[str] = ()


class Checked(NamedTuple):
    """What came of one check in the registry. `plan` is there where the status changes, `left` says why nothing was
    written."""

    entry: Claimed
    outcome: Outcome
    status: str
    health: Health = NOTHING
    plan: Plan | None = None
    left: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether the entry is degraded, and by health."""
        return self.status == "degraded" and self.health.degraded_by == SELF


class Store:
    """One environment's entries.

    Args:
        settings: where they are, and on whose behalf they are changed.
        terms: which ones are taken.
        rule: how many checks in a row it takes.
        timings: learns how long connecting, reading, writing and the cache took.
    """

    def __init__(self, settings: Settings, terms: claims.Terms, rule: Rule, timings: Timings) -> None:
        self.settings = settings
        self.terms = terms
        self.rule = rule
        self.timings = timings
        # For what the table has no place for.
        self.memory: dict[str, Health] = {}

    def claim(self) -> Claims:
        """Take the entries that are due.

        Raises:
            InferenceError: the registry cannot be reached, or refuses.
        """

        def work(cursor: Cursor) -> Claims:
            with self.timings.step("claim"):
                layout = layout_of(cursor)
                entries = claims.claim(cursor, layout, self.terms, check=self.settings.check)
                others = claims.count(cursor, self.terms) - len(entries)
            lacks = {"metadata": NO_METADATA, claims.TIME: NO_TIME}
            return Claims(entries, others, [text for name, text in lacks.items() if name not in layout.fields])

        settings = self.settings
        judge = Judge(
            lambda made: any(each.claim for each in made.entries),
            lambda cursor, number, made: self.is_evident(cursor, number, made.entries),
        )
        return run(settings.database, work, self.timings, settings.access, settings.clock, judge)

    def write(self, results: Sequence[tuple[Claimed, Outcome]]) -> list[Checked]:
        """Write what came of some checks, in one transaction.

        Raises:
            InferenceError: the registry cannot be reached, or refuses; nothing was written.
        """

        def work(cursor: Cursor) -> list[Checked]:
            with self.timings.step("write"):
                return self.transact(cursor, results)

        settings = self.settings
        judge = Judge(bool, lambda cursor, number, made: self.is_evident(cursor, number, [each.entry for each in made]))
        made = run(settings.database, work, self.timings, settings.access, settings.clock, judge)
        for each in made:
            self.memory[each.entry.model_name] = each.health
        return made

    def transact(self, cursor: Cursor, results: Sequence[tuple[Claimed, Outcome]]) -> list[Checked]:
        """Lock, read, decide and write within the caller's transaction."""
        layout, check = layout_of(cursor), self.settings.check
        names = [entry.model_name for entry, _unused in results]
        current = claims.read(cursor, layout, self.terms.environment, names, lock=not check)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        kept = "metadata" in layout.fields
        made = [self.decided(entry, outcome, current.get(entry.model_name), kept, now) for entry, outcome in results]
        changes = [self.change_of(kept, each, current[each.entry.model_name]) for each in made if not each.left]
        if check or not changes:
            return made
        plans = [each.plan for each in made if each.plan]
        if plans or any(change.health for change in changes):
            journal.hand_over(cursor, layout, self.settings.provenance)
        claims.write(cursor, layout, self.terms.environment, changes)
        if plans:
            journal.record(cursor, layout, self.settings.provenance, plans)
        return made

    def decided(self, claimed: Claimed, outcome: Outcome, current: Entry | None, kept: bool, now: str) -> Checked:
        """What a check makes of an entry as it is now, which may be another than the one that was checked."""
        status = (current.status if current else None) or ""
        if current is None:
            return Checked(claimed, outcome, status, left="held")
        if status not in CHECKED or current.endpoint != claimed.endpoint:
            return Checked(claimed, outcome, status, left="changed")
        before = self.remembered(current, kept)
        decision = decide(status, before, outcome, self.rule, now)
        if decision.status == status:
            return Checked(claimed, outcome, status, decision.health)
        metadata = current.metadata
        if kept and can_hold(current):
            metadata = {name: value for name, value in (current.metadata or {}).items() if name != "health"}
            kept_health = decision.health.as_json()
            metadata |= {"health": kept_health} if kept_health else {}
        after = current._replace(status=decision.status, metadata=metadata)
        action = "degrade" if decision.status == "degraded" else "restore"
        return Checked(claimed, outcome, decision.status, decision.health, Plan(current, after, (action,)))

    def remembered(self, entry: Entry, kept: bool) -> Health:
        return health_from(entry.metadata) if kept and can_hold(entry) else self.memory.get(entry.model_name, NOTHING)

    def change_of(self, kept: bool, checked: Checked, current: Entry) -> claims.Change:
        """What is written of an entry; its metadata only where they change."""
        same = checked.health == self.remembered(current, kept)
        health = claims.stored(checked.health.as_json()) if kept and can_hold(current) and not same else None
        return claims.Change(checked.entry.model_name, current.status or "", checked.status, health)

    def release(self, entries: Sequence[Claimed]) -> None:
        """Give back what was taken and not checked, so that it is due again.

        Raises:
            InferenceError: the registry cannot be reached, or refuses.
        """
        if self.settings.check or not any(each.claim for each in entries):
            return

        def work(cursor: Cursor) -> None:
            claims.release(cursor, layout_of(cursor), self.terms.environment, entries)

        run(self.settings.database, work, self.timings, "write", self.settings.clock)

    def clear_cache(self, made: Sequence[Checked]) -> list[str]:
        """Drop the router's copies of what has changed, and of what an earlier run may have died before it dropped.

        Returns the warnings about a cache that could not be reached.
        """
        environment = self.terms.environment
        places = [(environment, each.entry.model_name) for each in made if each.plan or each.is_ours]
        withdrawn = [(environment, each.entry.model_name) for each in made if each.plan and each.plan.withdraws]
        if not self.settings.cache or not places:
            return []
        cleared = invalidate(self.settings.cache, self.settings, self.timings, places, withdrawn)
        return list(cleared["warnings"])

    def standings(self) -> list[Standing]:
        """Every entry of the environment as it is now.

        Raises:
            InferenceError: the registry cannot be reached, or refuses.
        """

        def work(cursor: Cursor) -> list[Standing]:
            return claims.standings(cursor, layout_of(cursor), self.terms.environment)

        return run(self.settings.database, work, self.timings, "read", self.settings.clock)

    def is_evident(self, cursor: Cursor, number: str, entries: Sequence[Claimed]) -> bool:
        """Whether the rows say that this transaction wrote them."""
        return history.wrote(cursor, number, self.terms.environment, [each.model_name for each in entries])


def can_hold(entry: Entry) -> bool:
    """Whether an entry's metadata can hold what is remembered of it: another tool may have stored what is no object."""
    return entry.metadata is None or isinstance(entry.metadata, Mapping)
