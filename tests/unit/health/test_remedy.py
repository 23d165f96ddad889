# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a pod may be deleted."""

from __future__ import annotations

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._health.remedy import Member, hindrance, member_of

NOW, PERIOD = 10_000.0, 1800.0


def member(age: float = 5000.0, *, ready: bool = True, ending: bool = False) -> Member:
    return Member("p", "u", NOW - age, ready, ending)


@pytest.mark.parametrize(
    ("members", "why_not"),
    [
        ([member()], ""),
        ([member(ready=False)], ""),
        ([member(), member()], ""),
        ([], "its Service has no pod"),
        ([member(), member(ready=False)], "another pod of it is not Ready"),
        ([member(ready=False), member(ready=False)], "another pod of it is not Ready"),
        ([member(), member(ending=True)], "a pod of it is ending"),
        ([member(ending=True)], "a pod of it is ending"),
        ([member(), member(100.0)], "its youngest pod was made 100 s ago, and one in 1800 s is the limit"),
        ([member(1800.0)], ""),
        ([member(-5.0)], "its youngest pod was made -5 s ago, and one in 1800 s is the limit"),
    ],
)
def test_hindrance(members: list[Member], why_not: str) -> None:
    assert hindrance(members, NOW, PERIOD) == why_not


def test_a_pods_object() -> None:
    meta = {"name": "p", "uid": "u", "creationTimestamp": "1970-01-01T00:01:00Z"}
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert member_of({"metadata": meta, "status": ready}) == Member("p", "u", 60.0, True, False)
    ending = {**meta, "deletionTimestamp": "1970-01-01T00:02:00Z"}
    assert member_of({"metadata": ending}) == Member("p", "u", 60.0, False, True)
