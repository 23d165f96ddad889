# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin vllm_ready: which tasks show their progress, and how it runs the module."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible_collections.ai_aas.inference.plugins.action import vllm_ready
from ansible_collections.ai_aas.inference.plugins.action.vllm_ready import ActionModule, Guard, limit_of


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Ansible's Display was told to show."""
    lines: list[str] = []
    own = SimpleNamespace(display=lambda line, stderr: lines.append(line))
    monkeypatch.setattr(vllm_ready, "Display", lambda: own)
    return lines


class Action(ActionModule):
    """The plugin with a stand-in for the module: it keeps what it was called with and what it saw then."""

    def __init__(self, transport: str = "local", become: str = "", **task: Any) -> None:
        plugin = SimpleNamespace(get_option={"become_user": become}.get) if become else None
        shell = SimpleNamespace(tmpdir="/there", get_option={"admin_users": ["root"]}.get)
        connection = SimpleNamespace(transport=transport, become=plugin, _shell=shell, get_option={}.__getitem__)
        attributes = {"async_val": 0, "check_mode": False, "no_log": False, "environment": [{"A": "b"}], "args": {}}
        own = SimpleNamespace(**{**attributes, "_uuid": str(id(self)), **task})
        super().__init__(own, connection, SimpleNamespace(remote_user="me"), None, None, None)
        self.said: list[str] = []
        self.called: dict[str, Any] = {}
        self.modes: list[str] = []
        self.failure: Exception | None = None

    def _execute_module(self, name: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
        self.called = {"name": name, "arguments": arguments, "environment": self._task.environment, **more}
        if (path := arguments.get("progress_file", "/mine")) != "/mine":
            self.modes = [oct(os.stat(each).st_mode & 0o7777) for each in (os.path.dirname(path), path)]
            Path(path).write_text("".join(f"{line}\n" for line in self.said))
        if self.failure:
            raise self.failure
        return {"ready": True}


@pytest.fixture
def local_tmp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    return tmp_path


def test_a_task_shows_its_progress(local_tmp: Path, screen: list[str]) -> None:
    action = Action(args={"model": "m"})
    action.said = ["loading"]
    variables = {"inventory_hostname": "demo"}
    assert action.run(task_vars=variables) == {"ready": True}
    assert screen == ["demo: loading"]
    folder = Path(action.called["arguments"].pop("progress_file")).parent
    assert folder.parent == local_tmp
    assert action.called.pop("environment") == [{"A": "b"}, {"TMPDIR": str(folder)}]
    asked = {"name": "ai_aas.inference.vllm_ready", "arguments": {"model": "m"}}
    assert action.called == {**asked, "task_vars": variables, "wrap_async": 0}
    assert action.modes == ["0o700", "0o600"]
    assert action._task.environment == [{"A": "b"}]
    assert list(local_tmp.iterdir()) == []


@pytest.mark.parametrize("told", [True, "yes", "true", 1, None, False, "no", "False", 0, "maybe", []])
def test_the_option_progress(told: object, local_tmp: Path) -> None:
    """The module gets it as it is, and says what is wrong with it."""
    action = Action(args={"progress": told})
    action.run()
    assert ("progress_file" in action.called["arguments"]) is (told in (True, "yes", "true", None))
    assert action.called["arguments"]["progress"] == told


@pytest.mark.parametrize(
    "task",
    [
        {"no_log": True},
        {"async_val": 30},
        {"transport": "ssh"},
        {"become": "nobody"},
        {"args": {"progress_file": "/mine"}},
    ],
    ids=str,
)
def test_tasks_without_progress(task: dict[str, Any], local_tmp: Path) -> None:
    action = Action(**task)
    assert action.run() == {"ready": True}
    assert action.called["arguments"] == task.get("args", {})
    assert action.called["wrap_async"] == task.get("async_val", 0)
    is_here = "no_log" in task or "args" in task
    assert (len(action.called["environment"]) == 2) is is_here


@pytest.mark.parametrize("become", ["me", "root"])
def test_a_user_that_may_write_there(become: str, local_tmp: Path) -> None:
    action = Action(become=become)
    action.run()
    assert "progress_file" in action.called["arguments"]


def test_nothing_is_left_when_the_module_cannot_run(local_tmp: Path, screen: list[str]) -> None:
    action = Action()
    action.said = ["loading"]
    action.failure = OSError("no such interpreter")
    with pytest.raises(OSError, match="no such interpreter"):
        action.run()
    assert screen == ["localhost: loading"]
    assert action._task.environment == [{"A": "b"}]
    assert list(local_tmp.iterdir()) == []


@pytest.mark.parametrize(
    ("variables", "interval"),
    [({}, 0.5), ({"awx_job_id": 1}, 10), ({"tower_job_id": 1}, 10), ({"awx_job_name": "x"}, 0.5)],
    ids=str,
)
def test_awx_has_a_limit_of_its_own(
    variables: dict[str, Any], interval: float, local_tmp: Path, screen: list[str]
) -> None:
    action = Action(_uuid=f"a task with {variables}")
    action.said = ["loading"]
    action.run(task_vars=variables)
    limits = [limit_of(action._task._uuid, in_awx) for in_awx in (False, True)]
    assert [limit.interval for limit in limits if limit.shown] == [interval]


def test_outside_of_a_worker_no_signal_is_touched(local_tmp: Path) -> None:
    before = [signal.getsignal(number) for number in vllm_ready.ENDING]
    with Guard(lambda: None) as guard:
        assert guard.previous == {}
        assert [signal.getsignal(number) for number in vllm_ready.ENDING] == before
        guard.__exit__(OSError)
    assert not vllm_ready.parent_is_gone()
