# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of processes, with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import state

Spawn = Callable[..., "subprocess.Popen[bytes]"]

# Says when its handler is in place, then ignores the polite signal.
_STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Starts processes and kills whatever a test left of them."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **environ: str) -> subprocess.Popen[bytes]:
        words = command or ("sleep", "600")
        process = subprocess.Popen(words, env={**os.environ, **environ}, stdout=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_recorded_process_lives_until_it_ends(tmp_path: Path, spawn: Spawn) -> None:
    process = spawn()
    state.record(tmp_path, "one", process.pid)
    assert state.living(tmp_path) == {"one": process.pid}
    process.kill()
    process.wait()
    assert state.living(tmp_path) == {}


def test_a_zombie_is_not_alive(tmp_path: Path, spawn: Spawn) -> None:
    process = spawn()
    state.record(tmp_path, "one", process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert state.living(tmp_path) == {}


def test_names_may_hold_slashes_and_dots(tmp_path: Path, spawn: Spawn) -> None:
    name = "default/llama-3.1-8b.0"
    process = spawn()
    state.record(tmp_path, name, process.pid)
    assert state.living(tmp_path) == {name: process.pid}
    state.forget(tmp_path, name)
    state.forget(tmp_path, name)
    assert state.living(tmp_path) == {}


@pytest.mark.parametrize("changed", ["started", "boot"])
def test_a_reused_pid_is_never_signalled(tmp_path: Path, spawn: Spawn, changed: str) -> None:
    process = spawn()
    state.record(tmp_path, "one", process.pid)
    path = tmp_path / "pids" / "one.json"
    content = json.loads(path.read_text())
    content[changed] = 1 if changed == "started" else "another-boot"
    path.write_text(json.dumps(content))
    assert state.living(tmp_path) == {}
    state.end_all(tmp_path, grace=1)
    assert process.poll() is None


def test_a_process_that_has_ended_cannot_be_recorded(tmp_path: Path, spawn: Spawn) -> None:
    process = spawn("true")
    process.wait()
    with pytest.raises(state.StateError, match="Cannot record one"):
        state.record(tmp_path, "one", process.pid)


def test_end_all_asks_first_and_kills_what_does_not_listen(tmp_path: Path, spawn: Spawn) -> None:
    polite, stubborn = spawn(), spawn(sys.executable, "-c", _STUBBORN)
    assert stubborn.stdout is not None
    assert stubborn.stdout.readline() == b"ready\n"
    state.record(tmp_path, "polite", polite.pid)
    state.record(tmp_path, "stubborn", stubborn.pid)
    state.end_all(tmp_path, grace=0.3)
    assert polite.wait(5) == -signal.SIGTERM
    assert stubborn.wait(5) == -signal.SIGKILL
    assert not list((tmp_path / "pids").iterdir())


def test_end_uses_the_recorded_signal(tmp_path: Path, spawn: Spawn) -> None:
    process = spawn()
    state.record(tmp_path, "one", process.pid, stop=signal.SIGINT)
    state.end(tmp_path, "one", grace=5)
    assert process.wait(5) == -signal.SIGINT


def test_end_all_finds_unrecorded_processes_by_the_marker(tmp_path: Path, spawn: Spawn) -> None:
    marked = spawn(**{state.MARKER: str(tmp_path)})
    other = spawn(**{state.MARKER: f"{tmp_path}-other"})
    assert set(state.marked(tmp_path)) == {marked.pid}
    state.end_all(tmp_path, grace=1)
    assert marked.wait(5) == -signal.SIGKILL
    assert other.poll() is None


def test_nothing_recorded_is_no_error(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert state.living(missing) == {}
    state.end_all(missing, grace=0)
    state.end(missing, "one", grace=0)
