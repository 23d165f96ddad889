# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON of answers and errors, exactly as vLLM writes it."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

from tests.lab.vllm_server.engine import Token
from tests.lab.vllm_server.wire import Response

COUNTER = itertools.count(1)
ERROR_TYPES = {400: "BadRequestError", 404: "NotFoundError", 500: "InternalServerError", 503: "ServiceUnavailable"}


def answer_json(status: int, document: Any, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """A response with a JSON body, without spaces as Starlette writes it."""
    return Response(status, encode(document), headers=headers)


def encode(document: Any) -> bytes:
    """JSON as bytes."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def answer_error(status: int, message: str, param: str | None = None) -> Response:
    """An error as an object; only the one for a wrong API key is a string."""
    kind = ERROR_TYPES[status]
    return answer_json(status, {"error": {"message": message, "type": kind, "param": param, "code": status}})


def describe_models(names: list[str], root: str, max_model_len: int, adapters: dict[str, str]) -> dict[str, Any]:
    """The list at /v1/models: one entry for each served name, then one for each adapter."""
    entries: list[tuple[str, str, str | None, int | None]] = [(name, root, None, max_model_len) for name in names]
    entries += [(name, path, names[0], None) for name, path in adapters.items()]
    now = int(time.time())
    return {
        "object": "list",
        "data": [
            {
                "id": name,
                "object": "model",
                "created": now,
                "owned_by": "vllm",
                "root": path,
                "parent": parent,
                "max_model_len": length,
                "permission": [],
            }
            for name, path, parent, length in entries
        ],
    }


class Answer:
    """One answer in the making: a chat's or a completion's."""

    def __init__(self, chat: bool, model: str, prompt_tokens: int) -> None:
        self.chat = chat
        self.prompt_tokens = prompt_tokens
        self.head = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{next(COUNTER):032x}",
            "object": "chat.completion" if chat else "text_completion",
            "created": int(time.time()),
            "model": model,
        }

    def whole(self, tokens: list[Token]) -> dict[str, Any]:
        """The body when nothing is streamed."""
        text, reason = "".join(token.text for token in tokens), tokens[-1].finish_reason
        made = sum(token.made for token in tokens)
        content: dict[str, Any] = {"text": text}
        if self.chat:
            content = {"message": {"role": "assistant", "content": text, "refusal": None, "tool_calls": []}}
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": reason, "stop_reason": None}
        return {**self.head, "choices": [choice], "usage": self.usage(made), "system_fingerprint": None}

    def stream(self, tokens: Iterator[Token], include_usage: bool) -> Iterator[bytes]:
        """Server-sent events, one for each token."""
        made = 0
        if self.chat:
            yield self._event({"delta": {"role": "assistant", "content": ""}}, None)
        for token in tokens:
            made += token.made
            content = {"delta": {"content": token.text}} if self.chat else {"text": token.text}
            yield self._event(content, token.finish_reason)
        if include_usage:
            yield b"data: %s\n\n" % encode({**self._chunk_head(), "choices": [], "usage": self.usage(made)})
        yield b"data: [DONE]\n\n"

    def usage(self, made: int) -> dict[str, Any]:
        """What was read and written."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": self.prompt_tokens + made,
            "completion_tokens": made,
            "prompt_tokens_details": None,
        }

    def _chunk_head(self) -> dict[str, Any]:
        return {**self.head, "object": "chat.completion.chunk"} if self.chat else self.head

    def _event(self, content: dict[str, Any], finish_reason: str | None) -> bytes:
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": finish_reason}
        return b"data: %s\n\n" % encode({**self._chunk_head(), "choices": [choice]})
