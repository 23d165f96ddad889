# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that never pauses: what a user of a model meets while it is changed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import requests

from tests.integration.main_path.sites import Site

PER_SECOND = 20


class Request(NamedTuple):
    """When a request was begun and answered, and its status; 0 where there was no answer."""

    at: datetime
    status: int
    until: datetime


class Client:
    """Sends requests at a steady rate, however long each one takes."""

    def __init__(self, site: Site, model: str) -> None:
        self.url = site.lab.router_url(site.environment) + "/v1/completions"
        self.body = {"model": model, "prompt": "Hi", "max_tokens": 1}
        self.requests: list[Request] = []
        self.ended = threading.Event()

    def ask(self) -> None:
        at = datetime.now(UTC)
        try:
            status = requests.post(self.url, json=self.body, timeout=30).status_code
        except requests.RequestException:
            status = 0
        self.requests.append(Request(at, status, datetime.now(UTC)))

    def run(self) -> None:
        with ThreadPoolExecutor(PER_SECOND) as pool:
            while not self.ended.wait(1 / PER_SECOND):
                pool.submit(self.ask)

    @property
    def statuses(self) -> Counter[int]:
        """How many requests met each status."""
        return Counter(each.status for each in self.requests)

    @property
    def last_denied(self) -> datetime:
        return max(each.at for each in self.requests if each.status == 404)


@contextmanager
def requesting(site: Site, model: str) -> Iterator[Client]:
    """A client that goes on until the end."""
    client = Client(site, model)
    thread = threading.Thread(target=client.run)
    thread.start()
    try:
        yield client
    finally:
        client.ended.set()
        thread.join()
