# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each answer says of a model."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._health.outcome import outcome_of
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Answer, Metrics

SILENCE = Answer(error="timeout", detail="no answer within 5 s")
STILL = (Metrics(tokens=5.0), Metrics(tokens=5.0))
ADVANCING = (Metrics(tokens=5.0, running=4, waiting=56), Metrics(tokens=9.0, running=4, waiting=56))
ASLEEP = (Metrics(tokens=5.0, asleep=True), Metrics(tokens=5.0, asleep=True))


def completion(text: str = " The", reason: str = "length", tokens: int = 1) -> Answer:
    choice = {"text": text, "finish_reason": reason}
    return Answer(200, {"choices": [choice], "usage": {"completion_tokens": tokens}})


def error(status: int, message: Any) -> Answer:
    return Answer(status, {"error": message})


CASES: list[tuple[Answer, tuple[Metrics, ...], str, str, str]] = [
    (completion(), (), "token", "healthy", ""),
    (completion(""), (), "token", "healthy", ""),
    (completion(""), (), "text", "failing", "no_text"),
    (completion(reason="abort"), (), "token", "failing", "draining"),
    (completion(reason="stop", tokens=0), (), "token", "failing", "not_generating"),
    (Answer(200, {"choices": []}), (), "token", "failing", "not_generating"),
    (SILENCE, STILL, "token", "failing", "not_generating"),
    (SILENCE, (), "token", "failing", "not_generating"),
    (SILENCE, ASLEEP, "token", "failing", "sleeping"),
    (SILENCE, ADVANCING, "token", "busy", "busy"),
    (SILENCE, ADVANCING, "text", "busy", "busy"),
    (error(429, {"message": "slow down"}), (), "token", "busy", "busy"),
    (error(404, {"message": "The model `x` does not exist."}), (), "token", "failing", "wrong_name"),
    (Answer(404, {"detail": "Not Found"}), (), "token", "unknown", "refused"),
    (Answer(404, detail="<html>"), (), "token", "failing", "wrong_name"),
    (error(401, "Unauthorized"), (), "token", "unknown", "unauthorised"),
    (error(403, "Forbidden"), (), "token", "unknown", "unauthorised"),
    (error(400, {"message": "The model does not support Completions API"}), (), "token", "unknown", "refused"),
    (error(500, {"message": "EngineCore encountered an issue."}), (), "token", "failing", "server_error"),
    (error(500, {"message": "cannot schedule new futures after shutdown"}), (), "token", "failing", "draining"),
    (error(503, ""), (), "token", "failing", "server_error"),
    (Answer(302), (), "token", "failing", "not_vllm"),
    (Answer(error="refused"), (), "token", "failing", "not_serving"),
    (Answer(error="reset"), (), "token", "failing", "not_serving"),
    (Answer(error="malformed"), (), "token", "failing", "not_vllm"),
    (Answer(error="tls"), (), "token", "unknown", "tls_mismatch"),
    (Answer(error="resolve"), (), "token", "unknown", "unresolved"),
    (Answer(error="unreachable"), (), "token", "unknown", "unreachable"),
    (Answer(error="checker"), (), "token", "unknown", "checker"),
    (Answer(200), (), "health", "healthy", ""),
    (Answer(503), (), "health", "failing", "server_error"),
    (Answer(404), (), "health", "failing", "not_vllm"),
    (SILENCE, (), "health", "failing", "timeout"),
]


@pytest.mark.parametrize(("answer", "metrics", "probe", "kind", "reason"), CASES)
def test_outcome(answer: Answer, metrics: tuple[Metrics, ...], probe: str, kind: str, reason: str) -> None:
    outcome = outcome_of(answer, metrics, probe)
    assert (outcome.kind, outcome.reason) == (kind, reason)
