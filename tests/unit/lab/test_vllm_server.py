# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stand-in answers, route by route."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.vllm_server.answers import Server
from tests.lab.vllm_server.arguments import parse_arguments
from tests.lab.vllm_server.engine import Engine
from tests.lab.vllm_server.faults import FAULTS, HEALTHY, Fault
from tests.lab.vllm_server.wire import Request, Response

ARGUMENTS = [
    "serve",
    "org/m",
    "--served-model-name",
    "a",
    "b",
    "--lora-modules",
    "l=/adapters/l",
    "--max-model-len",
    "8k",
]
KEY = {"authorization": "Bearer k"}


def start(fault: Fault = HEALTHY, *words: str) -> Server:
    return Server(parse_arguments([*ARGUMENTS, *words]), ["k"], Engine(fault, token_seconds=0))


def ask(server: Server, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Response:
    headers = KEY if headers is None else headers
    return server.answer(Request(method, path, headers, b"" if body is None else json.dumps(body).encode()))


def complete(server: Server, **body: Any) -> Any:
    return json.loads(ask(server, "POST", "/v1/completions", {"prompt": "hi you", **body}).body)


@pytest.mark.parametrize(
    ("method", "path", "key", "status", "body"),
    [
        ("GET", "/health", False, 200, ""),
        ("HEAD", "/health", False, 405, '{"detail":"Method Not Allowed"}'),
        ("POST", "/health", False, 405, '{"detail":"Method Not Allowed"}'),
        ("GET", "/ping", False, 200, ""),
        ("POST", "/ping", False, 200, ""),
        ("GET", "/version", False, 200, '{"version":"0.32.0"}'),
        ("GET", "/load", False, 200, '{"server_load":0}'),
        ("GET", "/ready", False, 404, '{"detail":"Not Found"}'),
        ("GET", "/v1/models", False, 401, '{"error":"Unauthorized"}'),
        ("HEAD", "/v1/models", True, 405, '{"detail":"Method Not Allowed"}'),
        ("GET", "/v1/models/a", True, 404, '{"detail":"Not Found"}'),
        ("GET", "/v1/models/a", False, 401, '{"error":"Unauthorized"}'),
        ("GET", "/v1/completions", True, 405, '{"detail":"Method Not Allowed"}'),
    ],
)
def test_routes_methods_and_the_key(method: str, path: str, key: bool, status: int, body: str) -> None:
    response = ask(start(), method, path, headers=KEY if key else {})
    assert (response.status, response.body.decode()) == (status, body)


def test_the_key_is_checked_before_the_model() -> None:
    response = ask(start(), "POST", "/v1/completions", {"model": "wrong", "prompt": "x"}, {})
    assert (response.status, response.body) == (401, b'{"error":"Unauthorized"}')


def test_models_lists_each_name_and_each_adapter() -> None:
    listed = json.loads(ask(start(), "GET", "/v1/models").body)["data"]
    assert [(entry["id"], entry["root"], entry["parent"], entry["max_model_len"]) for entry in listed] == [
        ("a", "org/m", None, 8000),
        ("b", "org/m", None, 8000),
        ("l", "/adapters/l", "a", None),
    ]


def test_a_wrong_model_is_a_404_with_an_object() -> None:
    response = ask(start(), "POST", "/v1/completions", {"model": "x", "prompt": "hi"})
    assert response.status == 404
    assert json.loads(response.body)["error"] == {
        "message": "The model `x` does not exist.",
        "type": "NotFoundError",
        "param": "model",
        "code": 404,
    }


@pytest.mark.parametrize(
    ("body", "model", "text", "made", "reason"),
    [
        ({"model": "a", "max_tokens": 1}, "a", "", 1, "length"),
        ({"model": "b", "max_tokens": 3}, "a", " The answer", 3, "length"),
        ({"max_tokens": 2}, "a", " The", 2, "length"),
        ({"model": "l", "max_tokens": 2}, "l", " The", 2, "length"),
        ({"max_tokens": 20, "ignore_eos": True}, "a", None, 20, "length"),
        ({}, "a", None, 15, "stop"),
    ],
)
def test_completions(body: Any, model: str, text: str | None, made: int, reason: str) -> None:
    answer = complete(start(), **body)
    choice = answer["choices"][0]
    assert (answer["model"], answer["usage"]["completion_tokens"], choice["finish_reason"]) == (model, made, reason)
    assert answer["usage"]["prompt_tokens"] == 2
    assert text is None or choice["text"] == text


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/completions", {}, 400),
        ("/v1/completions", {"prompt": "x", "max_tokens": 0}, 400),
        ("/v1/chat/completions", {"prompt": "x"}, 400),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 1}, 200),
        ("/invocations", {"messages": [{"role": "user", "content": "x"}]}, 200),
        ("/invocations", {"prompt": "x"}, 200),
        ("/tokenize", {"prompt": "x"}, 200),
    ],
)
def test_bodies_are_checked(path: str, body: Any, status: int) -> None:
    assert ask(start(), "POST", path, body).status == status


def test_a_stream_is_server_sent_events() -> None:
    body = {"messages": [], "stream": True, "max_tokens": 2, "stream_options": {"include_usage": True}}
    response = ask(start(), "POST", "/v1/chat/completions", body)
    assert response.stream is not None
    *events, done = [part.decode().removeprefix("data: ").strip() for part in response.stream]
    assert done == "[DONE]"
    choices = [json.loads(event)["choices"] for event in events]
    assert [entry[0]["finish_reason"] for entry in choices[:-1]] == [None, None, "length"]
    assert choices[-1] == []


def test_metrics_have_the_real_names_and_count() -> None:
    server = start()
    complete(server, max_tokens=3)
    text = ask(server, "GET", "/metrics").body.decode()
    for line in (
        'vllm:num_requests_running{engine="0",model_name="a"} 0.0',
        'vllm:num_requests_waiting{engine="0",model_name="a"} 0.0',
        'vllm:request_success_total{engine="0",finished_reason="length",model_name="a"} 1.0',
        'vllm:generation_tokens_total{engine="0",model_name="a"} 3.0',
        f"process_start_time_seconds {server.engine.started_at!r}",
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize(
    ("fault", "health", "status", "text"),
    [
        ("nan", 200, 200, ""),
        ("error-500", 200, 500, None),
        ("dies-at-first-token", 200, 500, None),
        ("engine-dead", 503, 503, None),
    ],
)
def test_faults_that_answer(fault: str, health: int, status: int, text: str | None) -> None:
    server = start(FAULTS[fault])
    assert ask(server, "GET", "/health").status == health
    response = ask(server, "POST", "/v1/completions", {"prompt": "x", "max_tokens": 4})
    assert response.status == status
    if text is None:
        assert json.loads(response.body)["error"]["message"].startswith("EngineCore encountered an issue.")
    else:
        choice = json.loads(response.body)["choices"][0]
        assert (choice["text"], choice["finish_reason"]) == (text, "length")


def test_without_a_chat_template_only_chats_fail() -> None:
    server = start(FAULTS["no-chat-template"])
    assert ask(server, "POST", "/v1/chat/completions", {"messages": []}).status == 400
    assert ask(server, "POST", "/v1/completions", {"prompt": "x"}).status == 200


def test_a_dead_engine_ends_the_server() -> None:
    server = start(FAULTS["dies-at-first-token"])
    ask(server, "POST", "/v1/completions", {"prompt": "x"})
    assert server.engine.dead.wait(2)


def test_an_overloaded_server_is_busy_in_its_metrics_while_tokens_advance() -> None:
    server = start(FAULTS["overloaded"])
    text = ask(server, "GET", "/metrics").body.decode()
    assert 'vllm:num_requests_waiting{engine="0",model_name="a"} 56.0' in text
    server.engine._fault_since -= 1
    assert server.engine.tokens_made() > 0


def test_an_aborted_generation_says_so() -> None:
    server = start()
    server.engine.abort()
    answer = complete(server, max_tokens=5)
    assert (answer["choices"][0]["finish_reason"], answer["usage"]["completion_tokens"]) == ("abort", 0)


def test_a_draining_server_refuses_completions_and_is_healthy() -> None:
    server = start()
    server.engine.draining = True
    response = ask(server, "POST", "/v1/completions", {"prompt": "x"})
    assert response.status == 500
    assert b"cannot schedule new futures after shutdown" in response.body
    assert ask(server, "GET", "/health").status == 200


@pytest.mark.parametrize(("fault", "status"), [("frozen", 200), (None, 200), ("nonsense", 400)])
def test_faults_are_switched_at_run_time(fault: str | None, status: int) -> None:
    server = start()
    assert ask(server, "POST", "/_lab/fault", {"fault": fault}, {}).status == status
    assert server.engine.fault == (FAULTS["frozen"] if fault == "frozen" else HEALTHY)
