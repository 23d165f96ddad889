# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sweep says: names of what changed and of what fails, and numbers of all others. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._health.outcome import Outcome
from ansible_collections.ai_aas.inference.plugins.module_utils._health.store import Checked
from ansible_collections.ai_aas.inference.plugins.module_utils._health.target import Claimed

# What is named of each kind; a registry can hold tens of thousands.
NAMED = 100
LONGEST = 300


class Round(NamedTuple):
    """What came of one sweep. `others` are not due or held by another session."""

    environment: str
    claimed: int
    others: int
    done: Sequence[Checked]
    unknown: Sequence[tuple[Claimed, Outcome]]
    cut_off: str
    stopped: bool
    restarted: Sequence[str] = ()


def result_of(swept: Round) -> dict[str, Any]:
    """The module's result for a sweep."""
    written = [each for each in swept.done if not each.left]
    changes = [each for each in written if each.plan]
    kinds = Counter(each.outcome.kind for each in written)
    degraded = sorted(each.entry.model_name for each in changes if each.status == "degraded")
    restored = sorted(each.entry.model_name for each in changes if each.status == "ready")
    failing = [each for each in written if each.outcome.kind == "failing"]
    return {
        "changed": bool(changes or swept.restarted),
        "checked": len(written),
        "healthy": kinds["healthy"],
        "busy": kinds["busy"],
        "failing": len(failing),
        "failures": named((each.entry.model_name, each.outcome) for each in failing),
        "degraded": degraded,
        "restored": restored,
        "unchecked": unchecked(swept),
        "restarted": list(swept.restarted),
        "cut_off": swept.cut_off,
        "stopped": swept.stopped,
        "diff": diff_of(swept.environment, changes),
    }


def named(results: Iterable[tuple[str, Outcome]]) -> list[dict[str, str]]:
    """Names with reasons, of so many that a person can read them."""
    ordered = sorted(results)[:NAMED]
    return [{"model_name": name, "reason": each.reason, "msg": each.msg[:LONGEST]} for name, each in ordered]


def unchecked(swept: Round) -> dict[str, Any]:
    """What nothing is known of, by reason, with the names of the first ones."""
    reasons = [(entry.model_name, outcome) for entry, outcome in swept.unknown]
    reasons += [(each.entry.model_name, Outcome("unknown", each.left)) for each in swept.done if each.left]
    counts = Counter(outcome.reason for _unused, outcome in reasons)
    return {
        "not_due": swept.others,
        "count": len(reasons),
        "reasons": dict(sorted(counts.items())),
        "models": named(reasons),
    }


def diff_of(environment: str, changes: Sequence[Checked]) -> dict[str, Any]:
    """The statuses that change, before and after."""
    sides: dict[str, dict[str, str]] = {"before": {}, "after": {}}
    for each in sorted(changes, key=lambda each: each.entry.model_name):
        sides["before"][each.entry.model_name] = "ready" if each.status == "degraded" else "degraded"
        sides["after"][each.entry.model_name] = each.status
    header = f"statuses of {environment}"
    return {**sides, "before_header": header, "after_header": header}


def line_of(result: dict[str, Any]) -> str:
    """A sweep in one line, for a log."""
    parts = [f"{result[name]} {name}" for name in ("checked", "healthy", "busy", "failing")]
    parts += [f"{name}: {', '.join(result[name])}" for name in ("degraded", "restored", "restarted") if result[name]]
    parts += [f"{result['unchecked']['count']} unchecked"] if result["unchecked"]["count"] else []
    parts += [f"nothing was degraded: {result['cut_off']}"] if result["cut_off"] else []
    return "; ".join(parts)
