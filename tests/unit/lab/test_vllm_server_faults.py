# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of an engine, of single routes and of a process, as a client sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.vllm_server.faults import FAULTS
from tests.unit.lab.vllm_client import (
    BODY,
    COMPLETIONS,
    MODELS,
    ask,
    connected,
    hangs,
    in_force,
    is_healthy,
    process,
    request,
    serving,
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as number:
        yield number


@pytest.mark.parametrize(
    ("fault", "status", "expected"),
    [
        ("draining", 500, {"message": "cannot schedule new futures after shutdown", "type": "InternalServerError"}),
        ("error-400", 400, {"message": "This model's maximum context length is 0 tokens.", "type": "BadRequestError"}),
        ("error-string", 500, "EngineCore encountered an issue. See stack trace (above) for the root cause."),
        ("aborts", 200, ("abort", 0)),
        ("zero-tokens", 200, ("stop", 0)),
        ("no-usage", 200, ("length", None)),
    ],
)
def test_completions_that_fail(port: int, fault: str, status: int, expected: Any) -> None:
    with in_force(port, fault):
        answer = ask(port, COMPLETIONS, BODY)
        assert answer.status == status
        if isinstance(expected, dict):
            assert answer.document["error"].items() >= expected.items()
        elif isinstance(expected, str):
            assert answer.document == {"error": expected}
        else:
            usage = answer.document.get("usage") or {}
            ended = answer.document["choices"][0]["finish_reason"]
            assert (ended, usage.get("completion_tokens")) == expected
        assert ("usage" in answer.document) == (fault in ("aborts", "zero-tokens"))
        assert ask(port, MODELS).document["data"][0]["id"] == "a"
        assert is_healthy(port)


def metric(port: int, name: str) -> float:
    """The value of the first line that begins so."""
    lines = ask(port, "/metrics").body.decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@pytest.mark.parametrize(("fault", "awake"), [("sleeping", 0.0), ("paused", 1.0)])
def test_an_engine_that_does_nothing_shows_it_in_its_metrics_alone(port: int, fault: str, awake: float) -> None:
    with in_force(port, fault):
        before = ask(port, "/metrics").body
        assert hangs(port, COMPLETIONS, BODY)
        assert ask(port, "/metrics").body == before
        assert ask(port, MODELS).status == 200
        assert is_healthy(port)
        label = 'vllm:engine_sleep_state{engine="0",model_name="a",sleep_state='
        assert metric(port, label + '"awake"') == awake
        assert metric(port, label + '"weights_offloaded"') == 1 - awake


def test_flaky_answers_each_second_completion_with_500(port: int) -> None:
    with in_force(port, "flaky"):
        assert [ask(port, COMPLETIONS, BODY).status for _unused in range(4)] == [200, 500, 200, 500]


def test_health_can_fail_after_a_completion(port: int) -> None:
    with in_force(port, "health-fails-after"):
        assert is_healthy(port)
        assert ask(port, COMPLETIONS, BODY).status == 200
        assert ask(port, "/health").status == 503
        assert ask(port, COMPLETIONS, BODY).status == 200


def test_another_model_can_take_the_place(port: int) -> None:
    with in_force(port, "other-model"):
        assert [entry["id"] for entry in ask(port, MODELS).document["data"]] == ["someone-else"]
        assert ask(port, COMPLETIONS, {**BODY, "model": "a"}).status == 404
        assert ask(port, COMPLETIONS, {**BODY, "model": "someone-else"}).document["model"] == "someone-else"


@pytest.mark.parametrize(("fault", "path"), [("models-hang", MODELS), ("metrics-hang", "/metrics")])
def test_a_path_can_hang_until_the_fault_is_gone(port: int, fault: str, path: str) -> None:
    with connected(port) as connection:
        with in_force(port, fault):
            assert hangs(port, path)
            assert is_healthy(port)
            request(connection, path)
        assert connection.getresponse().status == 200


def test_what_hangs_is_one_path_or_more(port: int) -> None:
    with in_force(port, "models-hang"):
        assert ask(port, COMPLETIONS, BODY).status == 200
    with in_force(port, "metrics-hang"):
        assert hangs(port, COMPLETIONS, BODY)
        assert ask(port, MODELS).status == 200


@pytest.mark.parametrize(
    ("fault", "ids"),
    [("models-empty", []), ("models-not-a-list", "a b"), ("names-null", [None, None, "none", "none"])],
)
def test_lists_of_models_that_are_wrong(port: int, fault: str, ids: Any) -> None:
    with in_force(port, fault):
        data = ask(port, MODELS).document["data"]
        assert (data if isinstance(data, str) else [entry.get("id", "none") for entry in data]) == ids
        assert ask(port, COMPLETIONS, BODY).status == 200


def test_a_server_can_end_after_its_first_token() -> None:
    with process(LAB_VLLM_FAULT="dies-after-token") as (server, port):
        answer = ask(port, COMPLETIONS, BODY)
        assert (answer.status, answer.document["usage"]["completion_tokens"]) == (200, 1)
        assert server.wait(5) == 0


@pytest.mark.parametrize("at_start", [True, False])
def test_a_server_can_stop_listening_and_live(at_start: bool) -> None:
    with process(LAB_VLLM_FAULT="stops-listening" if at_start else "") as (server, port):
        if not at_start:
            assert ask(port, "/_lab/fault", {"fault": "stops-listening"}).status == 200
        with pytest.raises(ConnectionRefusedError):
            is_healthy(port)
        assert server.poll() is None
        server.terminate()
        assert server.wait(5) == 0


@pytest.mark.parametrize(
    ("fault", "code", "text"),
    [
        ("port-in-use", 1, "OSError: [Errno 98] Address already in use"),
        ("no-kv-cache", 1, "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_util"),
        ("model-too-long", 1, "ValueError: The model's max seq len (131072) is larger than the maximum number of tok"),
        ("tensor-parallel", 1, "World size (4) is larger than the number of available GPUs (1)"),
        ("no-driver", 1, "RuntimeError: Failed to infer device type"),
        ("no-driver", 1, "no NVIDIA driver"),
        ("disk-full", 1, "OSError: [Errno 28] No space left on device"),
        ("hub-unreachable", 1, "couldn't connect to 'https://huggingface.co'"),
        ("hub-unauthorised", 1, "401 Client Error"),
        ("hub-unauthorised", 1, "Invalid username or password."),
        ("segfault", 139, "Segfault encountered"),
    ],
)
def test_what_failed_starts_say(fault: str, code: int, text: str) -> None:
    assert FAULTS[fault].exit_code == code
    assert text in "\n".join(FAULTS[fault].log)


def test_a_silent_crash_says_nothing() -> None:
    assert (FAULTS["silent-crash"].exit_code, FAULTS["silent-crash"].log) == (1, ())
