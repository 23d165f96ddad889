# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of a vLLM server, as version 0.32.0 was seen to give them."""

from __future__ import annotations

from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Answer

MODELS = Answer(200, {"object": "list", "data": [{"id": "m", "object": "model"}, {"id": "alias", "parent": "m"}]})
HEALTHY = Answer(200)
REFUSED = Answer(error="refused", detail="Connection refused")
LATE = Answer(error="timeout", detail="no answer within 30 s")
WRONG_MODEL = {"error": {"message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}}
NO_KEY = {"error": "Unauthorized"}
ENGINE_DEAD = {"error": {"message": "EngineCore encountered an issue.", "type": "InternalServerError", "code": 500}}
NO_FUTURES = {"error": {"message": "cannot schedule new futures after shutdown", "code": 500}}


def completion(tokens: Any = 1, finish: Any = "length", text: Any = "") -> Answer:
    return Answer(200, {"choices": [{"text": text, "finish_reason": finish}], "usage": {"completion_tokens": tokens}})


def chat(message: Any, tokens: Any = 8) -> Answer:
    choice = {"index": 0, "message": message, "finish_reason": "length"}
    return Answer(200, {"choices": [choice], "usage": {"completion_tokens": tokens}})


def proxy_status(code: int, message: str) -> Answer:
    """What the API server's proxy says of itself."""
    return Answer(code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code})
