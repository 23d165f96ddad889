# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is promised of models, and how far it was kept. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._slo.records import Record


class Objective(NamedTuple):
    """A promise: `measure` of a record, for records of `verb`, is at most `most`. A failed run keeps no promise."""

    name: str
    title: str
    verb: str
    measure: str
    most: float
    unit: str = "s"


OBJECTIVES = (
    Objective("readiness", "A deployed model is ready", "deploy", "ready_seconds", 600),
    Objective("completion", "A ready model completes a token", "deploy", "completion_seconds", 3),
    Objective("routing", "A ready model is routed to", "deploy", "route_seconds", 120),
    Objective("denial", "A disabled model is denied", "disable", "route_seconds", 130),
    Objective("rollback", "A model is taken back and serves", "rollback", "seconds", 300),
)


class Point(NamedTuple):
    """One measurement; `value` is None where the run failed before it could be taken."""

    at: str
    model: str
    environment: str
    value: float | None
    kept: bool


def points(objective: Objective, records: Iterable[Record]) -> list[Point]:
    """What was measured for an objective, the oldest first. Runs that succeeded without measuring it are left out."""
    found = []
    for each in sorted(records):
        value = each.measures.get(objective.measure)
        if each.verb != objective.verb or (value is None and each.succeeded):
            continue
        kept = each.succeeded and value is not None and value <= objective.most
        found.append(Point(each.at, each.model, each.environment, value, kept))
    return found


def summary(objective: Objective, measured: Sequence[Point]) -> dict[str, Any]:
    """How far an objective was kept, in numbers."""
    values = sorted(each.value for each in measured if each.value is not None)
    kept = sum(each.kept for each in measured)
    return {
        "name": objective.name,
        "title": objective.title,
        "most": objective.most,
        "unit": objective.unit,
        "count": len(measured),
        "kept": kept,
        "share": kept / len(measured) if measured else None,
        "median": median(values) if values else None,
        "p95": quantile(values, 0.95),
        "worst": values[-1] if values else None,
    }


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of the values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
