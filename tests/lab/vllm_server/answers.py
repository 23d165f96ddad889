# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a request to a response."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.lab.vllm_server.arguments import VERSION
from tests.lab.vllm_server.bodies import Answer, answer_error, answer_json, describe_models
from tests.lab.vllm_server.engine import Engine, EngineError, Token
from tests.lab.vllm_server.faults import ENGINE_DEAD, HANGS, find_fault
from tests.lab.vllm_server.hostile import distort
from tests.lab.vllm_server.metrics import render_metrics
from tests.lab.vllm_server.wire import Request, Response

DEFAULT_MAX_TOKENS = 16
EMPTY = Response(200, content_type=None)
NO_TEMPLATE = (
    "As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template "
    "if the tokenizer does not define one."
)


class Server:
    """What one server process knows: its arguments, its keys and its engine."""

    def __init__(self, arguments: argparse.Namespace, api_keys: list[str], engine: Engine) -> None:
        self.arguments = arguments
        self.engine = engine
        self.tokens = [f"Bearer {key}" for key in api_keys]
        self._adapters = dict(parse_adapter(word) for word in arguments.lora_modules)
        self.routes: dict[str, dict[str, Callable[[Request], Response]]] = {
            "/health": {"GET": self.health},
            "/ping": {"GET": self.health, "POST": self.health},
            "/version": {"GET": lambda _unused: answer_json(200, {"version": VERSION})},
            "/load": {"GET": lambda _unused: answer_json(200, {"server_load": self.engine.running})},
            "/metrics": {"GET": self.metrics},
            "/openapi.json": {"GET": self.openapi},
            "/v1/models": {"GET": self.models},
            "/v1/completions": {"POST": self.complete},
            "/v1/chat/completions": {"POST": self.chat},
            "/invocations": {"POST": self.invoke},
            "/tokenize": {"POST": self.tokenize},
            "/_lab/fault": {"GET": self.show_fault, "POST": self.set_fault},
        }

    @property
    def names(self) -> list[str]:
        """What it serves now; the first one is the default."""
        served, given = self.engine.fault.served, self.arguments.served_model_name
        return [served] if served else list(given)

    @property
    def adapters(self) -> dict[str, str]:
        """The path of each adapter that it serves now."""
        return {} if self.engine.fault.served else self._adapters

    def answer(self, request: Request) -> Response:
        """Answer one request, in the way of the fault that is in force."""
        path = request.path.partition("?")[0]
        fault = self.engine.fault
        if not fault.way or path.startswith("/_lab") or not path.startswith(fault.where):
            return self.route(request, path)
        if fault.way == HANGS:
            self.engine.wait_for_another(fault)
            return self.route(request, path)
        return distort(fault.way, request, self.route(request, path))

    def route(self, request: Request, path: str) -> Response:
        """The key is checked before everything else, and only below /v1."""
        if self.engine.fault.dies and not path.startswith("/_lab"):
            return answer_error(503, ENGINE_DEAD) if path != "/health" else Response(503, content_type=None)
        if path.startswith("/v1") and self.tokens and request.headers.get("authorization") not in self.tokens:
            return answer_json(401, {"error": "Unauthorized"})
        methods = self.routes.get(path)
        if methods is None:
            return answer_json(404, {"detail": "Not Found"})
        if request.method not in methods:
            return answer_json(405, {"detail": "Method Not Allowed"}, (("allow", ", ".join(methods)),))
        return methods[request.method](request)

    def health(self, _request: Request) -> Response:
        """200 and nothing, whatever state the engine is in short of dead."""
        failed = self.engine.fault.health_fails_after and self.engine.begun
        return EMPTY._replace(status=503) if failed else EMPTY

    def metrics(self, _request: Request) -> Response:
        """Prometheus text."""
        text = render_metrics(self.engine, self.names[0]).encode()
        return Response(200, text, "text/plain; version=1.0.0; charset=utf-8")

    def openapi(self, _request: Request) -> Response:
        """The routes, and no more."""
        paths: dict[str, dict[str, dict[str, str]]] = {
            path: {method.lower(): {} for method in methods}
            for path, methods in self.routes.items()
            if not path.startswith("/_lab")
        }
        return answer_json(200, {"openapi": "3.1.0", "info": {"title": "FastAPI", "version": "0.1.0"}, "paths": paths})

    def models(self, _request: Request) -> Response:
        """All served names and adapters."""
        given = self.arguments
        return answer_json(200, describe_models(self.names, given.model, given.max_model_len, self.adapters))

    def chat(self, request: Request) -> Response:
        """A chat completion."""
        body = parse_body(request)
        if not isinstance(body, dict):
            return answer_error(400, "[{'type': 'json_invalid', 'loc': ('body', 0), 'msg': 'JSON decode error'}]")
        if "messages" not in body:
            return answer_error(400, "[{'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required'}]")
        if not self.engine.fault.chat_template:
            return answer_error(400, NO_TEMPLATE)
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        words = " ".join(str(message.get("content")) for message in body["messages"])
        return self.generate(body, True, words, self.arguments.max_model_len if limit is None else limit)

    def complete(self, request: Request) -> Response:
        """A plain completion."""
        body = parse_body(request)
        if not isinstance(body, dict):
            return answer_error(400, "[{'type': 'json_invalid', 'loc': ('body', 0), 'msg': 'JSON decode error'}]")
        if "prompt" not in body:
            return answer_error(400, "Either prompt or prompt_embeds must be provided and non-empty.")
        limit = body.get("max_tokens")
        return self.generate(body, False, str(body["prompt"]), DEFAULT_MAX_TOKENS if limit is None else limit)

    def invoke(self, request: Request) -> Response:
        """SageMaker's name for either."""
        body = parse_body(request)
        return self.chat(request) if isinstance(body, dict) and "messages" in body else self.complete(request)

    def generate(self, body: dict[str, Any], chat: bool, prompt: str, limit: int) -> Response:
        """Answer with the model asked for, or the default one when none is."""
        asked = body.get("model") or self.names[0]
        if asked not in self.names and asked not in self.adapters:
            return answer_error(404, f"The model `{asked}` does not exist.", "model")
        if limit < 1:
            return answer_error(400, f"max_tokens must be at least 1, got {limit}.", "max_tokens")
        answer = Answer(chat, asked if asked in self.adapters else self.names[0], len(prompt.split()) or 1)
        tokens = self.engine.generate(answer.prompt_tokens, limit, bool(body.get("ignore_eos")))
        if body.get("stream"):
            options = body.get("stream_options") or {}
            events = answer.stream(end_quietly(tokens), bool(options.get("include_usage")))
            return Response(200, content_type="text/event-stream; charset=utf-8", stream=events)
        try:
            return answer_json(200, answer.whole(list(tokens)))
        except EngineError as error:
            return answer_error(error.status, str(error))

    def tokenize(self, request: Request) -> Response:
        """One token for each word."""
        body = parse_body(request)
        words = str(body.get("prompt", "")).split() if isinstance(body, dict) else []
        length = self.arguments.max_model_len
        return answer_json(200, {"count": len(words), "max_model_len": length, "tokens": list(range(len(words)))})

    def show_fault(self, _request: Request) -> Response:
        """For tests: what is in force."""
        return answer_json(200, {"fault": self.engine.fault._asdict()})

    def set_fault(self, request: Request) -> Response:
        """For tests: misbehave from now on, or (null) no longer."""
        body = parse_body(request)
        try:
            self.engine.set_fault(find_fault(body["fault"]))
        except (KeyError, TypeError):
            return answer_json(400, {"detail": f"no such fault: {body!r}"})
        return answer_json(200, {})


def parse_body(request: Request) -> Any:
    """The JSON of a request; None when it is not JSON."""
    try:
        return json.loads(request.body)
    except ValueError:
        return None


def parse_adapter(word: str) -> tuple[str, str]:
    """--lora-modules takes name=path or a JSON object."""
    if word.startswith("{"):
        given = json.loads(word)
        return given["name"], given["path"]
    name, _unused, path = word.partition("=")
    return name, path


def end_quietly(tokens: Iterator[Token]) -> Iterator[Token]:
    """A stream has sent its 200 already: an engine's error can only end it."""
    try:
        yield from tokens
    except EngineError:
        return
