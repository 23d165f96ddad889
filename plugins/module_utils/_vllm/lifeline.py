# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends this process in good order when whoever started it is gone, or tells it to end."""

from __future__ import annotations

import os
import signal
import threading

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import threads

SECONDS_BETWEEN_LOOKS = 0.3


def end_with_parent(progress_file: str | None) -> None:
    """Raise KeyboardInterrupt in the main thread on SIGTERM, and as soon as nobody waits for the result any more.

    That is when the parent process has ended, or the file for the progress is gone: a shell may lie between, and
    lives on.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parent = os.getppid()

    def watch() -> None:
        never = threading.Event()
        while os.getppid() == parent and (not progress_file or os.path.exists(progress_file)):
            never.wait(SECONDS_BETWEEN_LOOKS)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    threads.start(watch, "lifeline")
