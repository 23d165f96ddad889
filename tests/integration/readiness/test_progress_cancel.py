# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever ends ansible-playbook ends its modules: within a second, and without leaving a file."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.readiness.progress_runs import READY, SECONDS, Json, Run, play, running, task, until

# One module on each host; the one that ignores signals has to go, too.
ENDINGS = {"ending": "{{ {'a': 'well', 'b': 'stubborn', 'c': 'stubborn'}[inventory_hostname] }}"}


def ctrl_c(run: Run) -> None:
    """What a terminal does."""
    os.killpg(run.process.pid, signal.SIGINT)


def interrupt(run: Run) -> None:
    os.kill(run.process.pid, signal.SIGINT)


def terminate(run: Run) -> None:
    os.kill(run.process.pid, signal.SIGTERM)


def awx_cancel(run: Run) -> None:
    """What AWX does, in the order in which it does it."""
    terminate(run)
    kill(run)


def kill(run: Run) -> None:
    """What ansible-runner does."""
    os.killpg(run.process.pid, signal.SIGKILL)


def a_second() -> float:
    """A second, or as long as it takes where others use the processors, too."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def waiting(tmp_path: Path, **more: object) -> list[Json]:
    files = {"begun": str(tmp_path / "begun"), "until": str(tmp_path / "never")}
    return [play({**task("wait", **{**files, **ENDINGS, **more})}, hosts="all")]


@pytest.mark.parametrize("is_followed", [True, False], ids=["with progress", "without"])
@pytest.mark.parametrize(
    ("cancel", "codes"), [(ctrl_c, {99}), (interrupt, {99}), (terminate, {-15}), (awx_cancel, {-15, -9}), (kill, {-9})]
)
def test_a_cancelled_run_leaves_nothing(
    cancel: Callable[[Run], None], codes: set[int], is_followed: bool, tmp_path: Path
) -> None:
    with running(tmp_path, waiting(tmp_path, progress=is_followed)) as own:
        until(lambda: own.begun() == 3)
        assert len(own.workers()) == 3
        assert len(own.processes()) >= 1 + 3 * 2
        cancel(own)
        until(lambda: own.others() == [] == own.left(), a_second())
        assert own.wait() in codes


def test_a_worker_that_dies_takes_the_module_s_file_with_it(tmp_path: Path) -> None:
    """The module sees by that that it is alone: its parent is a shell, which lives on."""
    with running(tmp_path, waiting(tmp_path, ending="heedful")) as own:
        until(lambda: own.begun() == 3)
        for worker in own.workers():
            os.kill(worker, signal.SIGKILL)
        until(lambda: own.others() == [], a_second())
        assert own.wait() == 1
        assert [path for path in own.left() if not path.startswith("remote/")] == []


def test_a_task_that_takes_too_long_leaves_no_module(tmp_path: Path) -> None:
    """The alarm is core's own; here it goes off once the modules run."""
    (slow,) = waiting(tmp_path, ending="well")
    slow["tasks"][0]["timeout"] = 600
    with running(tmp_path, [slow]) as own:
        until(lambda: own.begun() == 3)
        for worker in own.workers():
            os.kill(worker, signal.SIGALRM)
        assert own.wait() == 2
        assert own.stdout.count("Timed out after 600 second(s)") >= 3
        until(lambda: own.processes() == [] == own.left(), a_second())


@pytest.mark.parametrize("cancel", [ctrl_c, kill])
def test_the_module_itself_ends_with_its_run(cancel: Callable[[Run], None], tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        asked: Json = {READY: {"model": "m", "url": url, "timeout": 60}}
        with running(tmp_path, [play(asked)], ANSIBLE_COLLECTIONS_PATH=str(tmp_path)) as own:
            # It has connected, and waits for an answer.
            silent.settimeout(SECONDS)
            silent.accept()
            cancel(own)
            until(lambda: own.others() == [] == own.left(), a_second())
