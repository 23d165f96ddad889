# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seconds that each phase of a wait took, and what it waited for."""

from __future__ import annotations

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import PHASES, Verdict, not_ready
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import Timeline
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vllm.looks import CRASH, LOADING, READY, SCHEDULING, SILENT, STARTING

PULLING = not_ready("image_pull", "no answer", "scheduled")


def seen(*looks: tuple[float, Verdict]) -> Timeline:
    timeline = Timeline()
    for now, verdict in looks:
        timeline.take(verdict, now)
    return timeline


CASES = [
    ("nothing", [], [], "scheduled"),
    ("no phase yet", [(1, SCHEDULING)], [], "scheduled"),
    ("ready at once", [(1, READY)], [1, 0, 0, 0, 0, 0], None),
    ("phase after phase", [(1, SCHEDULING), (3, STARTING), (7, LOADING)], [3, 4, 0], "loaded"),
    ("a phase for long", [(1, LOADING), (2, LOADING), (9, SILENT)], [1, 0, 0, 8, 0], "verified"),
    ("never backwards", [(2, LOADING), (5, SCHEDULING), (6, LOADING)], [2, 0, 0], "loaded"),
    ("rounded", [(0.12345, STARTING), (0.9876543, LOADING)], [0.123, 0.865, 0], "loaded"),
]


@pytest.mark.parametrize(("looks", "seconds", "current"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_phases(looks: list[tuple[float, Verdict]], seconds: list[float], current: str | None) -> None:
    timeline = seen(*looks)
    assert timeline.phases == pytest.approx(dict(zip(PHASES, seconds, strict=False)))
    assert list(timeline.phases) == list(PHASES[: len(seconds)])
    assert timeline.current == current


@pytest.mark.parametrize(
    ("looks", "now", "phase", "seconds", "waited_for"),
    [
        ([], 0, "scheduled", 0, ""),
        ([(1, SCHEDULING)], 5, "scheduled", 5, "waits for a node"),
        ([(1, SCHEDULING), (5, STARTING)], 6, "scheduled", 5, "waits for a node"),
        ([(1, SCHEDULING), (5, STARTING), (12, LOADING)], 12, "pulled", 7, "is made"),
        ([(1, STARTING), (2, PULLING), (9, LOADING)], 9, "pulled", 8, "no answer"),
        ([(1, STARTING), (8, PULLING), (9, LOADING)], 9, "pulled", 8, "is made"),
        ([(1, LOADING), (2, CRASH), (3, LOADING), (7, CRASH)], 7, "loaded", 6, "loads"),
        ([(1, LOADING), (2, CRASH), (5, LOADING), (6, CRASH)], 6, "loaded", 5, "ends"),
        ([(4, READY)], 4, "scheduled", 4, ""),
        ([(1, LOADING), (4, READY)], 4, "loaded", 3, "loads"),
        ([(1, READY), (9, READY)], 9, "scheduled", 1, ""),
    ],
)
def test_slowest(looks: list[tuple[float, Verdict]], now: float, phase: str, seconds: float, waited_for: str) -> None:
    """Time was spent on what had been seen before it, and not on what was seen after it."""
    assert seen(*looks).slowest(now) == {"phase": phase, "seconds": seconds, "waited_for": waited_for}


def test_the_last_words_of_a_cause_are_told() -> None:
    first, last = not_ready("loading", "loads 1 of 9", "started"), not_ready("loading", "loads 9 of 9", "started")
    slowest = seen((1, first), (2, last), (3, last)).slowest(3)
    assert slowest
    assert slowest["waited_for"] == "loads 9 of 9"


@pytest.mark.parametrize(
    ("looks", "budgets", "now", "left"),
    [
        ([], {}, 5, float("inf")),
        ([(1, SCHEDULING)], {"scheduled": 5}, 2, 3),
        ([(1, SCHEDULING)], {"pulled": 5}, 2, float("inf")),
        ([(2, STARTING)], {"scheduled": 1, "pulled": 5}, 4, 3),
        ([(2, STARTING)], {"pulled": 5}, 9, -2),
        ([(1, READY)], dict.fromkeys(PHASES, 0.0), 9, float("inf")),
    ],
)
def test_what_is_left_of_a_budget(
    looks: list[tuple[float, Verdict]], budgets: dict[str, float], now: float, left: float
) -> None:
    assert seen(*looks).remaining(budgets, now) == pytest.approx(left)


STEPS = st.lists(
    st.tuples(st.floats(0, 1e4), st.sampled_from([SCHEDULING, STARTING, PULLING, LOADING, CRASH, SILENT, READY])),
    max_size=8,
)


@given(STEPS)
def test_any_course(steps: list[tuple[float, Verdict]]) -> None:
    timeline, now, earlier = Timeline(), 0.0, dict[str, float]()
    for pause, verdict in steps:
        now += pause
        timeline.take(verdict, now)
        phases = timeline.phases
        assert list(phases) == list(PHASES[: len(phases)])
        assert earlier.items() <= phases.items()
        assert all(seconds >= 0 for seconds in phases.values())
        assert sum(phases.values()) <= now + 0.001
        if phases != earlier:
            assert sum(phases.values()) == pytest.approx(now, abs=0.001)
        earlier = dict(phases)
    spent = sum(seconds for waits in timeline.waits.values() for seconds in waits.values())
    assert spent <= now + 0.001
    slowest = timeline.slowest(now)
    if steps:
        assert slowest
        assert slowest["seconds"] == pytest.approx(
            max([*timeline.phases.values(), now - sum(timeline.phases.values()) if timeline.current else 0]), abs=0.002
        )
