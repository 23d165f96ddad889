# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a list is kept up to date: which events it takes in, and what it says of itself. Without its thread."""

from __future__ import annotations

import itertools
import json
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import feed as module
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.feed import Feed, Json, lines
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import (
    ApiError,
    ExpiredError,
    ForbiddenError,
    UnauthorisedError,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vllm.kubes import Watched, bookmark, change, document, item

AWAY = ApiError("The Kubernetes API cannot be reached", "reset")


class Changes:
    """The names of what a feed told of."""

    def __init__(self) -> None:
        self.names: list[str | None] = []

    def __call__(self, of: Json | None) -> None:
        self.names.append(of["metadata"]["name"] if of else None)


def made(api: Watched) -> tuple[Feed, Changes]:
    changes = Changes()
    return Feed(api.kube, "/list", "app=m", changes), changes


def names(feed: Feed) -> list[str]:
    return sorted(each["metadata"]["name"] for each in feed.objects.values())


def test_a_list() -> None:
    feed, changes = made(api := Watched([document("7", item("a"), item("b")), document("8", item("b"))]))
    assert (feed.listed, names(feed), feed.trouble()) == (False, [], None)
    assert feed.list() == "7"
    assert (feed.listed, names(feed), changes.names) == (True, ["a", "b"], [None])
    assert feed.list() == "8"
    assert names(feed) == ["b"]
    assert api.selectors == {"app=m"}


def test_a_list_of_nothing() -> None:
    feed, _changes = made(Watched([{"metadata": {"resourceVersion": ""}, "items": None}]))
    assert feed.list() == ""
    assert feed.objects == {}


def test_what_is_no_list_is_not_a_list_of_nothing() -> None:
    feed, _changes = made(Watched([{"kind": "Status", "metadata": {}, "message": "not now"}]))
    with pytest.raises(ApiError, match="not now"):
        feed.list()


def test_events() -> None:
    chunks = [
        change("ADDED", item("b", "8")),
        change("MODIFIED", item("a", "9")),
        bookmark("12"),
        change("DELETED", item("b", "11")),
    ]
    feed, changes = made(api := Watched([document("7", item("a"))], [chunks]))
    feed.list()
    assert feed.watch("7") == "11"
    assert names(feed) == ["a"]
    assert feed.objects["u-a"]["metadata"]["resourceVersion"] == "9"
    assert changes.names == [None, "b", "a", "b"]
    assert api.asked == ["list", "watch from 7"]


@pytest.mark.parametrize(
    ("chunks", "version"),
    [([], "7"), ([bookmark("9")], "9"), ([change("DELETED", item("unknown", "8"))], "8"), ([b""], "7")],
)
def test_a_watch_that_the_server_ends(chunks: list[bytes], version: str) -> None:
    feed, _changes = made(Watched([document("7", item("a"))], [chunks]))
    feed.list()
    assert feed.watch("7") == version
    assert names(feed) == ["a"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ({"kind": "Status", "code": 410, "message": "too old resource version: 7 (99)"}, ExpiredError),
        ({"kind": "Status", "code": 403, "message": "no"}, ForbiddenError),
        ({"kind": "Status", "code": 500, "message": "etcd"}, ApiError),
        ({"kind": "Status"}, ApiError),
    ],
)
def test_an_event_that_is_an_error(status: Json, error: type[ApiError]) -> None:
    feed, changes = made(Watched([document("7")], [[change("ERROR", status), change("ADDED", item("a"))]]))
    with pytest.raises(ApiError) as raised:
        feed.watch("7")
    assert raised.value.__class__ is error
    assert (feed.objects, changes.names) == ({}, [])


def test_a_watch_ends_when_the_feed_does() -> None:
    feed, changes = made(Watched([document("7")], [[change("ADDED", item(name)) for name in "abc"]]))
    feed.end()
    feed.watch("7")
    assert changes.names == ["a"]


def test_read_once() -> None:
    feed, changes = made(Watched([document("7", item("a"))]))
    feed.read_once()
    assert (names(feed), feed.trouble(), changes.names) == (["a"], None, [None])
    feed, changes = made(Watched([ForbiddenError("no", "pods is forbidden")]))
    feed.read_once()
    assert (feed.listed, feed.trouble(), changes.names) == (False, feed.error, [None])
    assert isinstance(feed.error, ForbiddenError)


@pytest.mark.parametrize(
    ("listed", "failures", "told"), [(False, 1, True), (True, 1, False), (True, 2, True), (True, 9, True)]
)
def test_only_what_happens_again_is_trouble(listed: bool, failures: int, told: bool) -> None:
    feed, changes = made(Watched([document("7")]))
    if listed:
        feed.list()
    for _turn in range(failures):
        feed.suffer(AWAY)
    assert feed.trouble() == (AWAY if told else None)
    assert (changes.names[-1:] == [None]) == (listed or told)
    feed.list()
    assert feed.trouble() is None


def test_pauses_grow_up_to_a_limit() -> None:
    feed, _changes = made(Watched([document("7")]))
    pauses = [feed.suffer(AWAY) for _turn in range(9)]
    assert pauses[:3] == [module.FIRST_PAUSE, 2 * module.FIRST_PAUSE, 4 * module.FIRST_PAUSE]
    assert all(first <= second for first, second in pairwise(pauses))
    assert pauses[-1] == module.LONGEST_PAUSE
    feed.list()
    assert feed.suffer(AWAY) == module.FIRST_PAUSE


def test_watches_that_end_at_once_are_made_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    feed, _changes = made(Watched([document("7")], [[bookmark("8")]] * 12))
    pauses: list[float] = []
    monkeypatch.setattr(feed.ended, "wait", pauses.append)
    for _turn in range(12):
        feed.watch("7")
    assert pauses[:3] == [0, 0, module.FIRST_PAUSE]
    assert all(first <= second for first, second in pairwise(pauses))
    assert pauses[-1] == module.LONGEST_PAUSE


@pytest.mark.parametrize("chunks", [[], [bookmark("8")]], ids=["nothing", "a bookmark"])
def test_watches_that_last_follow_each_other(monkeypatch: pytest.MonkeyPatch, chunks: list[bytes]) -> None:
    """A watch of a quiet namespace brings nothing until the server ends it; bookmarks are not promised."""
    clock = itertools.count(0, module.WATCH_SECONDS)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    feed, _changes = made(Watched([document("7")], [chunks] * 12))
    pauses: list[float] = []
    monkeypatch.setattr(feed.ended, "wait", pauses.append)
    for _turn in range(12):
        feed.watch("7")
    assert set(pauses) == {0}


@pytest.mark.parametrize(("after", "pause"), [(None, module.FIRST_PAUSE), (0.0, module.FIRST_PAUSE), (7.0, 7.0)])
def test_a_server_that_is_busy_says_for_how_long(after: float | None, pause: float) -> None:
    busy = ApiError("The Kubernetes API answered with an error", "slow down")
    busy.retry_after = after
    assert made(Watched([document("7")]))[0].suffer(busy) == pause


def test_credentials_that_are_refused_are_read_again() -> None:
    feed, _changes = made(api := Watched([document("7")]))
    feed.suffer(AWAY)
    assert api.renewed == 0
    feed.suffer(UnauthorisedError("no", "Unauthorized"))
    assert api.renewed == 1


def test_silence_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    feed, _changes = made(Watched([document("7")], [[]]))
    feed.list()
    clock = SimpleNamespace(monotonic=lambda: now + module.SILENCE_SECONDS - 1)
    monkeypatch.setattr(module, "time", clock)
    assert feed.trouble() is None
    clock.monotonic = lambda: now + 60
    trouble = feed.trouble()
    assert trouble
    assert trouble.reason == "api_unreachable"
    assert "silent for 60 s" in trouble.why
    feed.error = AWAY
    assert feed.trouble() == AWAY
    feed.watch("7")
    assert feed.trouble() is None


BORDERS = [[b"a\nb\n"], [b"a", b"\nb\n"], [b"a\n", b"b\n"], [b"a\nb", b"\n"], [b"", b"a", b"", b"\n", b"b", b"\n"]]


@pytest.mark.parametrize("chunks", BORDERS)
def test_lines_are_the_same_wherever_they_are_cut(chunks: list[bytes]) -> None:
    assert list(lines(iter(chunks))) == [b"a", b"b"]


def test_a_line_that_does_not_end_is_none() -> None:
    assert list(lines(iter([b"a\nb"]))) == [b"a"]
    assert list(lines(iter([]))) == []


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 9)
    assert list(lines(iter([b"123456789", b"\n"]))) == [b"123456789"]
    with pytest.raises(ApiError, match="a line without end"):
        list(lines(iter([b"12345", b"67890"])))


TEXTS = st.lists(st.dictionaries(st.sampled_from("ab"), st.text("x\n\ré", max_size=3), max_size=2), max_size=3)


@given(TEXTS, st.data())
def test_the_same_events_come_however_the_bytes_are_cut(events: list[dict[str, str]], data: st.DataObject) -> None:
    stream = b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    chunks = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]
    assert [json.loads(line) for line in lines(iter(chunks))] == events
