# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: makes tokens, counts them, and fails when told to."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.lab.vllm_server.faults import ENGINE_DEAD, FOREVER, Fault

# The first token's text is empty, as it is for models that begin with a control token.
ANSWER = "The answer to your question is that a stand-in server has no opinion ."
TOKENS = ("", *(f" {word}" for word in ANSWER.split()))
TOKENS_PER_SECOND_WHEN_BUSY = 400
SECONDS_UNTIL_DEAD = 0.1
SECONDS_AFTER_TOKEN = 0.05


class EngineError(Exception):
    """A completion ends with this status and message instead of an answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Token(NamedTuple):
    """One step of a generation; the last one tells why it ended."""

    text: str
    finish_reason: str | None
    made: int = 1
    """None was made when a generation ends before its first token, or is aborted."""


class Engine:
    """Shared by all request threads."""

    def __init__(self, fault: Fault, token_seconds: float) -> None:
        self.started_at = time.time()
        self.token_seconds = token_seconds
        self.running = 0
        self.begun = 0
        """Completions whose turn has come since the fault is in force."""
        self.generated = 0
        self.prompted = 0
        self.finished: dict[str, int] = dict.fromkeys(("stop", "length", "abort"), 0)
        self.draining = False
        self.dead = threading.Event()
        """Set when the server has to end by itself."""
        self.ended = threading.Event()
        """Set when it has to end, for whatever reason."""
        self.stop_listening: Callable[[], None] = lambda: None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._fault = fault
        self._fault_since = time.monotonic()

    @property
    def fault(self) -> Fault:
        """What is in force now."""
        return self._fault

    def set_fault(self, fault: Fault) -> None:
        """Switch to another behaviour; requests that hang go on as the new one tells."""
        with self._lock:
            self._fault, self._fault_since, self.begun = fault, time.monotonic(), 0
        if fault.dies:
            self.die()
        if not fault.listens:
            self.stop_listening()

    def die(self, seconds: float = SECONDS_UNTIL_DEAD) -> None:
        """End the process so much later."""
        threading.Timer(seconds, self._end).start()

    def wait_for_another(self, fault: Fault) -> None:
        """Until this fault is no longer in force."""
        while self._fault is fault and not self._stop.wait(0.05):
            pass

    def abort(self) -> None:
        """End all generations now."""
        self._stop.set()

    def tokens_made(self) -> int:
        """The counter of /metrics, with those made for the others of a busy server."""
        others = time.monotonic() - self._fault_since if any(self._fault.queue) else 0.0
        return self.generated + int(others * TOKENS_PER_SECOND_WHEN_BUSY)

    def generate(self, prompt_tokens: int, max_tokens: int, ignore_eos: bool) -> Iterator[Token]:
        """Make tokens one by one. EngineError before the first one means that there is no answer."""
        if self.draining:
            raise EngineError(500, "cannot schedule new futures after shutdown")
        with self._lock:
            self.running += 1
        reason = "abort"
        try:
            for token in self._steps(prompt_tokens, max_tokens, ignore_eos):
                reason = token.finish_reason or reason
                yield token
            if self._fault.dies_after_token:
                self.die(SECONDS_AFTER_TOKEN)
        finally:
            with self._lock:
                self.running -= 1
                self.finished[reason] += 1

    def _steps(self, prompt_tokens: int, max_tokens: int, ignore_eos: bool) -> Iterator[Token]:
        self._wait_for_turn()
        with self._lock:
            self.prompted += prompt_tokens
        if self._fault.ends:
            yield Token("", self._fault.ends, 0)
            return
        for made, text in enumerate(itertools.cycle(TOKENS), start=1):
            if self._stop.wait(self.token_seconds):
                yield Token("", "abort", 0)
                return
            with self._lock:
                self.generated += 1
            ended = made == len(TOKENS) and not ignore_eos
            reason = "stop" if ended else "length" if made >= max_tokens else None
            yield Token(text if self._fault.text is None else self._fault.text, reason)
            if reason:
                return

    def _wait_for_turn(self) -> None:
        """Pass the fault's delay, however the fault changes meanwhile; fail where it says so."""
        begin = time.monotonic()
        while time.monotonic() - begin < self._fault.delay and not self._stop.is_set():
            self._stop.wait(0.05 if self._fault.delay < FOREVER else 0.2)
        with self._lock:
            self.begun += 1
            fault, number = self._fault, self.begun
        if fault.dies_at_token:
            self.set_fault(fault._replace(dies=True))
            raise EngineError(500, ENGINE_DEAD)
        if fault.status != 200 and number % fault.every == 0:
            raise EngineError(fault.status, fault.message)

    def _end(self) -> None:
        self.dead.set()
        self.ended.set()
