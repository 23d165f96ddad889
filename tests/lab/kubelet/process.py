# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of this machine, in the event loop, without a thread for each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.lab import state

Sink = Callable[[str, bytes], None]
"""Gets ("stdout" or "stderr", data); empty data ends that stream."""

READ_SIZE = 65536
SECONDS_FOR_OUTPUT = 1.0
"""How long output is read on when the process has ended but one of its children holds the pipe."""


class Process:
    """A child in a session of its own, recorded as the lab's."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str], folder: Path, sink: Sink) -> None:
        """Start it. OSError if that is impossible."""
        self.child = subprocess.Popen(
            list(words),
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = self.child.pid
        self.killed = False
        """Whether it was this kubelet that sent SIGKILL."""
        self.ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._record: tuple[Path, str] | None = None
        self._open: dict[str, int] = {}
        self._closed = asyncio.Event()
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._pidfd, self._on_end)
        for name, pipe in (("stdout", self.child.stdout), ("stderr", self.child.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._open[name] = pipe.fileno()
                self._loop.add_reader(pipe.fileno(), self._read, name, sink)

    def record(self, state_dir: Path, name: str) -> None:
        """Let the lab clean it up if this kubelet cannot."""
        with contextlib.suppress(state.StateError):  # it has ended already
            state.record(state_dir, name, self.pid)
        self._record = state_dir, name

    @property
    def exit_code(self) -> int:
        """As a container runtime counts: 128 and more for a signal."""
        code = self.child.returncode
        return 128 - code if code < 0 else code

    @property
    def was_killed_by_others(self) -> bool:
        """SIGKILL came from elsewhere, as the kernel's does when memory is short."""
        return self.child.returncode == -signal.SIGKILL and not self.killed

    def terminate(self) -> None:
        """SIGTERM to the process, as to a container's first one."""
        if not self.ended.is_set():
            self.child.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to it and to all it started."""
        self.killed = self.killed or not self.ended.is_set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def wait(self) -> int:
        """Until it has ended and its output is read."""
        await self.ended.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS_FOR_OUTPUT):
                await self._closed.wait()
        for name in list(self._open):
            self._close(name)
        return self.exit_code

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        # Whatever it started ends with it, before its pid can be another's.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.child.wait()
        if self._record:
            state.forget(*self._record)
        self.ended.set()

    def _read(self, name: str, sink: Sink) -> None:
        try:
            data = os.read(self._open[name], READ_SIZE)
        except BlockingIOError:
            return
        sink(name, data)
        if not data:
            self._close(name)

    def _close(self, name: str) -> None:
        self._loop.remove_reader(self._open.pop(name))
        pipe = self.child.stdout if name == "stdout" else self.child.stderr
        if pipe is not None:
            pipe.close()
        if not self._open:
            self._closed.set()


class Nothing:
    """Stands for the process of a container that has none here."""

    killed = False
    was_killed_by_others = False
    exit_code = 0

    def __init__(self, finishes: bool) -> None:
        self.ended = asyncio.Event()
        if finishes:
            self.ended.set()

    def terminate(self) -> None:
        """It obeys."""
        self.ended.set()

    kill = terminate

    async def wait(self) -> int:
        """Until told to end."""
        await self.ended.wait()
        return 0
