# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends this process in good order when whoever started it is gone, or tells it to end."""

from __future__ import annotations

import os
import signal
import threading

SECONDS_BETWEEN_LOOKS = 0.3


def end_with_parent() -> None:
    """Raise KeyboardInterrupt in the main thread on SIGTERM, and as soon as the parent process has ended.

    A run that is cancelled kills ansible-playbook and its workers, and leaves their modules to themselves.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parent = os.getppid()

    def watch() -> None:
        gone = threading.Event()
        while os.getppid() == parent:
            gone.wait(SECONDS_BETWEEN_LOOKS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()
