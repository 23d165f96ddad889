# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When servers count as idle."""

from __future__ import annotations

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.idle import Idleness, requests_of, wait_idle
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Metrics
from hypothesis import given
from hypothesis import strategies as st


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([], 0),
        ([Metrics(running=0, waiting=0)], 0),
        ([Metrics(running=2, waiting=1), Metrics(running=1, waiting=0)], 4),
        ([Metrics(running=1)], 1),
        ([Metrics()], None),
        ([Metrics(running=0, waiting=0), Metrics()], None),
    ],
    ids=["no pod", "idle", "two", "no queue", "silent", "one silent"],
)
def test_requests(samples: list[Metrics], expected: int | None) -> None:
    assert requests_of(samples) == expected


def waited(*looks: int | None, quiet: float = 2, timeout: float = 10, once: bool = False) -> Idleness:
    """What comes of a wait that sees this, one look after another and the last one for ever."""
    seen = list(looks)
    return wait_idle(lambda: seen.pop(0) if len(seen) > 1 else seen[0], quiet, timeout, Time(), once=once)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ((0,), (True, 2.0, 0)),
        ((3, 1, 0), (True, 3.0, 0)),
        ((0, 0, 0, 1, 0), (True, 4.0, 0)),
        ((None, 0), (True, 2.5, 0)),
        ((0, None, 0), (True, 3.0, 0)),
        ((1,), (False, 10.0, 1)),
        ((None,), (False, 10.0, None)),
    ],
)
def test_how_long_is_waited(looks: tuple[int | None, ...], expected: tuple[bool, float, int | None]) -> None:
    assert waited(*looks) == expected


@pytest.mark.parametrize(("look", "idle"), [(0, True), (1, False), (None, False)])
def test_once_is_looked_and_not_waited(look: int | None, idle: bool) -> None:
    assert waited(look, once=True) == (idle, 0.0, look)


@given(st.lists(st.one_of(st.none(), st.integers(0, 2)), min_size=1), st.floats(0, 5), st.floats(0, 20))
def test_idle_means_quiet_for_long_enough_and_in_time(looks: list[int | None], quiet: float, timeout: float) -> None:
    found = waited(*looks, quiet=quiet, timeout=timeout)
    assert found.seconds <= timeout + 0.5
    if found.idle:
        assert found.requests == 0
        assert found.seconds >= quiet - 0.001
    else:
        assert found.seconds >= timeout - 0.001
