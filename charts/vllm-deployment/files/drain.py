# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until the server has no request left, as its metrics say."""

from __future__ import annotations

import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable

UNFINISHED = re.compile(r"^vllm:num_requests_(?:running|waiting)(?:\{.*\})? (\S+)", re.MULTILINE)


def read(url: str) -> float:
    """Return how many requests run or wait.

    ConnectionRefusedError when the server is gone, another OSError or ValueError when it does not say.
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5) as answer:
            found = UNFINISHED.findall(answer.read().decode())
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else error from error
    if not found:
        raise ValueError("none of requests")
    return sum(map(float, found))


def drain(
    count: Callable[[], float], seconds: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> str | None:
    """Return what is left after so many seconds, None when nothing is.

    Two readings: a request that has just come in is in the count only after the engine's next step.
    """
    end, idle, left = clock() + seconds, 0, "no metrics"
    while True:
        try:
            unfinished = count()
        except ConnectionRefusedError:
            return None
        except (OSError, ValueError) as error:
            idle, left = 0, f"no metrics ({error})"
        else:
            idle, left = (0 if unfinished else idle + 1), f"{unfinished:g} requests"
        if idle == 2:
            return None
        if clock() >= end:
            return left
        sleep(0.5)


if __name__ == "__main__":
    remains = drain(lambda: read(sys.argv[1]), float(sys.argv[2]), time.monotonic, time.sleep)
    if remains:
        sys.exit(f"not drained after {sys.argv[2]} s: {remains}")
