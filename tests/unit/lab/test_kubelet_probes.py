# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe state machine: results and thresholds make started, ready and kills."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.kubelet.probes import Change, Health, Kind, Result

S, R, L = Kind.STARTUP, Kind.READINESS, Kind.LIVENESS
OK, BAD, UNKNOWN = Result.SUCCESS, Result.FAILURE, Result.UNKNOWN
THREE = {"failureThreshold": 3, "periodSeconds": 1, "httpGet": {}}
FIELD = {S: "startupProbe", R: "readinessProbe", L: "livenessProbe"}


def health(*kinds: Kind, **more: Any) -> Health:
    return Health({FIELD[kind]: {**THREE, **more.get(kind.name, {})} for kind in kinds}, now=100, origin=98.5)


@pytest.mark.parametrize(
    ("kinds", "results", "started", "ready", "killed"),
    [
        ((), [], True, True, False),
        ((L,), [], True, True, False),
        ((R,), [], True, False, False),
        ((R,), [(R, OK)], True, True, False),
        ((S,), [], False, False, False),
        ((S,), [(S, OK)], True, True, False),
        ((S, R), [(S, OK)], True, False, False),
        ((S, R), [(S, OK), (R, OK)], True, True, False),
        ((S, R), [(R, OK)], False, False, False),
        ((S,), [(S, BAD)] * 2, False, False, False),
        ((S,), [(S, BAD)] * 3, False, False, True),
        ((S,), [(S, BAD), (S, BAD), (S, OK)], True, True, False),
        ((S, L), [(L, BAD)] * 5, False, False, False),
        ((S, L), [(S, OK), *[(L, BAD)] * 3], True, True, True),
        ((L,), [(L, BAD), (L, BAD), (L, OK), (L, BAD), (L, BAD)], True, True, False),
        ((R,), [(R, OK), (R, BAD), (R, BAD)], True, True, False),
        ((R,), [(R, OK), *[(R, BAD)] * 3], True, False, False),
        ((R,), [(R, OK), *[(R, BAD)] * 3, (R, OK)], True, True, False),
        ((R,), [(R, UNKNOWN)] * 5, True, False, False),
        ((L,), [(L, UNKNOWN)] * 5, True, True, False),
        ((R, L), [(R, OK), *[(L, BAD)] * 3, *[(R, BAD)] * 3], True, False, True),
    ],
)
def test_results(
    kinds: tuple[Kind, ...], results: list[tuple[Kind, Result]], started: bool, ready: bool, killed: bool
) -> None:
    found = health(*kinds)
    kills = [found.observe(kind, result).kill for kind, result in results]
    assert (found.started, found.ready) == (started, ready)
    assert sum(kills) == killed


def test_the_success_threshold_counts_in_a_row() -> None:
    found = health(R, READINESS={"successThreshold": 2})
    seen = []
    for result in (OK, BAD, OK, OK):
        found.observe(R, result)
        seen.append(found.ready)
    assert seen == [False, False, False, True]


def test_only_changes_are_reported() -> None:
    found = health(R)
    assert [found.observe(R, OK) for _unused in range(2)] == [Change(status=True), Change()]


@pytest.mark.parametrize(
    ("kind", "before", "after", "killed"),
    [(S, False, True, True), (R, True, False, False), (L, True, False, True)],
)
def test_gates(kind: Kind, before: bool, after: bool, killed: bool) -> None:
    found = health(S, R, L)
    assert found.is_gated(kind) is before
    found.observe(S, OK)
    assert found.is_gated(kind) is after
    for _unused in range(3):
        found.observe(L, BAD)
    assert found.is_gated(kind) is killed


@pytest.mark.parametrize(
    ("kinds", "kind", "delay", "now", "due"),
    [
        ((R,), R, 0, 100, 100.5),
        ((R,), R, 0, 100.5, 100.5),
        ((R,), R, 5, 100, 105.5),
        ((R,), R, 5, 110, 110.5),
        ((S, L), L, 0, 103, 103.5),
        ((S, R), S, 0, 100, 100.5),
        ((S, R), R, 0, 103.2, 103.2),
        ((S, R), R, 5, 103.2, 105),
    ],
)
def test_when_a_probe_runs_first(kinds: tuple[Kind, ...], kind: Kind, delay: int, now: float, due: float) -> None:
    found = health(*kinds, **{kind.name: {"initialDelaySeconds": delay}})
    assert found.first_due(kind, now) == due


def test_defaults() -> None:
    probe = Health({"readinessProbe": {"tcpSocket": {}}}, now=0, origin=0).probes[R]
    names = ("periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold", "initialDelaySeconds")
    assert [probe.setting(name) for name in names] == [10, 1, 1, 3, 0]
