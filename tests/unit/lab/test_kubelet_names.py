# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a command finds a Service where there is no DNS."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.kubelet.names import Address, find_addresses, ready_ports, replace

CHAT = Address("models", "chat", 8000)
SERVICE = {"spec": {"ports": [{"name": "http", "port": 80}, {"name": "other", "port": 81}]}}


def endpoints(**ready: bool | None) -> dict[str, Any]:
    """A slice with pods by uid, and whether they are ready."""
    return {
        "ports": [{"name": "http", "port": 8000}],
        "endpoints": [
            {"targetRef": {"uid": uid}, "conditions": {} if state is None else {"ready": state}}
            for uid, state in ready.items()
        ],
    }


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("http://chat.models.svc:8000/v1", {CHAT}),
        ("http://chat.models.svc.cluster.local:8000", {CHAT}),
        ("chat.models.svc:80", {Address("models", "chat", 80)}),
        ("http://chat.models.svc", set()),
        ("http://chat.models:8000", set()),
        ("http://a.chat.models.svc:8000", set()),
        ("http://127.0.0.1:8000", set()),
    ],
)
def test_find_addresses(word: str, expected: set[Address]) -> None:
    assert find_addresses(["curl", word]) == expected


@pytest.mark.parametrize(
    ("slices", "port", "expected"),
    [
        ([endpoints(a=True)], 80, [("a", 8000)]),
        ([endpoints(a=False, b=True), endpoints(c=None)], 80, [("b", 8000), ("c", 8000)]),
        ([endpoints(a=True)], 81, []),
        ([endpoints(a=True)], 8000, []),
        ([{"ports": None, "endpoints": None}], 80, []),
        ([], 80, []),
    ],
    ids=["one", "ready or unknown", "port of another name", "no such port", "empty slice", "none"],
)
def test_ready_ports(slices: list[dict[str, Any]], port: int, expected: list[tuple[str, int]]) -> None:
    assert list(ready_ports(SERVICE, slices, port)) == expected


def test_replace_leaves_what_is_unknown() -> None:
    words = ["curl", "http://chat.models.svc:8000/v1", "http://other.models.svc:8000"]
    assert replace(words, {CHAT: 20001}) == ["curl", "http://127.0.0.1:20001/v1", words[2]]
