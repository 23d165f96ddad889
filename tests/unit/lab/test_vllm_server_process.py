# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in as a process: its arguments, its start, its end."""

from __future__ import annotations

import concurrent.futures
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.lab.vllm_server.arguments import parse_arguments
from tests.lab.vllm_server.faults import FAULTS


@contextmanager
def started(*words: str, port: int = 0, **env: str) -> Iterator[subprocess.Popen[str]]:
    """A server's process, by default on a port that the kernel chooses."""
    command = [sys.executable, "-S", "-m", "tests.lab.vllm_server", "serve", "org/m", "--port", str(port), *words]
    environment = {**os.environ, "LAB_VLLM_LOAD_SECONDS": "0", **env}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def announced_port(process: subprocess.Popen[str]) -> int:
    """Wait until a server says where it listens."""
    for line in process.stderr or ():
        if "Starting vLLM API server" in line:
            return int(line.rpartition(":")[2])
    raise AssertionError("the server ended before it listened")


@contextmanager
def running(*words: str, **env: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server that listens, and its port: it logs both at once."""
    with started(*words, port=0, **env) as process:
        yield process, announced_port(process)


def wait_busy(port: int, seconds: float = 10) -> None:
    """Until a request is in the engine."""
    deadline = time.monotonic() + seconds
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/load", timeout=5) as response:
            if json.loads(response.read())["server_load"]:
                return
        assert time.monotonic() < deadline, "no request runs"


def post(port: int, path: str, body: Any) -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.loads(response.read())


def test_it_listens_once_it_has_loaded_and_ends_with_0() -> None:
    begin = time.monotonic()
    with running(LAB_VLLM_LOAD_SECONDS="0.5") as (process, port):
        assert time.monotonic() - begin >= 0.5
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
            assert response.read() == b""
        process.terminate()
        assert process.wait(5) == 0


def test_what_runs_when_it_is_told_to_end_is_aborted() -> None:
    with running() as (process, port), concurrent.futures.ThreadPoolExecutor() as pool:
        body = {"prompt": "x", "max_tokens": 100000, "ignore_eos": True}
        pending = pool.submit(post, port, "/v1/completions", body)
        wait_busy(port)
        process.terminate()
        assert pending.result(5)["choices"][0]["finish_reason"] == "abort"
        assert process.wait(5) == 0


def test_with_a_shutdown_timeout_what_runs_may_finish() -> None:
    with running("--shutdown-timeout", "8") as (process, port), concurrent.futures.ThreadPoolExecutor() as pool:
        pending = pool.submit(post, port, "/v1/completions", {"prompt": "x", "max_tokens": 100, "ignore_eos": True})
        wait_busy(port)
        process.terminate()
        assert pending.result(5)["choices"][0]["finish_reason"] == "length"
        assert process.wait(5) == 0


def test_a_frozen_engine_hangs_until_it_is_healthy_again() -> None:
    with running(LAB_VLLM_FAULT="frozen") as (_process, port), concurrent.futures.ThreadPoolExecutor() as pool:
        pending = pool.submit(post, port, "/v1/completions", {"prompt": "x", "max_tokens": 1})
        with pytest.raises(TimeoutError):
            pending.result(0.5)
        post(port, "/_lab/fault", {"fault": None})
        assert pending.result(5)["usage"]["completion_tokens"] == 1


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.exit_code is not None])
def test_start_failures_exit_with_their_code_and_say_why(name: str) -> None:
    fault = FAULTS[name]
    with started(LAB_VLLM_FAULT=name) as process:
        _unused, text = process.communicate(timeout=10)
    assert process.returncode == fault.exit_code
    for line in fault.log:
        assert line.replace("{model}", "org/m") in text


def test_an_unknown_flag_exits_with_2() -> None:
    with started("--no-such-flag", "1") as process:
        _unused, text = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "vllm: error: unrecognized arguments: --no-such-flag" in text


def test_a_port_in_use_exits_with_1() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with started(port=taken.getsockname()[1]) as process:
            _unused, text = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "[Errno 98] Address already in use" in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["m"], {"model": "m", "served_model_name": ["m"], "port": 8000}),
        (["serve", "m", "--served-model-name", "a", "b"], {"served_model_name": ["a", "b"]}),
        (["--model", "m", "--port=9", "--host", "::"], {"model": "m", "port": 9, "host": "::"}),
        (
            ["m", "--max_model_len=4K", "--tensor_parallel_size", "2"],
            {"max_model_len": 4096, "tensor_parallel_size": 2},
        ),
        (["m", "--max-model-len", "auto"], {"max_model_len": 131072}),
        (["m", "--enable-lora", "--lora-modules", "x=/y", "--no-enable-prefix-caching"], {"lora_modules": ["x=/y"]}),
        (["m", "--gpu-memory-utilization=0.9", "--dtype", "auto", "--shutdown-timeout=8"], {"shutdown_timeout": 8.0}),
    ],
)
def test_arguments(words: list[str], expected: dict[str, Any]) -> None:
    assert expected.items() <= vars(parse_arguments(words)).items()
