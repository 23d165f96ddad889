# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin vllm_ready: which lines of a wait are shown, and what of them."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.action import vllm_ready
from ansible_collections.ai_aas.inference.plugins.action.vllm_ready import (
    MOST_BYTES,
    Follower,
    Limit,
    Tail,
    limit_of,
    printable,
)
from hypothesis import given
from hypothesis import strategies as st

END = True
ALL = math.inf
# Looks at a file: the second, the lines that have come (a letter each), and whether it is the last look.
LIMITS = [
    pytest.param(0.5, ALL, [(0, "a")], "a", id="the first line at once"),
    pytest.param(0.5, ALL, [(0, ""), (9, "")], "--", id="nothing without a line"),
    pytest.param(0.5, ALL, [(0, "a"), (0.2, "b"), (0.4, "c"), (0.5, "")], "a--c", id="the latest wins"),
    pytest.param(0.5, ALL, [(0, "abc")], "c", id="the latest of one look"),
    pytest.param(0.5, ALL, [(0, "a"), (0.5, ""), (9, "", END)], "a--", id="each line once"),
    pytest.param(10, 200, [(0, "a"), (9.9, "b"), (10, "")], "a-b", id="after the interval"),
    pytest.param(10, 200, [(5, "a"), (14, "b"), (15, "c"), (24, "d"), (25, "")], "a-c-d", id="from the last one on"),
    pytest.param(10, 200, [(0, "a"), (1, "b"), (2, "c", END)], "a-c", id="the last one at the end"),
    pytest.param(10, 200, [(0, "a"), (1, "b"), (2, "", END)], "a-b", id="the one kept back at the end"),
    pytest.param(0, 3, [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e", END)], "ab--e", id="one is kept for the end"),
    pytest.param(0, 3, [(0, "a"), (1, "b", END), (2, "c", END), (3, "d", END)], "abc-", id="no more than that"),
    pytest.param(0, 1, [(0, "a"), (1, "b", END)], "-b", id="only the end"),
]
LINES = [
    pytest.param("  12.3 s  loading: ä €", "  12.3 s  loading: ä €", id="text"),
    pytest.param("\x1b[31mred\x1b[0m", "red", id="colour"),
    pytest.param("\x1b[2J\x1b[1;1Hgone\x1b[?25l", "gone", id="screen and cursor"),
    pytest.param("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", "ab", id="strings with both ends"),
    pytest.param("a\x1b]52;c;QQ==", "a", id="a string without an end"),
    pytest.param("\x1bPq#0\x1b\\a\x1b_x\x1b\\b\x1b^y\x1b\\c", "abc", id="other strings"),
    pytest.param("\x9b31mred\x9d0;t\x9ca", "reda", id="escapes of one byte"),
    pytest.param("a\x1bcb\x1b(Bc\x1b", "abc", id="short escapes"),
    pytest.param("a\rb\bc\td\x00e\x7ff\x85g", "a b c d e f g", id="control characters"),
    pytest.param("a\u202eb\u2028c\u200bd\ud800e", "a b c d e", id="invisible characters"),
    pytest.param("a \n", "a", id="space at the end"),
    pytest.param("x" * 500, "x" * 500, id="as long as may be"),
    pytest.param("x" * 501, "x" * 499 + "…", id="too long"),
    pytest.param("\x1b[1m" * 999 + "a", "a", id="long without what is taken out"),
]
# What is added to a file before each look, and the lines that each of them gives. The last look is at the end.
FILES = [
    pytest.param([b"a\nb\n", b"c\n"], [["a", "b"], ["c"]], id="whole lines"),
    pytest.param([b"a", b"b\nc", b""], [[], ["ab"], ["c"]], id="pieces of lines"),
    pytest.param([b"", b""], [[], []], id="nothing"),
    pytest.param([b"\xff\xc3\n", b"\xc3", b"\xa4\n"], [["��"], [], ["ä"]], id="invalid and torn UTF-8"),
    pytest.param([b"x" * MOST_BYTES, b"yyy\nb\n"], [[], ["x" * MOST_BYTES + "yyy", "b"]], id="a long line"),
    pytest.param(
        [b"x" * MOST_BYTES, b"y" * 9, b"z\nb\n"], [[], [], ["x" * MOST_BYTES + "z", "b"]], id="without its end"
    ),
    pytest.param([b"old\n" + b"x" * MOST_BYTES, b"y\nb\n"], [[], ["b"]], id="without its beginning"),
    pytest.param([b"x" * MOST_BYTES + b"y\nb\n"], [["b"]], id="much at once"),
    pytest.param([b"x" * 9 * MOST_BYTES], [[]], id="no line at all"),
]


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Screen:
    """Stands in for Ansible's Display. While it shows something, nobody may be killed."""

    showing: threading.Lock = field(default_factory=threading.Lock)
    lines: list[str] = field(default_factory=list)

    def display(self, line: str, *, stderr: bool) -> None:
        assert stderr
        assert self.showing.locked()
        self.lines.append(line)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    own = Screen()
    monkeypatch.setattr(vllm_ready, "Display", lambda: own)
    return own


@pytest.mark.parametrize(("interval", "most", "looks", "shown"), LIMITS)
def test_limit(interval: float, most: float, looks: list[tuple[Any, ...]], shown: str) -> None:
    clock = Clock()
    limit = Limit(interval, most, clock)
    found = ""
    for seconds, lines, *end in looks:
        clock.now = seconds
        for line in lines:
            limit.latest = line
        found += limit.take(bool(end)) or "-"
    assert found == shown


@pytest.mark.parametrize(
    ("in_awx", "seconds", "most"), [(False, 600, 2 * 600 + 1), (True, 600, 61), (True, 3 * 3600, 200)]
)
def test_limits_of_a_chatty_wait(in_awx: bool, seconds: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = limit_of(f"chatty for {seconds}", in_awx)
    assert limit is limit_of(f"chatty for {seconds}", in_awx)
    clock = Clock()
    monkeypatch.setattr(limit, "clock", clock)
    shown = []
    for tenth in range(seconds * 10):
        clock.now = tenth / 10
        limit.latest = str(tenth)
        shown.append(limit.take())
    limit.latest = "the last"
    shown.append(limit.take(at_end=True))
    assert shown[-1] == "the last"
    assert len([line for line in shown if line]) == most


@pytest.mark.parametrize(("text", "line"), LINES)
def test_printable(text: str, line: str) -> None:
    assert printable(text) == line


@given(st.text(st.characters() | st.sampled_from("\x1b[]P\\m;0\x07\x9b\x9c"), max_size=700))
def test_whatever_is_written_a_line_is_text(text: str) -> None:
    line = printable(text)
    assert line == "" or line.isprintable()
    assert len(line) <= 500


@pytest.mark.parametrize(("pieces", "lines"), FILES)
def test_tail(pieces: list[bytes], lines: list[list[str]], tmp_path: Path) -> None:
    path = tmp_path / "file"
    found = []
    with path.open("ab", buffering=0) as writer, path.open("rb", buffering=0) as reader:
        tail = Tail(reader)
        for number, piece in enumerate(pieces, 1):
            writer.write(piece)
            found.append(tail.read(at_end=number == len(pieces)))
            assert len(tail.rest) <= MOST_BYTES
    assert found == lines


def follower(path: Path, screen: Screen, interval: float = 0) -> Follower:
    return Follower(path, "demo: ", Limit(interval, ALL, Clock()), screen.showing)


def test_a_look_shows_the_latest_line_that_says_something(screen: Screen, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"  1.0 s  old\n  2.0 s  \x1b[31mnew\n\n\x1b[0m \r\nunfinished")
    own = follower(path, screen)
    with path.open("rb", buffering=0) as file:
        own.look(Tail(file))
        own.look(Tail(file))
    assert screen.lines == ["demo:   2.0 s  new"]


def test_the_hosts_name_counts_for_the_length(screen: Screen, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x" * 900 + "\n")
    with follower(path, screen):
        pass
    assert screen.lines == ["demo: " + "x" * 493 + "…"]


def test_what_was_written_last_is_shown_at_the_end(screen: Screen, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with follower(path, screen, interval=10) as own:
        path.write_text("first\nlast\nto")
        own.limit.next_at = math.inf
    assert screen.lines == ["demo: to"]
    assert not own.thread.is_alive()
