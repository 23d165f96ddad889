# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container logs as files in CRI format, where `kubectl logs` finds them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

LONGEST = 16 * 1024
TAIL_LINES = 80
TAIL_BYTES = 2048


class ContainerLog:
    """The log of a container's current run, beside that of the run before it."""

    def __init__(self, folder: Path) -> None:
        self.current = folder / "current.log"
        self.previous = folder / "previous.log"
        self.rest: dict[str, bytes] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.current.touch()

    def rotate(self) -> None:
        """A new run begins."""
        self.rest = {}
        self.current.replace(self.previous)
        self.current.touch()

    def write(self, stream: str, data: bytes) -> None:
        """Take in output of any shape; empty data ends the stream."""
        *lines, rest = (self.rest.get(stream, b"") + data).split(b"\n")
        if rest and (not data or len(rest) > LONGEST):
            lines, rest = [*lines, rest], b""
        self.rest[stream] = rest
        if lines:
            stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
            with self.current.open("ab") as file:
                file.writelines(b"%s %s F %s\n" % (stamp.encode(), stream.encode(), line) for line in lines)

    def tail(self) -> str:
        """The last lines, for a termination message."""
        with self.current.open("rb") as file:
            file.seek(max(0, self.current.stat().st_size - 4 * TAIL_BYTES))
            lines = file.read().splitlines()[-TAIL_LINES:]
        return cri_text(lines)[-TAIL_BYTES:]


def cri_text(lines: list[bytes]) -> str:
    """The text of lines in CRI format."""
    return "".join(line.split(b" ", 3)[-1].decode(errors="replace") + "\n" for line in lines)
