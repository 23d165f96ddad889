# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of a wait, as ansible-playbook shows it: on stderr, while the module runs, where it is wanted."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.readiness.progress_runs import READY, Json, Run, play, running, task, until

JSON_OUTPUT = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
SECRET = "the-name-that-nobody-may-read"
OFF = [
    task("off", progress=False),
    task("off as text", progress="no"),
    {**task("off by a template", progress="{{ not wanted }}"), "vars": {"wanted": True}},
    {**task("off by default"), "module_defaults": {READY: {"progress": False}}},
]
ON = [
    task("on", progress=True),
    task("omitted", progress="{{ omit }}"),
    {**task("on by a template", progress="{{ wanted }}"), "vars": {"wanted": True}},
    {**task("checked"), "check_mode": True},
    {**task("twice", lines=["1.0 s  turn {{ item }}"]), "loop": [1, 2]},
]
ELSEWHERE = [
    {**task("elsewhere"), "vars": {"ansible_connection": "ai_aas.inference.elsewhere"}},
    {**task("awaited"), "async": 30, "poll": 1},
    {**task("started"), "async": 30, "poll": 0, "register": "job"},
    {
        "name": "looked at",
        "ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"},
        "register": "state",
        "until": "state.finished",
        "retries": 50,
        "delay": 0.2,
    },
]
BAD_ENDS = [
    {**task("failing", ending="failed"), "ignore_errors": True},
    {**task("dying", ending="killed"), "ignore_errors": True},
]
OTHERS = [
    {**task("hidden", lines=[SECRET]), "no_log": True},
    {**task("not the other"), "collections": ["other.thing"]},
    {**task("the short name"), "collections": ["ai_aas.inference", "other.thing"]},
]
OTHERS[-1]["vllm_ready"] = OTHERS[-1].pop(READY)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run of many tasks, with a JSON stdout callback."""
    plays = [play(*OFF, *ON, *ELSEWHERE, *BAD_ENDS, *OTHERS)]
    with running(tmp_path_factory.mktemp("everything"), plays, **JSON_OUTPUT) as own:
        assert own.wait() == 0, own.stdout + own.stderr
        yield own


def names(tasks: list[Json]) -> list[str]:
    return [each["name"] for each in tasks]


def test_lines_are_shown_where_they_are_wanted(everything: Run) -> None:
    lines = [line for line in everything.stderr.splitlines() if line.startswith("a: ")]
    wanted = ["on", "omitted", "on by a template", "checked", "turn 1", "turn 2", *names(BAD_ENDS)]
    assert lines == [f"a: 1.0 s  {name}" for name in [*wanted, "not the other", "the short name"]]


@pytest.mark.parametrize("name", [*names(OFF), "elsewhere", "awaited", "looked at"])
def test_a_module_runs_without_being_followed(name: str, everything: Run) -> None:
    (result,) = everything.results(name)
    assert result["followed"] is False


def test_a_job_is_started_in_the_background(everything: Run) -> None:
    (started,) = everything.results("started")
    assert (started["started"], started["finished"]) == (1, 0)


def test_check_mode_reaches_the_module(everything: Run) -> None:
    (result,) = everything.results("checked")
    assert result["check_mode"] is True


def test_a_bad_end_is_told(everything: Run) -> None:
    (failed,), (died,) = (everything.results(name) for name in names(BAD_ENDS))
    assert (failed["failed"], failed["msg"]) == (True, "told to fail")
    assert died["failed"] is True


def test_what_no_log_hides_is_not_shown(everything: Run) -> None:
    assert "censored" in everything.results("hidden")[0]
    assert SECRET not in everything.stdout + everything.stderr


@pytest.mark.parametrize("name", names(OTHERS[1:]))
def test_no_other_collection_s_module_runs(name: str, everything: Run) -> None:
    (result,) = everything.results(name)
    assert result["followed"] is True
    assert "impostor" not in result


def test_nothing_is_left(everything: Run) -> None:
    # The watchers of the two jobs end a little later.
    until(lambda: everything.processes() == [])
    assert [path for path in everything.left() if not path.startswith("async/")] == []


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_several_hosts_are_told_apart_while_their_modules_run(strategy: str, tmp_path: Path) -> None:
    go = tmp_path / "go"
    asked = task("wait", lines=["1.0 s  m of {{ inventory_hostname }}"], until=str(go))
    with running(tmp_path, [play(asked, hosts="all", strategy=strategy)], "--forks=3", **JSON_OUTPUT) as own:
        until(lambda: own.stderr.count("\n") == 3)
        assert sorted(own.stderr.splitlines()) == [f"{host}: 1.0 s  m of {host}" for host in "abc"]
        assert own.stdout == ""
        go.touch()
        assert own.wait() == 0
        assert [result["followed"] for result in own.results("wait")] == [True] * 3
        assert own.left() == []


@pytest.mark.parametrize("variable", ["awx_job_id", "tower_job_id"])
def test_awx_gets_few_lines(variable: str, tmp_path: Path) -> None:
    """Two hosts say the same three things. The one that AWX runs shows the first and the last."""
    in_awx: Json = {"ansible.builtin.set_fact": {variable: 7}, "when": "inventory_hostname == 'a'"}
    chatty: Json = {READY: {"lines": ["first"], "until": str(tmp_path / "go")}}
    with running(tmp_path, [play(in_awx, chatty, hosts="a,b")]) as own:
        until(lambda: own.stderr.count(": first\n") == 2)
        files = list(own.temporary.glob("local/*/vllm_ready.*/progress"))
        assert [oct(path.stat().st_mode & 0o777) for path in files] == ["0o600"] * 2
        append(files, b"\x1b[31msec\xffond\x07\n")
        until(lambda: "b: sec\ufffdond\n" in own.stderr)
        append(files, b"third\n")
        (tmp_path / "go").touch()
        assert own.wait() == 0
        assert re.findall("^a: (.+)$", own.stderr, re.MULTILINE) == ["first", "third"]
        assert re.findall("^b: (.+)$", own.stderr, re.MULTILINE) == ["first", "sec\ufffdond", "third"]


def append(files: list[Path], text: bytes) -> None:
    for path in files:
        with path.open("ab") as file:
            file.write(text)


@pytest.mark.parametrize("flag", [[], ["--check"]], ids=str)
def test_the_module_itself_is_followed(flag: list[str], tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"model": "m", "timeout": 0.2, "interval": 0.1}
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        arguments["url"] = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with running(tmp_path, [play({READY: arguments})], *flag, ANSIBLE_COLLECTIONS_PATH=str(tmp_path)) as own:
            assert own.wait() == (0 if flag else 2)
            assert re.search(r"^a: +\d+\.\d s  .*\w: .*\w", own.stderr, re.MULTILINE), own.stdout + own.stderr
            assert own.left() == []
