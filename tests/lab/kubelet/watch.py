# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""List and watch, for ever: resumes after a cut, lists again after 410, waits while the API server is away."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import urllib3

from tests.lab.kubelet.api import Api, ApiError

Json = dict[str, Any]
Sink = Callable[[str, Any], object]
"""Gets ("SYNC", all items) after each list, then ("ADDED" | "MODIFIED" | "DELETED", object)."""

WATCH_SECONDS = 300
PAUSE_SECONDS = 0.5


class GoneError(Exception):
    """The version to go on from is too old: list again."""


class Watcher(threading.Thread):
    """Follows one collection in a thread of its own."""

    def __init__(self, api: Api, path: str, sink: Sink) -> None:
        super().__init__(name=f"watch {path}", daemon=True)
        self.api, self.path, self.sink = api, path, sink
        self.version: str | None = None

    def run(self) -> None:
        """Until the process ends."""
        while True:
            try:
                if self.version is None:
                    self._list()
                self._watch()
            except GoneError:
                self.version = None
            except (ApiError, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                print(f"kubelet: watch of {self.path}: {error}", file=sys.stderr, flush=True)
                if isinstance(error, ApiError) and error.status == 410:
                    self.version = None
                time.sleep(PAUSE_SECONDS)

    def _list(self) -> None:
        document = self.api.request("GET", self.path)
        self.sink("SYNC", document["items"])
        self.version = document["metadata"]["resourceVersion"]

    def _watch(self) -> None:
        query = f"watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={self.version}"
        response = self.api.stream(f"{self.path}?{query}", WATCH_SECONDS + 30)
        try:
            for line in lines_of(response.stream()):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise GoneError if event["object"].get("code") == 410 else ApiError(500, str(event["object"]))
                self.version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self.sink(event["type"], event["object"])
        finally:
            response.close()


def lines_of(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Whole lines from pieces of any size."""
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        yield from whole
