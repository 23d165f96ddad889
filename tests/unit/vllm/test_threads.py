# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals go to the main thread alone, which a wait can be ended by."""

from __future__ import annotations

import signal
import threading

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import threads

ENDING = {signal.SIGINT, signal.SIGTERM}


def blocked() -> set[int]:
    """The signals that this thread does not take."""
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def test_a_thread_and_what_it_starts_take_no_signals() -> None:
    found: list[set[int]] = []

    def work() -> None:
        found.append(blocked())
        inner = threading.Thread(target=lambda: found.append(blocked()))
        inner.start()
        inner.join()

    before = blocked()
    thread = threads.start(work, "of a test")
    thread.join(5)
    assert (thread.name, thread.daemon) == ("of a test", True)
    assert len(found) == 2
    assert all(each >= ENDING for each in found)
    assert blocked() == before
    assert not ENDING & before


def test_the_main_thread_takes_signals_if_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = blocked()
    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError, match="can't start"):
        threads.start(print, "of a test")
    assert blocked() == before
