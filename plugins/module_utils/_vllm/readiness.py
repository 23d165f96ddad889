# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until models are ready: each in a thread of its own, over the same watches."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any

from ansible.module_utils.common.parameters import remove_values
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import threads
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Session
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Verdict
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observer import (
    ReleaseObserver,
    Route,
    UrlObserver,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import remedy
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.release import Releases
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.target import (
    INTERVALS,
    Target,
    patience_from,
    targets_from,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import Tls, direct, tls_of
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import (
    LAST_CHANCE,
    Outcome,
    Patience,
    SystemClock,
    wait,
)

Tell = Callable[[float, Verdict], None]


def wait_until_ready(params: Mapping[str, Any], hidden: set[str], *, once: bool) -> dict[str, Any]:
    """Wait for what a module's parameters name, and return the module's result.

    Args:
        params: as the module takes them.
        hidden: what nobody may read, as AnsibleModule.no_log_values. A key that is read from a Secret is added.
        once: to look once, and not to fail when a model is not ready.

    Raises:
        InferenceError: a model did not become ready; the result is in it.
    """
    targets, patience = targets_from(params), patience_from(params, once=once)
    fleet = Fleet(params, targets, hidden, once=once)
    try:
        outcomes = wait_for_all(fleet, targets, patience, params["progress_file"])
    finally:
        fleet.end()
    results = [result_of(target, outcome) for target, outcome in zip(targets, outcomes, strict=True)]
    result = {"changed": False, **(results[0] if params["releases"] is None else joined(results))}
    failed = [pair for pair in zip(targets, outcomes, strict=True) if not pair[1].verdict.ready]
    if failed and not once:
        raise failure(failed, {name: value for name, value in result.items() if name != "msg"})
    return result


class Fleet:
    """What the waits for several models share: the API server, and what is followed in each namespace."""

    def __init__(self, params: Mapping[str, Any], targets: Sequence[Target], hidden: set[str], *, once: bool) -> None:
        self.params = params
        self.hidden = hidden
        self.tls = Tls(params["ca_cert"], params["validate_certs"])
        self.namespaces: dict[str, Releases] = {}
        # A moment more for what becomes ready just before the timeout.
        self.deadline = time.monotonic() + params["timeout"] + LAST_CHANCE
        in_cluster = [target for target in targets if target.release]
        if not in_cluster:
            return
        self.kube = Kube(params["kubeconfig"], params["context"])
        threads.silence_port_forwards()
        for namespace in {target.namespace for target in in_cluster}:
            names = sorted({target.release for target in in_cluster if target.namespace == namespace})
            self.namespaces[namespace] = Releases(self.kube, namespace, names, once=once)
            self.namespaces[namespace].begin()

    def end(self) -> None:
        for releases in self.namespaces.values():
            releases.end()

    def observer(self, target: Target) -> UrlObserver | ReleaseObserver:
        """What looks at a model."""
        interval = self.params["interval"] or INTERVALS["release" if target.release else "url"]
        if target.url:
            connect, base_path = direct(target.url, self.tls)
            headers = bearer(self.params["api_key"])
            return UrlObserver(lambda: Session(connect, base_path, headers, self.deadline), target.question, interval)
        releases, replicas = self.namespaces[target.namespace], self.params["each_replica"]
        return ReleaseObserver(releases, target.release, target.question, self.route(target), replicas, interval)

    def route(self, target: Target) -> Route:
        """How a release's pods are reached.

        Raises:
            InvalidInputError: the key cannot be brought there.
        """
        transport = self.params["transport"]
        if transport == "api_proxy" and (self.params["api_key"] or self.params["api_key_secret"]):
            raise InvalidInputError(
                "Invalid transport: api_proxy",
                "the API server takes the header with the model server's key for its own",
                "Use port_forward.",
            )
        name = self.params["tls_server_name"] or f"{target.release}.{target.namespace}.svc.cluster.local"
        given = self.params
        tls = tls_of(given["scheme"], given["ca_cert"], validate=given["validate_certs"], name=name)
        return Route(transport, cache(partial(self.authorisation, target.namespace)), tls, self.deadline)

    def authorisation(self, namespace: str) -> dict[str, str]:
        """The header with the model server's key, which may lie in a Secret."""
        secret = self.params["api_key_secret"]
        if not secret:
            return bearer(self.params["api_key"])
        key = self.kube.secret(namespace, secret["name"], secret["key"])
        self.hidden.update({key} - {""})
        return bearer(key)

    def clock(self, target: Target) -> SystemClock:
        """The clock whose sleep ends when something of a model's release changes."""
        return SystemClock(self.namespaces[target.namespace].changes[target.release] if target.release else None)


def bearer(key: str | None) -> dict[str, str]:
    """The header for a key.

    Raises:
        InvalidInputError: no header can hold it. Never repeats it.
    """
    if not key:
        return {}
    if not (key.isascii() and key.isprintable()):
        raise InvalidInputError("Invalid api_key", "it holds characters that no header can hold", "Correct it.")
    return {"Authorization": f"Bearer {key}"}


def wait_for_all(
    fleet: Fleet, targets: Sequence[Target], patience: Patience, progress_file: str | None
) -> list[Outcome]:
    """Wait for each model, and return the outcomes in the same order."""
    works = [
        work(fleet, target, patience, teller(progress_file, target, len(targets), fleet.hidden)) for target in targets
    ]
    results: list[Outcome | BaseException] = [InferenceError("It was not waited for")] * len(works)

    def run(place: int) -> None:
        try:
            results[place] = works[place]()
        except BaseException as error:
            results[place] = error

    started = [threads.start(partial(run, place), f"wait {place}") for place in range(len(works))]
    for thread in started:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if isinstance(result, Outcome)]


def work(fleet: Fleet, target: Target, patience: Patience, tell: Tell) -> Callable[[], Outcome]:
    """The wait for one model, to be begun. What is wrong with its options shows now."""
    observer, clock = fleet.observer(target), fleet.clock(target)
    return lambda: wait(observer.look, patience, clock, tell)


def teller(progress_file: str | None, target: Target, among: int, hidden: set[str]) -> Tell:
    """What writes a line of progress without what is hidden, or drops it where nobody reads it."""
    name = f"{target.model}: " if among > 1 else ""

    def tell(seconds: float, verdict: Verdict) -> None:
        if progress_file:
            line = f"{name}{seconds:6.1f} s  {verdict.reason or 'ready'}: {verdict.msg}".replace("\n", " ")
            append(progress_file, f"{remove_values(line, list(hidden))}\n".encode(errors="replace"))

    return tell


def make_progress_file(path: str | None) -> None:
    """Make the file for the progress if it is not there. One that goes later means that nobody waits any more.

    Raises:
        InvalidInputError: it cannot be written.
    """
    if not path:
        return
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    except OSError as error:
        raise InvalidInputError("Invalid progress_file", str(error), "Name a file that can be written.") from error


def append(path: str, line: bytes) -> None:
    """Write at the end of a file that is there. Whoever removed it does not want to know."""
    with suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, line)
        finally:
            os.close(file)


def result_of(target: Target, outcome: Outcome) -> dict[str, Any]:
    """What is told of one model."""
    verdict = outcome.verdict
    return {
        "model": target.model,
        "ready": verdict.ready,
        "reason": verdict.reason,
        "severity": None if verdict.ready else verdict.severity,
        "phases": outcome.timeline.phases,
        "slowest": outcome.timeline.slowest(outcome.seconds),
        "served_models": list(verdict.served_models),
        "observations": outcome.observations,
        "seconds": round(outcome.seconds, 3),
        "msg": verdict.msg,
    }


def joined(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is told of several models together."""
    waiting = [result for result in results if not result["ready"]]
    told = "; ".join(f"{result['model']}: {result['msg']}" for result in waiting)
    return {
        "ready": not waiting,
        "reason": waiting[0]["reason"] if waiting else None,
        "seconds": max(result["seconds"] for result in results),
        "msg": told or f"All {len(results)} models generate",
        "releases": list(results),
    }


def failure(failed: Sequence[tuple[Target, Outcome]], result: dict[str, Any]) -> InferenceError:
    """The error about models that did not become ready."""
    target, outcome = failed[0]
    verdict = outcome.verdict
    spent = {"": "", "timeout": " (timeout)"}.get(outcome.exhausted, f" (budget of {outcome.exhausted})")
    if len(failed) == 1:
        what = f"Model {target.model} is not ready after {outcome.seconds:.1f} s{spent}, reason {verdict.reason}"
        return InferenceError(what, verdict.msg, remedy(verdict.reason), result)
    told = "; ".join(f"{one.model}: {end.verdict.reason}: {end.verdict.msg}" for one, end in failed)
    return InferenceError(f"{len(failed)} models are not ready", told, remedy(verdict.reason), result)
