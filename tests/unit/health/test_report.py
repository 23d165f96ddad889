# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A result names what matters and counts the rest."""

from __future__ import annotations

import json

from ansible_collections.ai_aas.inference.plugins.module_utils._health.outcome import Outcome
from ansible_collections.ai_aas.inference.plugins.module_utils._health.report import NAMED, Round, line_of, result_of
from ansible_collections.ai_aas.inference.plugins.module_utils._health.store import Checked
from ansible_collections.ai_aas.inference.plugins.module_utils._health.target import Claimed
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.plan import Plan


def checked(name: str, outcome: Outcome, before: str = "ready", after: str = "ready", left: str = "") -> Checked:
    entry = Entry(name, "staging", status=before)
    plan = Plan(entry, entry._replace(status=after), ("x",)) if before != after else None
    return Checked(Claimed(name, "e:1", "n", before), outcome, after, plan=plan, left=left)


def round_of(*done: Checked, unknown: int = 0, cut_off: str = "") -> Round:
    strangers = [
        (Claimed(f"u{number}", "e:1", "n", "ready"), Outcome("unknown", "unresolved")) for number in range(unknown)
    ]
    return Round("staging", len(done) + unknown, 5, done, strangers, cut_off, False)


FAILING = Outcome("failing", "timeout", "m" * 1000)


def test_counts_and_names() -> None:
    result = result_of(
        round_of(
            checked("b", FAILING, after="degraded"),
            checked("a", Outcome("healthy"), "degraded", "ready"),
            checked("c", Outcome("busy")),
            checked("d", Outcome("healthy"), left="changed"),
            unknown=2,
        )
    )
    assert (result["changed"], result["checked"], result["healthy"], result["busy"], result["failing"]) == (
        True,
        3,
        1,
        1,
        1,
    )
    assert (result["degraded"], result["restored"]) == (["b"], ["a"])
    assert result["unchecked"]["reasons"] == {"changed": 1, "unresolved": 2}
    assert (result["unchecked"]["count"], result["unchecked"]["not_due"]) == (3, 5)
    assert result["diff"]["before"] == {"a": "degraded", "b": "ready"}
    assert line_of(result) == "3 checked; 1 healthy; 1 busy; 1 failing; degraded: b; restored: a; 3 unchecked"


def test_a_result_is_bounded() -> None:
    result = result_of(round_of(*(checked(f"m{number}", FAILING) for number in range(5000)), unknown=5000))
    assert len(result["failures"]) == len(result["unchecked"]["models"]) == NAMED
    assert (result["failing"], result["unchecked"]["count"]) == (5000, 5000)
    assert len(json.dumps(result)) < 100_000


def test_a_line_says_why_nothing_was_degraded() -> None:
    assert line_of(result_of(round_of(cut_off="all fail"))).endswith("nothing was degraded: all fail")
