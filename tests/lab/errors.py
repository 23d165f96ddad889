# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the lab. Each message says what failed, where, why, and what to do."""

from __future__ import annotations

from pathlib import Path

_TAIL = 15
_PORT_TAKEN = ("address already in use", "eaddrinuse")


class LabError(Exception):
    """The lab cannot do what was asked."""


class StartError(LabError):
    """A component did not come up. `port_taken` says that new ports may help."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        end = tail(log) if log else ""
        super().__init__(f"{message}\nThe last lines of {log}:\n{end}" if end else message)
        self.port_taken = any(words in end.lower() for words in _PORT_TAKEN)


def tail(log: Path, lines: int = _TAIL) -> str:
    """The last lines of a log, indented; empty when there is none."""
    if not log.is_file():
        return ""
    content = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"  {line[:400]}" for line in content[-lines:])
