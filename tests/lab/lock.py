# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock between processes that ends with its holder, however that ends."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.errors import LabError

_REPORT_SECONDS = 5.0
_POLL = 0.1


@contextmanager
def held(path: Path, what: str, report: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock; while another process holds it, say so from time to time and wait."""
    try:
        lock = path.open("w")
    except OSError as error:
        raise LabError(
            f"Cannot lock {path}: {error.strerror}. Point AI_AAS_CACHE and AI_AAS_STATE at folders you may write to."
        ) from error
    with lock:
        began = time.monotonic()
        spoken = began - _REPORT_SECONDS
        while not _taken(lock.fileno()):
            if time.monotonic() - spoken >= _REPORT_SECONDS:
                spoken = time.monotonic()
                report(f"another process works on {what}; waited {spoken - began:.0f} s for it")
            time.sleep(_POLL)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
