# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One kind of object of a namespace, kept up to date: listed once, then watched, or listed again and again."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import threads
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import (
    ApiError,
    ExpiredError,
    ForbiddenError,
    Kube,
    UnauthorisedError,
    api_error,
)

Json = dict[str, Any]

# A watch ends by itself after so long, so that a connection on which nothing comes any more is noticed soon after.
WATCH_SECONDS = 10
GRACE_SECONDS = 3.0
SILENCE_SECONDS = WATCH_SECONDS + GRACE_SECONDS
SECONDS_BETWEEN_LISTS = 3.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
SHORT_WATCH_SECONDS = 1.0
LONGEST_RETRY_AFTER = 10.0
# Watches that bring nothing and end at once may not be watches at all.
MOST_SHORT_WATCHES = 3
MAX_LINE_BYTES = 16 * 1024 * 1024


class Feed:
    """Follows a list in a thread of its own.

    Args:
        kube: the API server.
        path: of the list.
        selector: the labels of what counts.
        changed: called with each object that came, changed or went, and with None when everything may have changed.
    """

    def __init__(self, kube: Kube, path: str, selector: str, changed: Callable[[Json | None], None]) -> None:
        self.kube = kube
        self.path = path
        self.selector = selector
        self.changed = changed
        self.objects: dict[str, Json] = {}
        self.error: ApiError | None = None
        self.listed = False
        self.heard = time.monotonic()
        self.may_watch = True
        self.failures = 0
        self.short_watches = 0
        self.ended = threading.Event()
        self.thread: threading.Thread

    def start(self) -> None:
        self.thread = threads.start(self.run, f"feed {self.path}")

    def read_once(self) -> None:
        """List, and do not follow."""
        try:
            self.list()
        except ApiError as error:
            self.suffer(error)

    def end(self) -> None:
        """Ask the thread to end; it does not outlive its process in any case."""
        self.ended.set()

    def run(self) -> None:
        """List and watch until the end, however often either fails."""
        while not self.ended.is_set():
            try:
                self.follow(self.list())
            except ExpiredError:
                continue
            except ApiError as error:
                self.ended.wait(self.suffer(error))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                strange = ApiError("The Kubernetes API answered with something strange", type(error).__name__)
                self.ended.wait(self.suffer(strange))

    def list(self) -> str:
        """Read everything, and return the version from which to watch on."""
        document = self.kube.get(self.path, labelSelector=self.selector)
        if "items" not in document:
            raise ApiError("The Kubernetes API answered a list with something else", str(document.get("message", "")))
        self.objects = {item["metadata"]["uid"]: item for item in document.get("items") or ()}
        self.recover()
        self.changed(None)
        return str(document["metadata"].get("resourceVersion", ""))

    def recover(self) -> None:
        """The API server answers well."""
        self.error, self.failures, self.listed, self.heard = None, 0, True, time.monotonic()

    def follow(self, version: str) -> None:
        """Watch on and on; where watching is not allowed, wait until the next list is due."""
        while not self.ended.is_set():
            if not self.may_watch:
                self.ended.wait(SECONDS_BETWEEN_LISTS)
                return
            try:
                version = self.watch(version)
            except ForbiddenError:
                self.may_watch = False
            if self.short_watches > MOST_SHORT_WATCHES:
                return

    def watch(self, version: str) -> str:
        """Take changes in until the server ends the watch, and return the version to go on from."""
        self.ended.wait(pause_after(self.short_watches - 1))
        begin = time.monotonic()
        query = {"labelSelector": self.selector, "watch": "1", "allowWatchBookmarks": "true"}
        query |= {"resourceVersion": version, "timeoutSeconds": str(WATCH_SECONDS)}
        try:
            with self.kube.opened(self.path, WATCH_SECONDS + GRACE_SECONDS, **query) as response:
                self.recover()
                for line in lines(response.stream(None)):
                    version = self.take(json.loads(line)) or version
                    if self.ended.is_set():
                        break
        finally:
            lasted = time.monotonic() - begin > SHORT_WATCH_SECONDS
            self.short_watches = 0 if lasted else self.short_watches + 1
        return version

    def take(self, event: Json) -> str:
        """Take one event in, and return its version."""
        if event["type"] == "ERROR":
            raise api_error(event["object"].get("code", 500), {}, json.dumps(event["object"]).encode())
        item = event["object"]
        if event["type"] == "DELETED":
            self.objects.pop(item["metadata"]["uid"], None)
        elif event["type"] != "BOOKMARK":
            self.objects[item["metadata"]["uid"]] = item
        if event["type"] != "BOOKMARK":
            self.changed(item)
        return str(item["metadata"]["resourceVersion"])

    def trouble(self) -> ApiError | None:
        """Why what is known may not be true any more, or None."""
        silence = time.monotonic() - self.heard
        if not self.error and silence > SILENCE_SECONDS:
            return ApiError("The Kubernetes API cannot be reached", f"it has been silent for {silence:.0f} s")
        return self.error

    def suffer(self, error: ApiError) -> float:
        """Note an error, and return the seconds to wait before the next attempt."""
        self.failures += 1
        if isinstance(error, UnauthorisedError):
            # A kubeconfig that is just being written cannot be read.
            with suppress(InferenceError):
                self.kube.renew()
        # A watch may be cut at any time; only what happens again is worth a word.
        if self.failures > 1 or not self.listed:
            self.error = error
            self.changed(None)
        return max(pause_after(self.failures), min(LONGEST_RETRY_AFTER, error.retry_after or 0.0))


def pause_after(failures: int) -> float:
    """Seconds to wait after this many failures in a row."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 30)) if failures > 0 else 0.0


def lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a stream."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > MAX_LINE_BYTES:
            raise ApiError("The Kubernetes API sent a line without end", f"more than {MAX_LINE_BYTES} bytes")
