# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a feed goes on and on in its thread, whatever the API server does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import feed as module
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.feed import Feed, Json
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import (
    ApiError,
    ExpiredError,
    ForbiddenError,
    UnauthorisedError,
)

from tests.unit.vllm.kubes import SECONDS, Chunk, Watched, bookmark, change, document, item

CUT = ApiError("The Kubernetes API cannot be reached", "cut")
GONE = ExpiredError("The Kubernetes API has forgotten this version", "too old")
STRANGER = UnauthorisedError("no", "Unauthorized")
NO_WATCH = ForbiddenError("no", 'cannot watch resource "pods"')
TOO_OLD = change("ERROR", {"kind": "Status", "code": 410, "message": "too old"})
FIRST, SECOND = document("7", item("a")), document("20", item("a"), item("b"))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_PAUSE", "LONGEST_PAUSE", "SECONDS_BETWEEN_LISTS"):
        monkeypatch.setattr(module, name, 0.001)


@contextmanager
def followed(api: Watched, changed: Callable[[Json | None], None] = lambda of: None) -> Iterator[Feed]:
    feed = Feed(api.kube, "/list", "app=m", changed)
    feed.start()
    try:
        yield feed
    finally:
        feed.end()
        api.release.set()
        feed.thread.join(SECONDS)
        assert not feed.thread.is_alive()


CASES: list[tuple[str, Sequence[Json | ApiError], Sequence[Sequence[Chunk] | ApiError], str]] = [
    ("nothing happens", [FIRST], [], "list, watch from 7"),
    ("the server ends a watch", [FIRST], [[], []], "list, watch from 7, watch from 7, watch from 7"),
    ("a change", [FIRST], [[change("MODIFIED", item("a", "9"))]], "list, watch from 7, watch from 9"),
    ("a bookmark", [FIRST], [[bookmark("15")]], "list, watch from 7, watch from 15"),
    ("too old, told by an event", [FIRST, SECOND], [[TOO_OLD]], "list, watch from 7, list, watch from 20"),
    ("too old, told by a status", [FIRST, SECOND], [GONE], "list, watch from 7, list, watch from 20"),
    ("cut", [FIRST, SECOND], [[change("ADDED", item("c", "8")), CUT]], "list, watch from 7, list, watch from 20"),
    ("refused", [FIRST, SECOND], [CUT], "list, watch from 7, list, watch from 20"),
    ("away at first", [CUT, CUT, SECOND], [], "list, list, list, watch from 20"),
    ("away in the middle", [FIRST, CUT, CUT, SECOND], [CUT], "list, watch from 7, list, list, list, watch from 20"),
    ("credentials run out", [FIRST, SECOND], [STRANGER], "list, watch from 7, list, watch from 20"),
    ("a line that is no JSON", [FIRST, SECOND], [[b"<html>\n"]], "list, watch from 7, list, watch from 20"),
    ("a line that is no event", [FIRST, SECOND], [[b'{"code": 5}\n']], "list, watch from 7, list, watch from 20"),
    ("a list that is none", [{"kind": "APIResourceList"}, SECOND], [], "list, list, watch from 20"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(("lists", "watches", "asked"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_what_is_asked(
    lists: Sequence[Json | ApiError], watches: Sequence[Sequence[Chunk] | ApiError], asked: str
) -> None:
    api = Watched(lists, watches)
    with followed(api) as feed:
        assert parks(api, feed)
        assert ", ".join(api.asked) == asked
        assert (feed.listed, feed.trouble()) == (True, None)
        assert sorted(feed.objects) == (["u-a", "u-b"] if "20" in asked else ["u-a"])
        assert api.renewed == (STRANGER in watches)


def test_an_account_that_may_not_watch_lists_again_and_again() -> None:
    api = Watched([FIRST, SECOND], [NO_WATCH])
    with followed(api) as feed:
        wait_until(lambda: len(api.asked) > 6)
        assert (names_of(feed), feed.trouble()) == (["u-a", "u-b"], None)
    assert api.asked[:2] == ["list", "watch from 7"]
    assert set(api.asked[2:]) == {"list"}


def test_an_account_that_may_not_list_is_told_of() -> None:
    changed: list[Json | None] = []
    api = Watched([NO_WATCH])
    with followed(api, changed.append) as feed:
        wait_until(lambda: len(api.asked) > 3)
        assert feed.trouble() is NO_WATCH
        assert not feed.listed
    assert set(api.asked) == {"list"}
    assert changed


def test_credentials_are_read_again_until_they_are_accepted() -> None:
    api = Watched([STRANGER, STRANGER, FIRST])
    with followed(api) as feed:
        assert parks(api, feed)
        assert (api.renewed, feed.trouble()) == (2, None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_kubeconfig_that_is_just_being_written_does_not_end_the_feed() -> None:
    def fail() -> None:
        raise InferenceError("No usable kubeconfig", "Invalid kube-config file")

    api = Watched([STRANGER, FIRST])
    api.on_renew = fail
    with followed(api) as feed:
        assert parks(api, feed)
        assert feed.trouble() is None


@pytest.mark.parametrize(
    ("watch", "what"),
    [
        ([TOO_OLD], "each watch is too old"),
        (GONE, "each watch is refused"),
        ([], "each watch ends at once"),
        (NO_WATCH, "it may only be listed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_api_server_is_not_asked_at_full_speed(watch: Sequence[Chunk] | ApiError, what: str) -> None:
    """A pause between attempts; here it is a thousandth of a second."""
    api = Watched([FIRST], [watch] * 100_000)
    with followed(api):
        time.sleep(0.05)
        asked = len(api.asked)
        api.watches.clear()
    assert asked < 200, what


def test_the_end_is_not_waited_for() -> None:
    api = Watched([FIRST])
    with followed(api) as feed:
        assert parks(api, feed)
        assert feed.thread.daemon
        begin = time.monotonic()
        feed.end()
        assert time.monotonic() - begin < 0.1


def parks(api: Watched, feed: Feed) -> bool:
    """Wait until a watch stays open, or the feed has died."""
    wait_until(lambda: api.parked.is_set() or not feed.thread.is_alive())
    return api.parked.is_set()


def names_of(feed: Feed) -> list[str]:
    return sorted(feed.objects)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)
