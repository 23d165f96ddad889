# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the progress of a wait on stderr while its module runs, and ends the module with its run."""

from __future__ import annotations

import functools
import math
import multiprocessing
import os
import re
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ansible import constants
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

# A full name: a short one would be looked up in the collections that the play lists.
MODULE = "ai_aas.inference.vllm_ready"
SECONDS_BETWEEN_LOOKS = 0.2
MOST_CHARACTERS = 500
MOST_BYTES = 64 * 1024
ENDING = (signal.SIGINT, signal.SIGTERM)
SECONDS_FOR_THE_PARENT = 0.5
# Strings with what they hold, control sequences, and every other escape.
ESCAPES = re.compile(
    r"(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f]).*?(?:\x07|\x1b\\|\x9c|$)|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?"
)


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs the module of the same name and shows the lines that it writes into a file."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, with progress if it is a process of this worker that may write where the worker does."""
        super().run(tmp, task_vars)
        known, environment = task_vars or {}, self._task.environment
        is_near = self._connection.transport == "local" and not self._is_become_unprivileged()
        if self._task.async_val or not is_near:
            return self._module_result(known)
        with tempfile.TemporaryDirectory("", "vllm_ready.", constants.DEFAULT_LOCAL_TMP, True) as self._folder:
            # What the module would leave when it is killed lies in there, too.
            self._task.environment = [*(environment or ()), {"TMPDIR": self._folder}]
            try:
                with Guard(self._remove_files) as guard:
                    return self._followed_result(known, guard.showing)
            finally:
                self._task.environment = environment

    def _followed_result(self, task_vars: dict[str, Any], showing: threading.Lock) -> dict[str, Any]:
        """Run the module while its progress is shown, unless the task is to show none."""
        told = self._task.args.get("progress")
        is_off = self._task.no_log or not (told is None or boolean(told, strict=False))
        # Whoever names a file reads it.
        if is_off or self._task.args.get("progress_file"):
            return self._module_result(task_vars)
        path = Path(self._folder, "progress")
        path.touch(mode=0o600)
        limit = limit_of(self._task._uuid, bool({"awx_job_id", "tower_job_id"} & task_vars.keys()))
        with Follower(path, f"{task_vars.get('inventory_hostname', 'localhost')}: ", limit, showing):
            return self._module_result(task_vars, progress_file=str(path))

    def _module_result(self, task_vars: dict[str, Any], **more: str) -> dict[str, Any]:
        """Run the module with the task's arguments and these."""
        how = {"task_vars": task_vars, "wrap_async": self._task.async_val}
        result: dict[str, Any] = self._execute_module(MODULE, {**self._task.args, **more}, **how)
        return result

    def _remove_files(self) -> None:
        """Remove what a killed worker leaves: this task's folders, and all of the run's once nobody else will."""
        made_by_core = self._connection._shell.tmpdir
        folders = [self._folder, made_by_core] if self._should_remove_tmp_path(made_by_core) else [self._folder]
        for folder in [*folders, constants.DEFAULT_LOCAL_TMP] if parent_is_gone() else folders:
            shutil.rmtree(folder, ignore_errors=True)


def parent_is_gone() -> bool:
    """Tell whether this is a process that has outlived the one that started it."""
    parent = multiprocessing.parent_process()
    return parent is not None and os.getppid() != parent.pid


def start(target: Callable[[], None]) -> threading.Thread:
    """Start a thread that takes no signals: the main thread, which handles them, would sleep on."""
    thread = threading.Thread(target=target, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    thread.start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread


@dataclass
class Limit:
    """Says what is shown: the latest line once in `interval` seconds, and at the end; `most` lines in all."""

    interval: float
    most: float
    clock: Callable[[], float]
    latest: str | None = None
    shown: int = 0
    next_at: float = -math.inf

    def take(self, at_end: bool = False) -> str | None:
        """Return the line to show now, if there is one."""
        now = self.clock()
        # One is kept for the end.
        is_due = self.shown < self.most if at_end else self.shown < self.most - 1 and now >= self.next_at
        if self.latest is None or not is_due:
            return None
        line, self.latest = self.latest, None
        self.shown, self.next_at = self.shown + 1, now + self.interval
        return line


@functools.cache
def limit_of(task: str, in_awx: bool) -> Limit:
    """Return the limit of a task, which all turns of its loop share. AWX keeps every line as an event."""
    return Limit(10, 200, time.monotonic) if in_awx else Limit(0.5, math.inf, time.monotonic)


def printable(text: str) -> str:
    """Return a line without what a terminal would obey, cut to the most that is shown."""
    line = "".join(letter if letter.isprintable() else " " for letter in ESCAPES.sub("", text)).rstrip()
    return line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS - 1] + "…"


@dataclass
class Tail:
    """Reads the lines that are added to a file. Of more than MOST_BYTES since the last time, it reads the end."""

    file: BinaryIO
    rest: bytes = b""
    has_lost: bool = False

    def read(self, at_end: bool = False) -> list[str]:
        """Return the lines that ended since the last call; at the end, also one that has not ended."""
        size = os.fstat(self.file.fileno()).st_size
        if size - self.file.tell() > MOST_BYTES:
            self.file.seek(size - MOST_BYTES)
            self.rest, self.has_lost = b"", True
        *lines, rest = (self.rest + self.file.read(MOST_BYTES)).split(b"\n")
        self.rest = rest[:MOST_BYTES]
        if self.has_lost:  # the beginning of the first one
            self.has_lost, self.rest = not lines, self.rest if lines else b""
            lines = lines[1:]
        if at_end and self.rest:
            lines.append(self.rest)
        return [line.decode(errors="replace") for line in lines]


@dataclass
class Follower:
    """Shows the lines that are added to a file, as a context manager that ends with the last line shown."""

    path: Path
    prefix: str
    limit: Limit
    showing: threading.Lock
    ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Follower:
        self.thread = start(self.follow)
        return self

    def __exit__(self, *_unused: object) -> None:
        self.ended.set()
        self.thread.join()

    def follow(self) -> None:
        """Show what is there and what comes, until the module has ended."""
        with self.path.open("rb", buffering=0) as file:
            tail = Tail(file)
            while not self.ended.wait(SECONDS_BETWEEN_LOOKS):
                self.look(tail)
            self.look(tail, at_end=True)

    def look(self, tail: Tail, at_end: bool = False) -> None:
        """Show a line if there is one to show."""
        for line in tail.read(at_end):
            if printable(line).strip():
                self.limit.latest = printable(self.prefix + line)
        if (due := self.limit.take(at_end)) is not None:
            with self.showing:
                Display().display(due, stderr=True)


@dataclass
class Guard:
    """Ends what this worker started when the worker is told to end or its parent is gone, as a context manager.

    ansible-core makes each worker the leader of a session, so no signal to ansible-playbook's process group reaches
    it or its module. It passes on SIGINT and SIGTERM; a SIGKILL, as AWX sends it, leaves both of them running.
    """

    remove_files: Callable[[], None]
    # If a worker is killed while it sends a line, the queue stays locked and the parent waits for it for ever.
    showing: threading.Lock = field(default_factory=threading.Lock)
    left: threading.Event = field(default_factory=threading.Event)
    previous: dict[int, Any] = field(default_factory=dict)

    def __enter__(self) -> Guard:
        # Elsewhere than in a worker the process group holds strangers.
        if multiprocessing.parent_process() and os.getpgrp() == os.getpid():
            self.previous = {number: signal.signal(number, self.end) for number in ENDING}
            self.thread = start(self.watch)
        return self

    def __exit__(self, kind: object, *_unused: object) -> None:
        if self.previous:
            self.left.set()
            self.thread.join()
            if kind:  # such as the task's `timeout`, after which the module would run on
                self.end_children()
            for number, handler in self.previous.items():
                signal.signal(number, handler)

    def watch(self) -> None:
        """Let the worker end when its parent is gone."""
        while not self.left.wait(SECONDS_BETWEEN_LOOKS):
            if parent_is_gone():
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def end(self, number: int, _frame: object) -> None:
        """End the module, remove files, end the worker. Core's handler would leave the files."""
        self.showing.acquire(timeout=SECONDS_BETWEEN_LOOKS)
        self.end_children()
        until = time.monotonic() + SECONDS_FOR_THE_PARENT
        # A parent that got a SIGTERM ends without removing its own files.
        while number == signal.SIGTERM and not parent_is_gone() and time.monotonic() < until:
            time.sleep(0.01)
        self.remove_files()
        os.killpg(os.getpid(), signal.SIGKILL)

    def end_children(self) -> None:
        """End everything else in this worker's process group."""
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        os.killpg(os.getpid(), signal.SIGTERM)
