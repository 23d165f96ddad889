# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a completion proves that a token was generated, and if not, why."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Answer, Metrics
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.serving import error_text, judge_completion

from tests.unit.vllm.answers import LATE, NO_FUTURES, NO_KEY, REFUSED, WRONG_MODEL, chat, completion, proxy_status

NO_TEMPLATE = {"error": {"message": "default chat template is no longer allowed", "code": 400}}

CASES = [
    ("one token, no text", completion(), None),
    ("ended by itself", completion(finish="stop"), None),
    ("many tokens", completion(tokens=8, text=" The"), None),
    ("chat", chat({"role": "assistant", "content": None}, tokens=1), None),
    ("aborted by a shutdown", completion(finish="abort"), "draining"),
    ("aborted before a token", completion(0, finish="abort"), "draining"),
    ("calls a tool", completion(finish="tool_calls"), "not_generating"),
    ("not ended", completion(finish=None), "not_generating"),
    ("end is a list", completion(finish=["stop"]), "not_generating"),
    ("end is an object", completion(finish={"stop": 1}), "not_generating"),
    ("no token", completion(0), "not_generating"),
    ("fewer than no token", completion(-1), "not_generating"),
    ("tokens are a text", completion("1"), "not_generating"),
    ("tokens are true", completion(True), "not_generating"),
    ("tokens are a fraction", completion(1.0), "not_generating"),
    ("tokens are null", completion(None), "not_generating"),
    ("no usage", Answer(200, {"choices": [{"finish_reason": "stop"}]}), "not_generating"),
    ("usage null", Answer(200, {"choices": [{"finish_reason": "stop"}], "usage": None}), "not_generating"),
    ("usage a list", Answer(200, {"choices": [{"finish_reason": "stop"}], "usage": [1]}), "not_generating"),
    ("choices empty", Answer(200, {"choices": [], "usage": {"completion_tokens": 1}}), "not_generating"),
    ("choices null", Answer(200, {"choices": None, "usage": {"completion_tokens": 1}}), "not_generating"),
    ("choices an object", Answer(200, {"choices": {}, "usage": {"completion_tokens": 1}}), "not_generating"),
    ("choice null", Answer(200, {"choices": [None], "usage": {"completion_tokens": 1}}), "not_generating"),
    ("an error as 200", Answer(200, WRONG_MODEL), "not_generating"),
    ("a list", Answer(200, []), "not_generating"),
    ("a number", Answer(200, 1), "not_generating"),
    ("body cut off", Answer(200, None, detail='{"choices": ['), "not_generating"),
    ("empty body", Answer(200), "not_generating"),
    ("no chat template", Answer(400, NO_TEMPLATE), "refused"),
    ("name refused", Answer(404, WRONG_MODEL), "refused"),
    ("validation", Answer(422, {"detail": [{"msg": "x"}]}), "refused"),
    ("key wrong", Answer(401, NO_KEY), "unauthorised"),
    ("rate limit", Answer(429, {"error": {"message": "slow down"}}), "busy"),
    ("engine error", Answer(500, {"error": {"message": "EngineCore encountered"}}), "server_error"),
    ("shutting down", Answer(500, NO_FUTURES), "draining"),
    (
        "shutting down, in plain text",
        Answer(500, None, detail="cannot schedule new futures after shutdown"),
        "draining",
    ),
    ("bad gateway", Answer(502, detail="<html>"), "server_error"),
    ("unavailable", Answer(503), "server_error"),
    ("moved", Answer(308, detail="leads to https://x/"), "not_vllm"),
    ("closed", Answer(error="closed", detail="x"), "not_serving"),
    ("refused", REFUSED, "not_serving"),
    ("endless", Answer(200, error="too_large", detail="x"), "not_vllm"),
    ("no HTTP", Answer(error="malformed", detail="x"), "not_vllm"),
    ("TLS", Answer(error="tls", detail="x"), "tls_mismatch"),
    ("proxy may not", proxy_status(403, "pods/proxy is forbidden"), "forbidden"),
    ("proxy reaches none", proxy_status(503, "error trying to reach service"), "not_serving"),
]


@pytest.mark.parametrize(("answer", "reason"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_completion(answer: Answer, reason: str | None) -> None:
    verdict = judge_completion(answer)
    assert (verdict.reason if verdict else None) == reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (completion(8, text=" The"), None),
        (completion(8, text=""), "no_text"),
        (completion(8, text=" \n\t"), "no_text"),
        (completion(8, text=None), "no_text"),
        (completion(8, text=7), "no_text"),
        (chat({"content": "Hi"}), None),
        (chat({"content": "", "reasoning_content": "We think"}), None),
        (chat({"content": None, "reasoning_content": "We think"}), None),
        (chat({"content": None, "reasoning_content": None}), "no_text"),
        (chat({"content": [{"text": "Hi"}]}), "no_text"),
        (chat({}), "no_text"),
        (chat(None), "no_text"),
        (chat("Hi"), "no_text"),
        (completion(0, text="Hi"), "not_generating"),
        (completion(8, finish="abort", text="Hi"), "draining"),
    ],
)
def test_text(answer: Answer, reason: str | None) -> None:
    verdict = judge_completion(answer, wants_text=True)
    assert (verdict.reason if verdict else None) == reason


@pytest.mark.parametrize(
    ("metrics", "reason", "told"),
    [
        ((), "not_generating", "no answer within 30 s"),
        ((Metrics(), Metrics()), "not_generating", "no answer within 30 s"),
        ((Metrics(5), Metrics()), "not_generating", "no answer within 30 s"),
        ((Metrics(), Metrics(5)), "not_generating", "no answer within 30 s"),
        ((Metrics(5),), "not_generating", "no answer within 30 s"),
        ((Metrics(5), Metrics(5)), "not_generating", "its counters of tokens stand still"),
        ((Metrics(5), Metrics(1)), "not_generating", "its counters of tokens stand still"),
        ((Metrics(0), Metrics(0, 4, 60)), "not_generating", "its counters of tokens stand still"),
        ((Metrics(5), Metrics(6)), "busy", "0 requests run and 0 wait"),
        ((Metrics(5), Metrics(6, 4, 56)), "busy", "4 requests run and 56 wait; no answer within 30 s"),
        ((Metrics(5, asleep=True), Metrics(5)), "sleeping", "asleep"),
        ((Metrics(5), Metrics(6, asleep=True)), "sleeping", "asleep"),
        ((Metrics(float("nan")), Metrics(float("nan"))), "not_generating", "stand still"),
    ],
)
def test_silence(metrics: tuple[Metrics, ...], reason: str, told: str) -> None:
    verdict = judge_completion(LATE, metrics)
    assert verdict
    assert verdict.reason == reason
    assert told in verdict.msg


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (WRONG_MODEL, "The model `x` does not exist."),
        (NO_KEY, "Unauthorized"),
        ({"error": {"code": 1}}, ""),
        ({"error": {"message": 1}}, "1"),
        ({"error": None}, "detail"),
        ({"error": []}, "detail"),
        ({}, "detail"),
        (None, "detail"),
        ([1], "detail"),
    ],
)
def test_error_text(payload: Any, text: str) -> None:
    assert error_text(Answer(500, payload, detail="detail")) == text
