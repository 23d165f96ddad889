# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that forks one child for each line that it reads, which changes the registry and is killed meanwhile.

Forked, because hundreds of them are needed and each import takes longer than what it is for. Run by test_killed as
`python -m tests.integration.registry.mortal`; it ends with its input.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import pytest

from tests.lab.paths import REPOSITORY

from .conftest import Registry, Server
from .moments import Moment, observe

NEVER = 0


@dataclass(frozen=True)
class Errand:
    """A change, and at which of its moments the process that makes it is killed."""

    port: int
    layout: str
    # `entry` or `sync`.
    call: str
    params: dict[str, Any]
    # Counted from 1.
    fatal: int = NEVER
    # Put before the process id, as the name of the connection.
    name: str = ""


class End(NamedTuple):
    """How the child ended: the moments that it came to, and whether it was killed at the last one."""

    moments: list[str]
    killed: bool

    @property
    def committed(self) -> bool:
        return "after COMMIT" in self.moments


class Mortals:
    """Starts the process, and has children forked and killed by it."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.integration.registry.mortal"]
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def send(self, errand: Errand) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asdict(errand)) + "\n")
        self._process.stdin.flush()

    def end(self) -> End:
        """How the child of the last errand ended. One that failed by itself fails the test."""
        assert self._process.stdout
        answer = json.loads(self._process.stdout.readline())
        assert answer["status"] in (0, -signal.SIGKILL), answer["text"]
        return End(answer["text"].splitlines(), answer["status"] != 0)

    def run(self, errand: Errand, fatal: int) -> End:
        self.send(replace(errand, fatal=fatal))
        return self.end()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def main() -> None:
    for line in sys.stdin:
        errand = Errand(**json.loads(line))
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _be_killed(errand, writer)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as file:
            text = file.read()
        _pid, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "text": text}), flush=True)


def _be_killed(errand: Errand, notes: int) -> None:
    """Run the errand, and do not return from it."""
    count = 0

    def observer(moment: Moment) -> None:
        nonlocal count
        count += 1
        os.write(notes, f"{moment}\n".encode())
        if count == errand.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    status = 1
    try:
        with pytest.MonkeyPatch.context() as patch:
            observe(patch, observer, cache=True)
            registry = Registry(Server(errand.port), errand.layout)
            url = f"{registry.url}?application_name={errand.name}{os.getpid()}"
            call = {"entry": registry.entry, "sync": registry.sync}[errand.call]
            call(**{"database_url": url, **errand.params})
        status = 0
    except BaseException:
        os.write(notes, traceback.format_exc().encode())
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
