# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server whose answers are written down before. It opens no connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ApiError, Kube

Json = dict[str, Any]
Chunk = bytes | ApiError
# Longer than any of the tests takes.
SECONDS = 5.0


def document(version: str, *items: Json) -> Json:
    return {"metadata": {"resourceVersion": version}, "items": list(items)}


def item(name: str, version: str = "1", release: str = "m") -> Json:
    labels = {"app.kubernetes.io/instance": release}
    return {"metadata": {"name": name, "uid": f"u-{name}", "resourceVersion": version, "labels": labels}}


def change(kind: str, of: Json) -> bytes:
    return json.dumps({"type": kind, "object": of}).encode() + b"\n"


def bookmark(version: str) -> bytes:
    return change("BOOKMARK", {"metadata": {"resourceVersion": version}})


class Response:
    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = chunks

    def stream(self, _amount: int | None) -> Iterator[bytes]:
        for chunk in self.chunks:
            if isinstance(chunk, ApiError):
                raise chunk
            yield chunk


class Watched:
    """An API server with one list, which may be watched.

    Args:
        lists: what each list brings; the last one for ever.
        watches: what each watch brings, or how it is refused. When all were used, a watch stays open until `release`.
    """

    def __init__(self, lists: Sequence[Json | ApiError], watches: Sequence[Sequence[Chunk] | ApiError] = ()) -> None:
        self.lists = list(lists)
        self.watches = list(watches)
        self.asked: list[str] = []
        self.selectors: set[str] = set()
        self.renewed = 0
        self.parked, self.release = threading.Event(), threading.Event()
        self.on_renew: Callable[[], None] = lambda: None

    @property
    def kube(self) -> Kube:
        return cast(Kube, self)

    def renew(self) -> None:
        self.renewed += 1
        self.on_renew()

    def get(self, path: str, **query: Any) -> Json:
        assert path == "/list"
        self.asked.append("list")
        self.selectors.add(query.pop("labelSelector"))
        assert not query
        found = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(found, ApiError):
            raise found
        return found

    @contextmanager
    def opened(self, path: str, seconds: float, **query: Any) -> Iterator[Response]:
        assert (path, query["watch"], query["allowWatchBookmarks"]) == ("/list", "1", "true")
        assert 0 < float(query["timeoutSeconds"]) < seconds
        self.asked.append(f"watch from {query['resourceVersion']}")
        self.selectors.add(query["labelSelector"])
        if not self.watches:
            self.parked.set()
            self.release.wait(SECONDS)
            yield Response(())
            return
        found = self.watches.pop(0)
        if isinstance(found, ApiError):
            raise found
        yield Response(found)


class Objects:
    """An API server of which single objects and lists are read.

    Args:
        answers: what is found at a path, or how it is refused. `PATH?previous` is the log before.
    """

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.queries: list[Json] = []

    @property
    def kube(self) -> Kube:
        return cast(Kube, self)

    def items(self, path: str, **query: Any) -> Any:
        self.asked.append(path)
        self.queries.append(query)
        before = f"{path}?previous"
        found = self.answers.get(before if query.get("previous") and before in self.answers else path, [])
        if isinstance(found, ApiError):
            raise found
        return found

    log = items
