# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a router serves or denies a model, and what it is sent."""

from __future__ import annotations

import http.server
import itertools
import json
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Answer
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.serving import judge_route
from ansible_collections.ai_aas.inference.plugins.modules import model_route

pytestmark = pytest.mark.usefixtures("successes_at_once")

TOKEN = {"choices": [{"text": "", "finish_reason": "length"}], "usage": {"completion_tokens": 1}}
KEY = "key-of-a-client"


@pytest.mark.parametrize(
    ("answer", "expect", "ready", "reason", "severity"),
    [
        (Answer(200, TOKEN), "served", True, None, "heals"),
        (Answer(404, {"error": "no such model"}), "served", False, "denied", "heals"),
        (Answer(502), "served", False, "server_error", "heals"),
        (Answer(401), "served", False, "unauthorised", "permanent"),
        (Answer(error="tls", detail="x"), "served", False, "tls_mismatch", "permanent"),
        (Answer(error="refused", detail="x"), "served", False, "not_serving", "heals"),
        (Answer(200, {"choices": []}), "served", False, "not_generating", "heals"),
        (Answer(200, None, detail="<html>"), "served", False, "not_generating", "heals"),
        (Answer(400, {"error": "no chat template"}), "served", False, "refused", "heals"),
        (Answer(429), "served", False, "busy", "heals"),
        (Answer(302, detail="leads to /login"), "served", False, "not_vllm", "heals"),
        (Answer(error="timeout", detail="x"), "served", False, "not_generating", "heals"),
        (Answer(error="resolve", detail="x"), "served", False, "not_serving", "heals"),
        (Answer(404), "denied", True, None, "heals"),
        (Answer(200, TOKEN), "denied", False, "served", "heals"),
        (Answer(502), "denied", False, "server_error", "heals"),
        (Answer(error="timeout", detail="x"), "denied", False, "not_generating", "heals"),
        (Answer(401), "denied", False, "unauthorised", "heals"),
        (Answer(400), "denied", False, "refused", "heals"),
        (Answer(200, {"choices": []}), "denied", False, "not_generating", "heals"),
    ],
)
def test_verdict(answer: Answer, expect: str, ready: bool, reason: str | None, severity: str) -> None:
    verdict = judge_route(answer, expect)
    assert (verdict.ready, verdict.reason, verdict.severity) == (ready, reason, severity)


STATUSES = [None, 200, 302, 400, 401, 403, 404, 429, 500, 502, 503]
PAYLOADS: list[Any] = [None, {}, [], TOKEN, {**TOKEN, "usage": {"completion_tokens": 0}}, {"error": "x"}]
ERRORS = [None, "closed", "refused", "timeout", "tls", "malformed", "resolve"]


def test_what_counts_for_each_expectation() -> None:
    """A token for the one, and a 404 for the other: whatever else comes proves neither."""
    for answer in itertools.starmap(Answer, itertools.product(STATUSES, PAYLOADS, ERRORS)):
        check_expectations(answer)


def check_expectations(answer: Answer) -> None:
    assert judge_route(answer, "served").ready == (answer == Answer(200, TOKEN))
    if not answer.error:
        assert judge_route(answer, "denied").ready == (answer.status == 404)
    for expect in ("served", "denied"):
        verdict = judge_route(answer, expect)
        assert verdict.ready == (verdict.reason is None)
        assert verdict.msg.startswith("The router ")


class Router(http.server.BaseHTTPRequestHandler):
    """Answers who has the key, as the real one does."""

    seen: list[tuple[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.path, body))
        self.send_response(200 if self.headers["X-API-Key"] == KEY else 401)
        self.end_headers()
        self.wfile.write(json.dumps(TOKEN).encode())

    def log_request(self, *_details: object) -> None:
        """Say nothing."""


@pytest.fixture
def router() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    seen: list[tuple[str, Any]] = []
    handler = type("Handler", (Router,), {"seen": seen})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/development", seen
        server.shutdown()
        thread.join()


def ask(check_mode: bool = False, **params: Any) -> dict[str, Any]:
    defaults = {name: option.get("default") for name, option in model_route.ARGUMENTS.items()}
    module: Any = SimpleNamespace(params={**defaults, "model": "m", **params}, check_mode=check_mode)
    return model_route.execute(module)


def test_the_key_is_sent_as_the_router_wants_it(router: tuple[str, list[tuple[str, Any]]]) -> None:
    url, seen = router
    assert ask(router_url=url, router_api_key=KEY)["route"] == "served"
    assert {path for path, _body in seen} == {"/development/v1/completions"}
    assert seen[0][1] == {"model": "m", "max_tokens": 1, "temperature": 0, "prompt": "Hi"}


def test_a_wrong_key_fails_at_once_and_is_not_told(router: tuple[str, list[tuple[str, Any]]]) -> None:
    url, seen = router
    with pytest.raises(InferenceError) as failed:
        ask(router_url=url, router_api_key="wrong-key")
    assert len(seen) == 1
    assert failed.value.result["reason"] == "unauthorised"
    assert "wrong-key" not in failed.value.message


def test_a_chat_is_asked_for(router: tuple[str, list[tuple[str, Any]]]) -> None:
    url, seen = router
    assert ask(router_url=f"{url}/v1/", router_api_key=KEY, api="chat")["route"] == "served"
    assert {path for path, _body in seen} == {"/development/v1/chat/completions"}
    assert seen[0][1]["messages"] == [{"role": "user", "content": "Hi"}]


def test_check_mode_asks_once_and_does_not_fail(router: tuple[str, list[tuple[str, Any]]]) -> None:
    url, seen = router
    result = ask(check_mode=True, router_url=url, router_api_key=KEY, expect="denied")
    assert (result["route"], result["reason"], result["changed"]) == ("unverified", "served", False)
    assert len(seen) == 1


def test_the_time_for_a_route_ends(router: tuple[str, list[tuple[str, Any]]]) -> None:
    url, _seen = router
    with pytest.raises(InferenceError, match="Model m is not denied by the router after") as failed:
        ask(router_url=url, router_api_key=KEY, expect="denied", timeout=0.0)
    assert failed.value.result["route"] == "unverified"
    assert failed.value.remedy


@pytest.mark.parametrize("url", ["router", "ftp://router", "http://router:x"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(InvalidInputError, match="Invalid url"):
        ask(router_url=url)


def test_without_a_router_it_says_so() -> None:
    result = ask()
    assert result["skipped"]
    assert result["route"] == "unverified"
