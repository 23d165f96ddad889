# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lab's router finds a route: the cache first, then the registry, as the ai-aas router does."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import psycopg2
import psycopg2.errors
import redis

Source = Literal["cache", "database"]

CACHE_SECONDS = 120
ENVIRONMENTS = ("development", "staging", "production")

_CONNECT_SECONDS = 5
_QUERY = """
    SELECT model_id, model_name, revision, deployment_status, deployment_endpoint, deployment_namespace
    FROM model_registry_entries
    WHERE model_name = %s AND deployment_environment = %s
      AND deployment_status = 'ready' AND deployment_endpoint IS NOT NULL
"""


class RouteError(Exception):
    """A request cannot be routed. Its status, type and code go to the client, as OpenAI's API gives them."""

    def __init__(self, status: int, code: str, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "code": code}}


@dataclass(frozen=True)
class Entry:
    """A route as the cache holds it."""

    model_id: str
    model_name: str
    revision: int
    deployment_status: str
    deployment_endpoint: str
    deployment_namespace: str


class Gate:
    """Holds requests between reading the registry and filling the cache, so that tests can force that race."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._closed = False
        self._waiting = 0

    def hold(self) -> None:
        with self._changed:
            self._closed = True

    def release(self) -> None:
        with self._changed:
            self._closed = False
            self._changed.notify_all()

    def waiting(self) -> int:
        with self._changed:
            return self._waiting

    def passing(self, seconds: float) -> None:
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._closed, timeout=seconds)
            self._waiting -= 1


class RouteTable:
    """Looks routes up. Without a cache every request reads the registry."""

    def __init__(self, database_url: str, redis_url: str | None, gate: Gate, hold_seconds: float) -> None:
        self._database_url = database_url
        self._cache = _connect_cache(redis_url) if redis_url else None
        self._gate = gate
        self._hold_seconds = hold_seconds

    def lookup(self, environment: str, model: str) -> tuple[Entry, Source]:
        key = f"model_registry:{environment}:{model}"
        if cached := self._read_cache(key):
            return cached, "cache"
        entry = self._read_registry(environment, model)
        self._gate.passing(self._hold_seconds)
        self._write_cache(key, entry)
        return entry, "database"

    def _read_cache(self, key: str) -> Entry | None:
        content = None
        if self._cache is not None:
            with _tolerated("read", key):
                content = self._cache.get(key)
        return _parse(key, content) if isinstance(content, str) else None

    def _write_cache(self, key: str, entry: Entry) -> None:
        if self._cache is not None:
            with _tolerated("write", key):
                self._cache.set(key, json.dumps(asdict(entry)), ex=CACHE_SECONDS)

    def _read_registry(self, environment: str, model: str) -> Entry:
        missing = RouteError(404, "model_not_found", f"The model `{model}` is not routed in {environment}.")
        try:
            row = self._query(environment, model)
        except psycopg2.errors.UndefinedTable as error:
            raise missing from error
        except psycopg2.Error as error:
            why = str(error).strip()
            raise RouteError(500, "registry_error", f"The registry cannot be read: {why}", "server_error") from error
        if row is None:
            raise missing
        if row[5] is None:
            # The ai-aas router scans this column into a string and fails on NULL.
            why = "converting NULL to string is unsupported: deployment_namespace"
            raise RouteError(500, "registry_error", f"The registry's row cannot be scanned: {why}", "server_error")
        return Entry(str(row[0]), row[1], row[2], row[3], row[4], row[5])

    def _query(self, environment: str, model: str) -> tuple[Any, ...] | None:
        connection = psycopg2.connect(self._database_url, connect_timeout=_CONNECT_SECONDS)
        try:
            with connection.cursor() as cursor:
                cursor.execute(_QUERY, (model, environment))
                return cursor.fetchone()
        finally:
            connection.close()


def _parse(key: str, content: str) -> Entry | None:
    """A cached route; None for content that is none, as for a miss."""
    try:
        return Entry(**json.loads(content))
    except (ValueError, TypeError) as error:
        print(f"router: {key} in the cache is not a route: {error}", file=sys.stderr, flush=True)
        return None


def _connect_cache(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, decode_responses=True, socket_timeout=_CONNECT_SECONDS, socket_connect_timeout=_CONNECT_SECONDS
    )


@contextmanager
def _tolerated(verb: str, key: str) -> Iterator[None]:
    """A cache that does not answer makes routing slower, and never wrong: say so and go on."""
    try:
        yield
    except redis.RedisError as error:
        print(f"router: cannot {verb} {key} in the cache: {error}", file=sys.stderr, flush=True)
