# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wait that goes on while a test does something, and what a test does to a release or a kubeconfig meanwhile."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import yaml

from tests.integration.readiness.deployments import PATIENCE, POLL_SECONDS, Deployments, Json, ready

# Less than a Deployment's progress deadline.
LONG = 500


class Wait:
    """vllm_ready in a thread of its own, as a context manager that ends when the wait has ended.

    Args:
        params: the module's.
        folder: for the lines of its progress.
    """

    def __init__(self, params: Mapping[str, Any], folder: Path) -> None:
        self.path = folder / f"progress-{time.monotonic_ns()}"
        self.path.touch()
        self.params = {**params, "progress_file": str(self.path)}
        self.pool = ThreadPoolExecutor(1)
        self.mark = 0

    def __enter__(self) -> Self:
        self.begin = time.monotonic()
        self.future = self.pool.submit(self.run)
        return self

    def __exit__(self, *_unused: object) -> None:
        self.pool.shutdown()

    def run(self) -> tuple[Json, float]:
        result = ready(self.params)
        return result, time.monotonic()

    @property
    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()

    def until(self, words: str, seconds: float = PATIENCE) -> float:
        """The moment at which a new line of its progress holds these words. Lines before it are passed over."""
        deadline = time.monotonic() + seconds
        while True:
            lines, ended = self.lines, self.future.done()
            for place in range(self.mark, len(lines)):
                if words in lines[place]:
                    self.mark = place + 1
                    return time.monotonic()
            assert not ended, f"it ended without {words!r}: {self.future.result()}"
            assert time.monotonic() < deadline, f"no {words!r} in {lines}"
            time.sleep(POLL_SECONDS)

    def lasts(self, seconds: float) -> None:
        """See it go on for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert not self.future.done(), f"it ended: {self.future.result()}"
            time.sleep(POLL_SECONDS)

    def result(self, seconds: float = PATIENCE) -> Json:
        """What it returned, within this time; `took` are the seconds that it really took."""
        result, end = self.future.result(seconds)
        return {**result, "took": end - self.begin}


class Gate:
    """A release whose pod serves, and whose rollout is complete only while the gate is open."""

    def __init__(self, deployments: Deployments, release: str) -> None:
        self.deployments, self.release = deployments, release

    def close(self) -> None:
        """Until its Deployment says that no replica is available."""
        self.deployments.patch(self.release, {"minReadySeconds": LONG})
        eventually(lambda: not self.deployments.get(self.release)["status"].get("availableReplicas"))

    def open(self) -> None:
        self.deployments.patch(self.release, {"minReadySeconds": 0})


@contextmanager
def new_gate(deployments: Deployments) -> Iterator[Gate]:
    """One that is open, for as long as this lasts."""
    name = f"gate-{uuid.uuid4().hex[:8]}"
    try:
        deployments.create(name)
        deployments.wait_available(name)
        yield Gate(deployments, name)
    finally:
        deployments.delete(name)


@contextmanager
def at_once(scenarios: Mapping[str, Callable[[], None]]) -> Iterator[dict[str, Future[None]]]:
    """Scenarios that go on at the same time, since they mostly wait. A test asks for what came of one."""
    with ThreadPoolExecutor(len(scenarios)) as pool:
        yield {name: pool.submit(scenario) for name, scenario in scenarios.items()}


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE, what: str = "it") -> None:
    """Until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not become so"
        time.sleep(POLL_SECONDS)


def rewritten(
    kubeconfig: str,
    to: Path,
    server: str = "",
    user: Mapping[str, Any] | None = None,
    cluster: Mapping[str, Any] | None = None,
) -> str:
    """A kubeconfig with another server, another user or other settings of its cluster; the path of it."""
    config = yaml.safe_load(Path(kubeconfig).read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"] |= {**(cluster or {}), **({"server": server} if server else {})}
    if server.startswith("http:"):
        config["users"][0]["user"], config["clusters"][0]["cluster"] = {}, {"server": server}
    if user is not None:
        config["users"][0]["user"] = dict(user)
    to.write_text(json.dumps(config), encoding="utf-8")
    return str(to)
