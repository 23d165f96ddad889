# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failure that is provoked: what is expected of the module, what it said, and how long after the API showed it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import HEALS, PERMANENT

from tests.integration.readiness.deployments import PATIENCE, Json, ready
from tests.integration.readiness.scene import SECONDS_BETWEEN_LOOKS, Scene, Sign

Params = Mapping[str, Any]
T = TypeVar("T")

# For what only a timeout ends; the wait for it begins when the API shows the failure.
SHORT = 2.5
# More than this at the same time would be late for want of processors, and not for the module's sake.
WORKERS = 5


@dataclass(frozen=True)
class Case:
    """One failure.

    Args:
        name: of the test.
        reason: which the module must give; a pattern.
        severity: `permanent` must end the wait at once, `suspect` with fail_fast=suspect, `heals` only at its timeout.
        words: patterns that the message must contain; RELEASE and NAMESPACE stand for the case's own.
        make: provokes it, and may return parameters of the module.
        visible: whether the API shows it.
        params: of the module.
        heal: mends it once it was reported; then the model has to become ready.
    """

    name: str
    reason: str
    severity: str
    words: tuple[str, ...]
    make: Callable[[Scene], Params | None]
    visible: Sign
    params: Params = field(default_factory=dict)
    heal: Callable[[Scene], object] | None = None


@dataclass(frozen=True)
class Report:
    """What the module said of a case. `late` are the seconds after the API had shown it, None if it never did; `names`
    are what RELEASE and NAMESPACE stand for."""

    result: Json
    reason: str | None
    told: str
    late: float | None
    lines: list[str]
    names: Mapping[str, str]

    def __str__(self) -> str:
        return "\n".join([json.dumps(self.result, indent=1), f"late: {self.late}", *self.lines])


class Sighting:
    """Looks for a sign in a thread of its own, as a context manager; `moment` is when it was first seen."""

    def __init__(self, sign: Sign, scene: Scene) -> None:
        self.sign, self.scene = sign, scene
        self.moment: float | None = None
        self.over = threading.Event()
        self.seen = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Sighting:
        self.thread.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self.over.set()
        self.thread.join()

    def wait(self) -> float | None:
        """The moment, as soon as there is one."""
        self.seen.wait(PATIENCE)
        return self.moment

    def _look(self) -> None:
        while not self.over.is_set():
            if self.sign(self.scene):
                self.moment = time.monotonic()
                self.seen.set()
                return
            self.over.wait(SECONDS_BETWEEN_LOOKS)


class Attempt:
    """vllm_ready in a thread of its own. One that never returns does not hold the tests.

    Args:
        params: the module's.
        folder: for the lines of its progress.
    """

    def __init__(self, params: Params, folder: Path) -> None:
        self.path = folder / "progress"
        self.path.touch()
        self.params = {**params, "progress_file": str(self.path)}
        self.done: Future[tuple[Json, float]] = Future()
        self.begin = time.monotonic()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self.done.set_result((ready(self.params), time.monotonic()))
        except BaseException as error:
            self.done.set_exception(error)

    @property
    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()

    def until(self, words: str) -> None:
        """Return as soon as a line of its progress holds these words."""
        deadline = time.monotonic() + PATIENCE
        while not any(words in line for line in self.lines):
            assert not self.done.done(), f"it ended without {words!r}: {self.done.result()}"
            assert time.monotonic() < deadline, f"no {words!r} in {self.lines}"
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def result(self) -> tuple[Json, float]:
        """What it returned, and when."""
        limit = self.params["timeout"] + PATIENCE
        try:
            return self.done.result(limit)
        except TimeoutError:
            raise AssertionError(f"the module has not returned after {limit:g} s: {self.lines}") from None


def provoke(case: Case, scene: Scene) -> Report:
    """Make a failure, let the module wait for the release, and look in the API for the failure meanwhile."""
    own = case.make(scene) or {}
    outlasts = case.severity == HEALS
    # What heals has to outlast suspicion, too.
    given = {"fail_fast": "permanent" if case.severity == PERMANENT else "suspect", "timeout": PATIENCE}
    given |= {"timeout": SHORT} if outlasts and not case.heal else {}
    params = scene.deployments.parameters(scene.release, **{**given, **case.params, **own})
    with Sighting(case.visible, scene) as sighting:
        if outlasts and not case.heal:
            sighting.wait()
        attempt = Attempt(params, scene.folder)
        if case.heal:
            attempt.until(f" s  {case.reason}: ")
            case.heal(scene)
        result, end = attempt.result()
        seen = sighting.wait()
    names = {"RELEASE": scene.release, "NAMESPACE": scene.namespace}
    reason, told, reported = first_report(case, result, attempt.lines, end)
    late = None if seen is None else max(0.0, reported - max(seen, attempt.begin))
    return Report(result, reason, told, late, attempt.lines, names)


def first_report(case: Case, result: Json, lines: list[str], end: float) -> tuple[str | None, str, float]:
    """The reason that was given, the words, and the moment of the first time."""
    found = [re.fullmatch(r" *([\d.]+) s  (\w+): (.*)", line) for line in lines]
    given = [match for match in found if match and match[2] == case.reason]
    reported = end
    if case.severity == HEALS and given:
        reported = end - result["seconds"] + float(given[0][1])
    if case.heal and given:
        return case.reason, given[-1][3], reported
    return result.get("reason"), str(result.get("failed", "")), reported


def check(case: Case, report: Report) -> None:
    """Whether the module said what is expected of it."""
    assert report.late is not None, f"the API never showed it\n{report}"
    assert report.result["ready"] == bool(case.heal), report
    assert re.fullmatch(case.reason, report.reason or ""), report
    for word in case.words:
        pattern = re.sub("RELEASE|NAMESPACE", lambda match: report.names[match[0]], word)
        assert re.search(pattern, report.told), f"no {pattern!r} in {report.told!r}\n{report}"
    if not case.heal:
        assert report.result["severity"] == case.severity, report
        assert ("(timeout)" in report.result["failed"]) == (case.severity == HEALS), report


class Stage(Generic[T]):
    """Does several things at the same time, each of them once."""

    def __init__(self, action: Callable[[Any], T], workers: int = WORKERS) -> None:
        self.action = action
        self.pool = ThreadPoolExecutor(workers)
        self.futures: dict[Hashable, Future[T]] = {}

    def __enter__(self) -> Stage[T]:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def begin(self, name: str, given: Any) -> Future[T]:
        """Have it done, if it was not begun yet."""
        if name not in self.futures:
            self.futures[name] = self.pool.submit(self.action, given)
        return self.futures[name]
