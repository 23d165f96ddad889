# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubelet's back-off for restarts and for pulls. Pure: times are handed in."""

from __future__ import annotations

CAP = 30


class Backoff:
    """The first retry is free; then initial, twice that, and so on up to 30 times the initial delay.

    Who stays up for twice the longest delay begins anew.
    """

    def __init__(self, initial: float) -> None:
        self.initial = initial
        self.cap = initial * CAP
        self.delay = 0.0

    def remaining(self, now: float, finished: float) -> float:
        """Seconds left to wait after what ended at `finished`."""
        if now - finished >= self.delay:
            return 0.0
        return self.delay - (now - finished)

    def advance(self, ran_for: float) -> None:
        """A retry begins, after a run of so long."""
        if ran_for > 2 * self.cap or self.delay == 0:
            self.delay = self.initial
        else:
            self.delay = min(self.delay * 2, self.cap)


def format_duration(seconds: float) -> str:
    """As Go prints a time.Duration: 500ms, 10s, 2m40s."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:.6g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{rest:.9g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
