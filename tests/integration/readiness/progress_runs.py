# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of ansible-playbook with a stand-in for the module: what they say, which processes and files they leave."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[2]
BIN = Path(sys.executable).parent
READY = "ai_aas.inference.vllm_ready"
# Long, since others may use the processors, too.
SECONDS = 120
PLACES = {
    "TMPDIR": "system",
    "HOME": "home",
    "ANSIBLE_HOME": "ansible",
    "ANSIBLE_LOCAL_TEMP": "local",
    "ANSIBLE_REMOTE_TEMP": "remote",
    "ANSIBLE_ASYNC_DIR": "async",
}
# A place that is not the controller, as far as its name says.
ELSEWHERE = '''
DOCUMENTATION = """
name: elsewhere
short_description: Somewhere else
description: Somewhere else.
author: nobody
extends_documentation_fragment: connection_pipelining
"""
from ansible.plugins.connection.local import Connection as Local
class Connection(Local):
    transport = "ai_aas.inference.elsewhere"
'''
IMPOSTOR = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
AnsibleModule({"lines": {"type": "list"}, "progress_file": {}}).exit_json(impostor=True)
"""


def collections(root: Path) -> Path:
    """Make a tree of collections with the plugin of this checkout, and a module for it."""
    ours, theirs = (root / "ansible_collections" / name / "plugins" for name in ("ai_aas/inference", "other/thing"))
    for folder in (ours / "action", ours / "modules", ours / "connection", theirs / "modules"):
        folder.mkdir(parents=True)
    (ours / "action" / "vllm_ready.py").symlink_to(CHECKOUT / "plugins" / "action" / "vllm_ready.py")
    (ours / "modules" / "vllm_ready.py").symlink_to(HERE / "progress_stand_in.py")
    (ours / "connection" / "elsewhere.py").write_text(ELSEWHERE)
    (theirs / "modules" / "vllm_ready.py").write_text(IMPOSTOR)
    return root


def until(holds: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait until something holds."""
    begin = time.monotonic()
    while not holds():
        assert time.monotonic() - begin < seconds, f"not within {seconds} s"
        time.sleep(0.02)


class Run:
    """One run of ansible-playbook in a session of its own. All it makes lies in `temporary`, but for its output."""

    def __init__(self, folder: Path, plays: list[Json], *words: str, **env: str) -> None:
        self.folder = folder
        self.temporary = folder / "temporary"
        self.marker = f"PROGRESS_TEST={uuid.uuid4()}"
        for name in PLACES.values():
            (self.temporary / name).mkdir(parents=True)
        env = {**os.environ, **{key: str(self.temporary / name) for key, name in PLACES.items()}, **env}
        env["ANSIBLE_NOCOLOR"] = "1"
        env["PROGRESS_TEST"] = self.marker.partition("=")[2]
        (folder / "play.yml").write_text(yaml.safe_dump(plays, sort_keys=False))
        command = [str(BIN / "ansible-playbook"), "play.yml", "-i", "a,b,c,", *words]
        with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
            self.process = subprocess.Popen(
                command, env=env, cwd=folder, stdin=-3, stdout=stdout, stderr=stderr, start_new_session=True
            )

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def begun(self) -> int:
        """How many modules have begun."""
        return len(list(self.folder.glob("begun.*")))

    def wait(self) -> int:
        """The exit code, once there is one."""
        return self.process.wait(SECONDS)

    def results(self, task: str) -> list[Json]:
        """What a JSON stdout callback says of a task, by host."""
        tasks = [each for play in json.loads(self.stdout)["plays"] for each in play["tasks"]]
        return [result for each in tasks if each["task"]["name"] == task for result in each["hosts"].values()]

    def processes(self) -> list[int]:
        """The processes of this run that exist, whoever their parent is."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.marker.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def others(self) -> list[int]:
        """The workers and modules: all but ansible-playbook itself."""
        return [pid for pid in self.processes() if pid != self.process.pid]

    def workers(self) -> list[int]:
        """The children of ansible-playbook that lead sessions."""
        own = self.process.pid
        return [pid for pid in self.processes() if os.getsid(pid) == pid != own and parent_of(pid) == own]

    def left(self) -> list[str]:
        """The files and folders that exist of this run, but for the places themselves."""
        found = []
        # Unlike Path.rglob it bears that they vanish.
        for top, folders, files in os.walk(self.temporary):
            found += [os.path.relpath(os.path.join(top, name), self.temporary) for name in folders + files]
        return [path for path in found if os.sep in path]

    def end(self) -> None:
        """Leave no process, whatever became of the run."""
        for _unused in range(3):
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@contextlib.contextmanager
def running(folder: Path, plays: list[Json], *words: str, **env: str) -> Iterator[Run]:
    """A run with the stand-in, of which nothing is left afterwards."""
    own = Run(folder, plays, *words, **{"ANSIBLE_COLLECTIONS_PATH": str(collections(folder / "tree")), **env})
    try:
        yield own
    finally:
        own.end()


def play(*tasks: Json, hosts: str = "a", **more: Any) -> Json:
    """A play on this machine."""
    own = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    return {"hosts": hosts, "gather_facts": False, "vars": own, **more, "tasks": list(tasks)}


def task(name: str, **arguments: Any) -> Json:
    """A task that says its name."""
    return {"name": name, READY: {"lines": [f"1.0 s  {name}"], **arguments}}
