# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting daemons of the lab, and waiting for them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.lab import state
from tests.lab.errors import StartError
from tests.lab.paths import REPOSITORY

LOOPBACK = "127.0.0.1"
_POLL = 0.05


class Watched(Protocol):
    """A process that should keep running, with the log that says why it does not."""

    @property
    def name(self) -> str: ...

    @property
    def log(self) -> Path: ...

    def has_ended(self) -> bool: ...


@dataclass(frozen=True)
class Daemon:
    """A process that this one started."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def has_ended(self) -> bool:
        return self.process.poll() is not None


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """A free port for each name. All are held until all are known, so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket()) for name in names}
        for entry in sockets.values():
            entry.bind((LOOPBACK, 0))
        return {name: entry.getsockname()[1] for name, entry in sockets.items()}


def environment(state_dir: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of everything the lab starts: it carries the lab's marker."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", **(extra or {}), state.MARKER: str(state_dir)}


def start(
    state_dir: Path,
    name: str,
    command: Sequence[str | Path],
    *,
    extra_environment: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
    folder: Path = REPOSITORY,
) -> Daemon:
    """Start a daemon in a session of its own, with its output in logs/<name>.log, and record it at once."""
    log = state_dir / "logs" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=environment(state_dir, extra_environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # It may have ended already: then there is nothing to record, and whoever waits for it says why.
    with contextlib.suppress(state.StateError):
        state.record(state_dir, name, process.pid, stop=stop)
    return Daemon(name, log, process)


def run(
    state_dir: Path,
    name: str,
    command: Sequence[str | Path],
    *,
    seconds: float,
    extra_environment: Mapping[str, str] | None = None,
    watched: Sequence[Watched] = (),
) -> None:
    """Run a command to its end, recorded meanwhile. It is ended when it takes too long or a watched process ends."""
    daemon = start(state_dir, name, command, extra_environment=extra_environment)
    try:
        wait_until(
            f"{name} to finish", lambda: None if daemon.has_ended() else "it still runs", watched, seconds, daemon.log
        )
    finally:
        state.end(state_dir, name, grace=0)
    if daemon.process.returncode:
        raise StartError(f"{name} failed with exit code {daemon.process.returncode}.", daemon.log)


def wait_until(
    what: str,
    problem: Callable[[], str | None],
    watched: Sequence[Watched],
    seconds: float,
    log: Path | None = None,
) -> None:
    """Poll until `problem` returns None. A watched process that ends meanwhile fails the wait at once."""
    deadline = time.monotonic() + seconds
    while reason := problem():
        for process in watched:
            if process.has_ended():
                raise StartError(f"{process.name} ended while the lab waited for {what}.", process.log)
        if time.monotonic() > deadline:
            raise StartError(
                f"Waited {seconds:.0f} s for {what} in vain: {reason}.",
                log or (watched[0].log if watched else None),
            )
        time.sleep(_POLL)
