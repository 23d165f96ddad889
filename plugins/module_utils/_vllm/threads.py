# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads that leave signals to the main thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from functools import cache

PORT_FORWARD = "Kubernetes port forward proxy"


@cache
def silence_port_forwards() -> None:
    """Keep the client's port-forward threads from printing a traceback whenever a connection is reset."""
    previous = threading.excepthook

    def hook(given: threading.ExceptHookArgs) -> None:
        if given.thread is None or not given.thread.name.startswith(PORT_FORWARD):
            previous(given)

    threading.excepthook = hook


def start(target: Callable[[], object], name: str) -> threading.Thread:
    """Start a thread that ends with its process, and that takes no signals, as all that it starts.

    A signal that the kernel gives to another thread does not wake the main one, which would sleep on.
    """
    thread = threading.Thread(target=target, name=name, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
