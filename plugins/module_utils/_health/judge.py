# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what a check makes of an entry: failures and successes in a row, and who degraded it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._health.outcome import Outcome

# Those that are checked. All others belong to a person or to a deployment.
CHECKED = ("ready", "degraded")
SELF = "health"


class Rule(NamedTuple):
    """How many checks in a row it takes to degrade an entry, and to restore it."""

    failures: int = 2
    successes: int = 2


class Health(NamedTuple):
    """What is remembered of an entry between checks, as `metadata.health`.

    `since` is when its row of failures began. `degraded_by` is SELF while it is degraded because of them.
    """

    failures: int = 0
    successes: int = 0
    reason: str = ""
    since: str = ""
    degraded_by: str = ""

    def as_json(self) -> dict[str, Any] | None:
        """What is stored, or None if there is nothing to remember."""
        return {name: value for name, value in self._asdict().items() if value} or None


NOTHING = Health()


class Decision(NamedTuple):
    """An entry's status and memory after a check."""

    status: str
    health: Health


class Quorum(NamedTuple):
    """More than this share of the ready entries, and at least so many, failing at once are the checker's fault."""

    share: float = 0.5
    least: int = 2

    def is_cut_off(self, failing: int, checked: int) -> bool:
        return failing >= self.least and failing > self.share * checked


def health_from(metadata: object) -> Health:
    """What is remembered in an entry's metadata. Whatever else stands there counts as nothing."""
    stored = metadata.get("health") if isinstance(metadata, Mapping) else None
    if not isinstance(stored, Mapping):
        return NOTHING
    defaults = NOTHING._asdict()
    given = {name: stored.get(name, value) for name, value in defaults.items()}
    fitting = {name: value if type(value) is type(defaults[name]) else defaults[name] for name, value in given.items()}
    return Health(**fitting)


def decide(status: str, health: Health, outcome: Outcome, rule: Rule, now: str) -> Decision:
    """What a check makes of an entry.

    Args:
        status: of the entry now. One that is not checked stays as it is.
        health: what is remembered of it.
        outcome: of the check.
        rule: how many in a row it takes.
        now: the time, kept as the beginning of a row of failures.
    """
    if outcome.kind == "unknown" or status not in CHECKED:
        return Decision(status, health)
    if status == "ready":
        return _ready(health, outcome, rule, now)
    return _degraded(health, outcome, rule)


def _ready(health: Health, outcome: Outcome, rule: Rule, now: str) -> Decision:
    if outcome.kind != "failing":
        return Decision("ready", NOTHING)
    # Somebody made it ready again in the meantime, so its row of failures begins anew.
    before = NOTHING if health.degraded_by else health
    failures = max(0, before.failures) + 1
    after = Health(min(failures, rule.failures), 0, outcome.reason, before.since or now)
    if failures < rule.failures:
        return Decision("ready", after)
    return Decision("degraded", after._replace(degraded_by=SELF))


def _degraded(health: Health, outcome: Outcome, rule: Rule) -> Decision:
    if health.degraded_by != SELF:
        ends_row = not health.degraded_by and outcome.kind != "failing"
        return Decision("degraded", NOTHING if ends_row else health)
    if outcome.kind == "failing":
        return Decision("degraded", health._replace(successes=0, reason=outcome.reason))
    if outcome.kind == "busy":
        # It generates, and no token came back: neither a failure nor the proof that is asked for.
        return Decision("degraded", health)
    successes = max(0, health.successes) + 1
    if successes < rule.successes:
        return Decision("degraded", health._replace(successes=successes))
    return Decision("ready", NOTHING)
