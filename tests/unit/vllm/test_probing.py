# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server is asked in one round, in which order, and where a round stops."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Session
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import (
    Answer,
    Metrics,
    Probe,
    Question,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.probing import (
    SECONDS_BETWEEN_METRICS,
    SECONDS_FOR_SMALL,
    SECONDS_FOR_TLS,
    complete,
    probe,
)

from tests.unit.vllm.answers import HEALTHY, LATE, MODELS, REFUSED, completion

LIST, COMPLETE, HEALTH, METRICS = "GET /v1/models", "POST /v1/completions", "GET /health", "GET /metrics"
CLOSED = Answer(error="closed", detail="x")
FIVE = Answer(200, text="vllm:generation_tokens_total 5\nprocess_start_time_seconds 1000")
SIX = Answer(200, text="vllm:generation_tokens_total 6\nprocess_start_time_seconds 1000")


class Scripted:
    """A session whose answers are written down before, and which writes down what it is asked."""

    def __init__(self, script: Mapping[str, list[Answer]], *, tls: bool = False) -> None:
        self.script = {asked: list(answers) for asked, answers in script.items()}
        self.tls = tls
        self.asked: list[str] = []
        self.seconds: dict[str, float] = {}
        self.deadline = math.inf
        self.bodies: list[Mapping[str, Any] | None] = []

    def ask(self, method: str, path: str, seconds: float, body: Mapping[str, Any] | None = None) -> Answer:
        asked = f"{method} {path}"
        self.asked.append(asked)
        self.seconds[asked] = seconds
        self.bodies.append(body)
        return self.script[asked].pop(0)

    def meets_tls(self, seconds: float) -> bool:
        self.asked.append(f"TLS within {seconds:g}")
        return self.tls

    def sleep(self, seconds: float) -> None:
        self.asked.append(f"sleep {seconds:g}")


def put(session: Scripted, question: Question) -> Probe:
    return probe(cast(Session, session), question, session.sleep)


SLEEP = f"sleep {SECONDS_BETWEEN_METRICS:g}"
SCRIPTS = [
    ("healthy", {LIST: [MODELS], COMPLETE: [completion()], HEALTH: [HEALTHY]}, [LIST, COMPLETE, HEALTH]),
    ("not up", {LIST: [REFUSED]}, [LIST]),
    ("hangs", {LIST: [LATE]}, [LIST, f"TLS within {SECONDS_FOR_TLS:g}"]),
    ("is unknown", {LIST: [Answer(error="resolve", detail="x")]}, [LIST]),
    ("has another certificate", {LIST: [Answer(error="tls", detail="x")]}, [LIST]),
    ("resets", {LIST: [Answer(error="reset", detail="x")]}, [LIST, f"TLS within {SECONDS_FOR_TLS:g}"]),
    (
        "speaks something else",
        {LIST: [Answer(error="malformed", detail="x")]},
        [LIST, f"TLS within {SECONDS_FOR_TLS:g}"],
    ),
    ("refuses the list", {LIST: [Answer(503)]}, [LIST]),
    ("closes without a word", {LIST: [CLOSED]}, [LIST, f"TLS within {SECONDS_FOR_TLS:g}"]),
    ("refuses the completion", {LIST: [MODELS], COMPLETE: [Answer(500)]}, [LIST, COMPLETE]),
    ("dies of the completion", {LIST: [MODELS], COMPLETE: [CLOSED]}, [LIST, COMPLETE]),
    (
        "says nothing",
        {LIST: [MODELS], COMPLETE: [LATE], METRICS: [FIVE, SIX]},
        [LIST, COMPLETE, METRICS, SLEEP, METRICS],
    ),
]


@pytest.mark.parametrize(("script", "asked"), [row[1:] for row in SCRIPTS], ids=[row[0] for row in SCRIPTS])
def test_what_is_asked(script: dict[str, list[Answer]], asked: list[str]) -> None:
    session = Scripted(script)
    found = put(session, Question(("m",)))
    assert session.asked == asked
    assert found.models == script[LIST][0]
    assert [answer for _name, answer in found.completions] == script.get(COMPLETE, [])
    assert found.health == (script[HEALTH][0] if HEALTH in script else None)
    assert found.metrics == (
        (Metrics(5.0, started_at=1000.0), Metrics(6.0, started_at=1000.0)) if SLEEP in asked else ()
    )


def test_a_server_that_speaks_tls_is_told_from_one_that_closes() -> None:
    found = put(Scripted({LIST: [CLOSED]}, tls=True), Question(("m",)))
    assert found.models.error == "tls"
    assert "was asked without" in found.models.detail
    assert put(Scripted({LIST: [CLOSED]}), Question(("m",))).models == CLOSED


NAMES = Question(("m", "alias", "adapter"))


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ([completion(), completion(), completion()], [COMPLETE] * 3 + [HEALTH]),
        ([completion(), Answer(404)], [COMPLETE] * 2),
        ([completion(), LATE], [COMPLETE] * 2 + [METRICS, SLEEP, METRICS]),
        ([completion(0), completion(), completion()], [COMPLETE] * 3 + [HEALTH]),
    ],
)
def test_names_are_asked_in_turn_until_one_fails(answers: list[Answer], asked: list[str]) -> None:
    session = Scripted({LIST: [MODELS], COMPLETE: answers, HEALTH: [HEALTHY], METRICS: [FIVE, FIVE]})
    found = put(session, NAMES)
    assert session.asked == [LIST, *asked]
    assert found.completions == tuple(zip(NAMES.names, answers, strict=False))
    assert [body["model"] for body in session.bodies if body] == list(NAMES.names[: len(answers)])


@pytest.mark.parametrize(
    ("answer", "metrics"),
    [
        (FIVE, Metrics(5.0, started_at=1000.0)),
        (Answer(404, text=FIVE.text), Metrics()),
        (LATE, Metrics()),
        (Answer(200, {"a": 1}), Metrics()),
    ],
)
def test_the_age_is_asked_for_where_it_counts(answer: Answer, metrics: Metrics) -> None:
    session = Scripted({LIST: [MODELS], COMPLETE: [completion()], METRICS: [answer], HEALTH: [HEALTHY]})
    assert put(session, Question(("m",), started_after=1.0)).metrics == (metrics,)
    assert session.asked == [LIST, COMPLETE, METRICS, HEALTH]


@pytest.mark.parametrize(("given", "small"), [(30.0, SECONDS_FOR_SMALL), (2.0, 2.0)])
def test_small_questions_have_no_more_time_than_a_completion(given: float, small: float) -> None:
    session = Scripted({LIST: [MODELS], COMPLETE: [completion()], METRICS: [FIVE], HEALTH: [HEALTHY]})
    put(session, Question(("m",), started_after=1.0, seconds=given))
    assert session.seconds == {LIST: small, COMPLETE: given, METRICS: small, HEALTH: small}


@pytest.mark.parametrize(
    ("api", "wants_text", "path", "body"),
    [
        ("completions", False, "/v1/completions", {"max_tokens": 1, "prompt": "Hi"}),
        ("completions", True, "/v1/completions", {"max_tokens": 8, "prompt": "Hi"}),
        ("chat", False, "/v1/chat/completions", {"max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}),
        ("chat", True, "/v1/chat/completions", {"max_tokens": 8, "messages": [{"role": "user", "content": "Hi"}]}),
    ],
)
def test_the_request_for_a_token(api: str, wants_text: bool, path: str, body: dict[str, Any]) -> None:
    """It names the model, since a server answers for a default one otherwise, and is never streamed."""
    session = Scripted({f"POST {path}": [completion()]})
    complete(cast(Session, session), "m", api, 3.0, wants_text)
    assert session.bodies == [{"model": "m", "temperature": 0, **body}]
    assert session.seconds == {f"POST {path}": 3.0}


def test_a_round_asks_as_the_question_says() -> None:
    chat = "POST /v1/chat/completions"
    session = Scripted({LIST: [MODELS], chat: [completion(8, text="x")], HEALTH: [HEALTHY]})
    put(session, Question(("m",), "chat", wants_text=True))
    assert session.asked == [LIST, chat, HEALTH]
    body = session.bodies[1]
    assert body is not None
    assert body["max_tokens"] == 8
