# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a pod that serves: its requests end before SIGTERM, after which vLLM aborts them."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.chart.rendering import CHART, Helm, Manifest, rendered
from tests.unit.chart.servers import serve

GONE, DEAF = ConnectionRefusedError(), TimeoutError("timed out")
METRICS = """# HELP vllm:num_requests_running Number of requests in model execution batches.
vllm:num_requests_running{engine="0",model_name="a b"} 2.0
vllm:num_requests_waiting{engine="0",model_name="a b"} 1.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 8.0
vllm:num_requests_running{engine="1",model_name="a b"} 1e+00
"""
IDLE = "vllm:num_requests_running 0.0\nvllm:num_requests_waiting 0.0\n"


def load(name: str) -> ModuleType:
    """Import a file of the chart."""
    spec = importlib.util.spec_from_file_location(name, CHART / "files" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DRAIN = load("drain")


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.now += seconds


def counting(readings: list[float | Exception]) -> Callable[[], float]:
    """Return what gives these readings one after the other, and the last for ever."""
    left: Iterator[float | Exception] = iter(readings)
    last: list[float | Exception] = [0.0]

    def count() -> float:
        reading = last[0] = next(left, last[0])
        if isinstance(reading, Exception):
            raise reading
        return reading

    return count


@pytest.mark.parametrize(
    ("readings", "remains", "seconds"),
    [
        ([0], None, 0.5),
        ([3, 2, 0, 0], None, 1.5),
        ([3, 0, 1, 0, 0], None, 2),
        ([GONE], None, 0),
        ([2, GONE], None, 0.5),
        ([DEAF, DEAF, 0, 0], None, 1.5),
        ([0, DEAF, 0, 0], None, 1.5),
        ([4], "4 requests", 10),
        ([DEAF], "no metrics (timed out)", 10),
        ([ValueError("none of requests")], "no metrics (none of requests)", 10),
    ],
    ids=[
        "idle", "until the last", "one more came in", "server gone", "server went", "deaf, then idle", "deaf between",
        "never done", "deaf", "no such metrics",
    ],
)  # fmt: skip
def test_drain(readings: list[float | Exception], remains: str | None, seconds: float) -> None:
    clock = Clock()
    assert DRAIN.drain(counting(readings), 10, lambda: clock.now, clock.sleep) == remains
    assert clock.now == seconds


def test_requests_are_counted_by_the_names_that_vllm_has() -> None:
    with serve(200, METRICS) as url:
        assert DRAIN.read(url) == 4


@pytest.mark.parametrize(("status", "body"), [(500, METRICS), (200, "process_start_time_seconds 1.0\n")])
def test_server_that_does_not_say(status: int, body: str) -> None:
    with serve(status, body) as url, pytest.raises((OSError, ValueError)) as raised:
        DRAIN.read(url)
    assert not isinstance(raised.value, ConnectionRefusedError)


def test_server_that_is_gone() -> None:
    with serve(200, "") as url:
        pass
    with pytest.raises(ConnectionRefusedError):
        DRAIN.read(url)


def test_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with serve(200, IDLE) as url:
        assert DRAIN.read(url) == 0


# The hook


def hook(helm: Helm, url: str, **drain: int) -> list[str]:
    """Return the hook's command, with a server of this machine."""
    words: list[str] = pre_stop(helm, **drain)["exec"]["command"]
    assert words[-1] == "http://127.0.0.1:8000/metrics"
    return [*words[:-1], url]


def pre_stop(helm: Helm, **drain: int) -> Manifest:
    """Return the preStop hook."""
    found: Manifest = rendered(helm, drain=drain).container["lifecycle"]["preStop"]
    return found


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a hook with nothing but one folder on its PATH."""
    environment = {"PATH": str(folder)}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=20)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with a shell and a `sleep` that says how long it would have slept."""
    (tmp_path / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    (tmp_path / "sleep").write_text('#!/bin/sh\necho "slept $1"\n', encoding="utf-8")
    (tmp_path / "sleep").chmod(0o755)
    return tmp_path


def add_python(folder: Path) -> None:
    """Put Python into it as well."""
    (folder / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    (folder / "python3").chmod(0o755)


def test_hook_sleeps_then_drains(helm: Helm, programs: Path) -> None:
    add_python(programs)
    with serve(200, IDLE) as url:
        done = run(hook(helm, url, preStopSleepSeconds=7, requestsSeconds=90), programs)
    assert (done.returncode, done.stdout, done.stderr) == (0, "slept 7\n", "")


def test_hook_says_what_was_left(helm: Helm, programs: Path) -> None:
    add_python(programs)
    with serve(200, METRICS) as url:
        done = run([*hook(helm, url, requestsSeconds=90)[:-2], "0", url], programs)
    assert (done.returncode, done.stderr) == (1, "not drained after 0 s: 4 requests\n")


def test_hook_without_python_waits_the_whole_time(helm: Helm, programs: Path) -> None:
    done = run(hook(helm, "http://127.0.0.1:9", preStopSleepSeconds=7, requestsSeconds=90), programs)
    assert (done.returncode, done.stdout, done.stderr) == (0, "slept 7\nslept 90\n", "")


def test_hook_of_a_sleep_alone(helm: Helm) -> None:
    assert pre_stop(helm, preStopSleepSeconds=20, requestsSeconds=0) == {"sleep": {"seconds": 20}}


def test_no_sleep_no_drain_no_hook(helm: Helm) -> None:
    assert "lifecycle" not in rendered(helm, drain={"preStopSleepSeconds": 0, "requestsSeconds": 0}).container


@pytest.mark.parametrize(
    ("drain", "seconds"),
    [
        ({}, 15 + 60 + 5 + 15 + 15),
        ({"preStopSleepSeconds": 20, "requestsSeconds": 300, "shutdownTimeoutSeconds": 30}, 20 + 300 + 5 + 30 + 15),
        ({"preStopSleepSeconds": 0, "requestsSeconds": 0, "shutdownTimeoutSeconds": 0}, 15),
    ],
    ids=["default", "long", "none"],
)
def test_grace_period_covers_all_of_it(helm: Helm, drain: dict[str, Any], seconds: int) -> None:
    assert rendered(helm, drain=drain).pod["spec"]["terminationGracePeriodSeconds"] == seconds
