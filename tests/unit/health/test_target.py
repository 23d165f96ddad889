# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an entry is reached, and what is asked of it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._health.exchange import Place
from ansible_collections.ai_aas.inference.plugins.module_utils._health.forward import Backend, backends_of
from ansible_collections.ai_aas.inference.plugins.module_utils._health.target import Question, place_of, split

ENDPOINT = "a.b.svc.cluster.local:8000"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (ENDPOINT, ("a.b.svc.cluster.local", 8000)),
        ("10.0.0.1:80", ("10.0.0.1", 80)),
        ("[::1]:80", ("::1", 80)),
        ("a", None),
        ("a:", None),
        (":80", None),
        ("a:0", None),
        ("a:65536", None),
        ("a:000000080", None),
        ("a:٨", None),
        ("http://a:80", None),
        ("a b:80", None),
        ("a\r\nX-Evil: 1:80", None),
        ("ä:80", None),
    ],
)
def test_split(text: str, address: tuple[str, int] | None) -> None:
    assert split(text) == address


def test_an_endpoint_is_reached_at_itself_or_where_it_is_mapped_to() -> None:
    assert place_of(ENDPOINT, {}) == Place("a.b.svc.cluster.local", 8000, ENDPOINT)
    assert place_of(ENDPOINT, {ENDPOINT: "127.0.0.1:9"}) == Place("127.0.0.1", 9, ENDPOINT)
    assert place_of("bad\n:80", {"bad\n:80": "127.0.0.1:9"}) is None


@pytest.mark.parametrize(
    ("question", "path", "body"),
    [
        (Question(), "/v1/completions", {"model": "m", "max_tokens": 1, "temperature": 0, "prompt": "Hi"}),
        (Question("text"), "/v1/completions", {"model": "m", "max_tokens": 8, "temperature": 0, "prompt": "Hi"}),
        (
            Question(api="chat"),
            "/v1/chat/completions",
            {"model": "m", "max_tokens": 1, "temperature": 0, "messages": [{"role": "user", "content": "Hi"}]},
        ),
        (Question("health"), "/health", None),
    ],
)
def test_question(question: Question, path: str, body: Any) -> None:
    assert (question.path, question.body("m")) == (path, body)


def piece(service: str, *endpoints: Any, port: int = 8000, name: str = "http") -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": service}
    return {"metadata": {"labels": labels}, "ports": [{"name": name, "port": port}], "endpoints": list(endpoints)}


def pod(name: str, **conditions: bool) -> dict[str, Any]:
    return {"targetRef": {"kind": "Pod", "name": name}, "conditions": conditions}


def test_the_pods_behind_a_service() -> None:
    slices = [
        piece("a", pod("a-1", ready=True), pod("a-2", ready=False)),
        piece("b", pod("b-1")),
        piece("a", pod("a-3")),
    ]
    expected = [Backend("a-1", 8000, True), Backend("a-2", 8000, False), Backend("a-3", 8000, True)]
    assert backends_of(slices, "a") == expected
    assert backends_of(slices, "c") is None
    assert backends_of([{**piece("a"), "endpoints": None, "ports": None}], "a") == []
    assert backends_of([piece("a", {"addresses": ["1.2.3.4"]})], "a") == []
