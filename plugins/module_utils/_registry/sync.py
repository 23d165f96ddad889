# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the entries of one environment to a declared set: one transaction, and then the router's cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry import bulk, conflicts, history, journal, table
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.change import (
    Settings,
    invalidate,
    settings_from,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.declaration import (
    Declaration,
    declaration_from,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import shown
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Desired, Entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import Layout, layout_of
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.plan import (
    Plan,
    kept_instead,
    needs_entry,
    plan,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.references import referring
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import Judge, Timings, run

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

BATCH = 1000
NAMED = 5
COUNTED = ("insert", "update", "disable", "delete", "unchanged", "kept_disabled")


def sync_entries(params: Mapping[str, Any], *, check: bool, diff: bool) -> dict[str, Any]:
    """Bring an environment to what a module's parameters declare, and return the module's result.

    Raises:
        InferenceError: an entry breaks a rule, too many would be removed, or the registry refuses; nothing was changed.
    """
    settings = settings_from(params, check=check)
    timings = Timings()
    declared = declaration_from(params)
    environment = params["environment"]

    def work(cursor: Cursor) -> Sync:
        sync = Sync(cursor, environment, settings, keeps_diff=diff)
        with timings.step("sync"):
            sync.bring_to(declared)
            sync.prune(params["prune"], params["max_removals"])
        return sync

    sync = run(settings.database, work, timings, settings.access, settings.clock, JUDGE)
    result = sync.result()
    if settings.cache and sync.names:
        places = [(environment, name) for name in sorted(sync.names)]
        cleared = invalidate(settings.cache, settings, timings, places, sync.withdrawn)
        result["cache"] = cleared["cache"]
        result["warnings"] += cleared["warnings"]
    return {**result, "timings": timings.seconds}


class Sync:
    """What one transaction does, and what has come of it so far."""

    def __init__(self, cursor: Cursor, environment: str, settings: Settings, *, keeps_diff: bool) -> None:
        self.cursor = cursor
        self.environment = environment
        self.settings = settings
        self.keeps_diff = keeps_diff
        self.before: dict[str, Any] = {}
        self.after: dict[str, Any] = {}
        self.actions: list[str] = []
        self.counts = dict.fromkeys(COUNTED, 0)
        self.withdrawn: list[tuple[str, str]] = []
        self.warnings: list[str] = []
        self.names: set[str] = set()
        if not settings.check:
            table.lock_all(cursor)
        self.layout: Layout = layout_of(cursor)
        self.defaults = table.column_defaults(cursor, self.layout)
        if not settings.check:
            journal.hand_over(cursor, self.layout, settings.provenance)

    def bring_to(self, declared: Declaration) -> None:
        """Insert and update what is declared."""
        for some in batches(declared(), BATCH):
            names = [desired.model_name for desired in some]
            self.names.update(names)
            self.check_columns(some)
            current = bulk.read_many(self.cursor, self.layout, self.environment, names, lock=not self.settings.check)
            self.make(self.plans(some, current))

    def check_columns(self, some: Sequence[Desired]) -> None:
        """Refuse values that the table has no column for."""
        asked = {name for desired in some for name in table.asked_columns(desired)}
        if asked - set(self.layout.fields):
            layout_of(self.cursor, sorted(asked))

    def plans(self, some: Sequence[Desired], current: Mapping[str, Entry]) -> Iterator[Plan]:
        new = [desired.model_name for desired in some if desired.model_name not in current]
        highest = bulk.highest_revisions(self.cursor, self.layout, new) if new else {}
        for desired in some:
            entry = current.get(desired.model_name)
            # One that must be there and is not gets none: the plan says so.
            known = entry is not None or needs_entry(desired)
            yield plan(entry, desired, None if known else self.defaults_of(desired, highest))

    def defaults_of(self, desired: Desired, highest: Mapping[tuple[str, str | None], int]) -> dict[str, Any]:
        """The values of a new entry that are not declared. Revisions count on from the highest of its organisation."""
        if "revision" not in self.layout.fields or desired.revision is not None:
            return self.defaults
        organization = desired.organization_id or self.defaults.get("organization_id")
        name = desired.model_name
        return {**self.defaults, "revision": table.following(name, highest.get((name, organization), 0))}

    def prune(self, how: str, limit: int) -> None:
        """Disable or delete what is not declared."""
        if how == "none":
            return
        others = [pair for pair in bulk.names_in(self.cursor, self.environment) if pair[0] not in self.names]
        # An earlier run may have died before it could clear the cache of what it removed.
        self.names.update(name for name, _unused in others)
        self.names.update(history.lately_deleted(self.cursor, self.layout, self.environment))
        extra = [name for name, status in others if how == "delete" or status != "disabled"]
        held = referring(self.cursor, self.environment, extra) if how == "delete" and extra else {}
        current = bulk.read_many(self.cursor, self.layout, self.environment, extra, lock=not self.settings.check)
        wish = Desired("", self.environment, "absent", purge=how == "delete")
        plans = [plan(current[name], wish._replace(model_name=name), referring=held.get(name, ())) for name in current]
        removals = [removal for removal in plans if removal.changed]
        if len(removals) > limit:
            raise too_many(self.environment, removals, limit)
        self.warnings += [kept_instead(wish._replace(model_name=name), tables) for name, tables in held.items()]
        for some in batches(removals, BATCH):
            self.make(some)

    def make(self, plans: Iterable[Plan]) -> None:
        """Note what is planned, and make it unless nothing may be changed."""
        changes: list[Plan] = []
        for decided in plans:
            self.count(decided)
            if decided.changed:
                changes.append(decided)
        conflicts.check(self.cursor, self.layout, changes)
        for change in changes:
            self.note(change)
        if changes and not self.settings.check:
            bulk.write_many(self.cursor, self.layout, self.environment, changes)
            journal.record(self.cursor, self.layout, self.settings.provenance, changes)
            if self.layout.journal == "create":
                self.layout = self.layout._replace(journal="module")

    def count(self, decided: Plan) -> None:
        self.counts["kept_disabled"] += decided.kept_disabled
        self.counts[kind_of(decided)] += 1

    def note(self, change: Plan) -> None:
        key = change.after or change.before
        name = key.model_name if key else ""
        self.names.add(name)
        self.withdrawn += [(self.environment, name)] if change.withdraws else []
        self.actions.append(f"{kind_of(change)} {name}")
        if self.keeps_diff:
            self.before |= {name: change.before.declared()} if change.before else {}
            self.after |= {name: change.after.declared()} if change.after else {}

    def result(self) -> dict[str, Any]:
        header = f"entries of {self.environment}"
        return {
            "changed": bool(self.actions),
            "counts": self.counts,
            "actions": self.actions,
            "diff": {
                "before": self.before,
                "after": self.after,
                "before_header": header,
                "after_header": header,
            },
            "history": journal.outcome(self.layout) if self.actions else "none",
            "cache": "none",
            "warnings": self.warnings,
        }


def is_evident(cursor: Cursor, number: str, sync: Sync) -> bool:
    """Whether the rows of a transaction are there."""
    return history.wrote(cursor, number, sync.environment, sorted(sync.names))


JUDGE = Judge(lambda sync: bool(sync.actions), is_evident)


def kind_of(decided: Plan) -> str:
    """What becomes of an entry, in one word."""
    if not decided.changed:
        return "unchanged"
    if decided.actions == ("disable",):
        return "disable"
    return decided.actions[0] if decided.actions[0] in ("insert", "delete") else "update"


def too_many(environment: str, removals: Sequence[Plan], limit: int) -> InferenceError:
    """The error about more removals than are allowed at once."""
    names = [shown(removal.before.model_name) for removal in removals if removal.before]
    some = ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
    return InferenceError(
        f"{len(names)} entries of {environment} would be removed, and max_removals is {limit}",
        f"they are not declared: {some}",
        "Declare them, or raise max_removals. Nothing was changed.",
        {"changed": False, "removals": names},
    )


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The items in lists of at most this size."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
