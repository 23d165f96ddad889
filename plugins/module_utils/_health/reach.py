# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How models are reached from here: straight or by port-forward, with which keys, and how many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._health.exchange import Exchange, Place, request_of
from ansible_collections.ai_aas.inference.plugins.module_utils._health.forward import Forwarder
from ansible_collections.ai_aas.inference.plugins.module_utils._health.judge import Quorum
from ansible_collections.ai_aas.inference.plugins.module_utils._health.keys import KeyOfEachNamespace, OneKey
from ansible_collections.ai_aas.inference.plugins.module_utils._health.outcome import Outcome
from ansible_collections.ai_aas.inference.plugins.module_utils._health.prober import Probe, Prober
from ansible_collections.ai_aas.inference.plugins.module_utils._health.remedy import Remedy, Restart
from ansible_collections.ai_aas.inference.plugins.module_utils._health.sweep import Pace
from ansible_collections.ai_aas.inference.plugins.module_utils._health.target import Claimed, Question
from ansible_collections.ai_aas.inference.plugins.module_utils._health.workers import Workers
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.threads import silence_port_forwards
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import tls_of

NAME_THREADS = 32
# A port-forward takes two threads of its own, and the API server's patience.
KUBE_THREADS = 32


class Reach:
    """The ways to all models of a run.

    Args:
        params: the module's.
        secrets: learns each key that is read, so that it is masked.

    Raises:
        InferenceError: an option cannot be used.
    """

    def __init__(self, params: Mapping[str, Any], secrets: set[str]) -> None:
        self.params, self.secrets = params, secrets
        self.question = Question(params["probe"], params["api"], params["timeout"])
        quorum = Quorum(params["quorum"], params["quorum_least"])
        self.pace = Pace(params["concurrency"], params["jitter"], quorum)
        self.tls = tls_of(params["scheme"], params["server_ca_cert"], validate=params["validate_certs"])
        self.names, self.calls = Workers("names", NAME_THREADS), Workers("kubernetes", KUBE_THREADS)
        self.exchange = Exchange(self.names, self.tls.context() if self.tls else None)
        self.control_place = control_of(params["control"])
        self.one_key = OneKey(params["api_key"])

    @cached_property
    def kube(self) -> Kube:
        silence_port_forwards()
        return Kube(self.params["kubeconfig"], self.params["context"])

    def checking(self) -> Callable[[Claimed], Awaitable[Outcome]]:
        """How one sweep checks an entry. What the API server said is not kept for the next."""
        keys, probe = self.keys(), self.probe()

        async def check(entry: Claimed) -> Outcome:
            try:
                headers = await keys.headers(entry.namespace)
            except InferenceError as error:
                return Outcome("unknown", "api_key", error.message)
            return await probe(entry, headers)

        return check

    def keys(self) -> OneKey | KeyOfEachNamespace:
        given = self.params["api_key_secret"]
        if not given:
            return self.one_key
        kube = self.kube
        return KeyOfEachNamespace(
            lambda namespace: kube.secret(namespace, given["name"], given["key"]), self.calls, self.secrets
        )

    def probe(self) -> Probe:
        if self.params["transport"] == "direct":
            return Prober(self.exchange, self.question, self.params["endpoint_map"]).probe
        return self.forwarder().probe

    def forwarder(self) -> Forwarder:
        return Forwarder(self.kube, self.calls, self.question, self.tls)

    async def remedy(self, frozen: Sequence[Claimed], *, check: bool) -> list[Restart]:
        """Restart a pod of each of these models, as far as that may be done now."""
        keys, remedy = self.keys(), Remedy(self.forwarder(), self.params["remediate_period"], check=check)

        async def restart(model: Claimed) -> Restart:
            try:
                return await remedy.restart(model, await keys.headers(model.namespace))
            except InferenceError as error:
                return Restart(why_not=error.message)

        return await asyncio.gather(*(restart(model) for model in frozen))

    async def control(self) -> str:
        """Why this checker is cut off, as far as the control endpoint tells; empty if it answers or there is none."""
        if self.control_place is None:
            return ""
        place, path = self.control_place
        answer = await Exchange(self.names).ask(place, request_of("GET", path, place, {}), self.question.seconds)
        return "" if answer.status else f"the control endpoint does not answer: {answer.error}"

    def end(self) -> None:
        self.names.end()
        self.calls.end()


def control_of(url: str | None) -> tuple[Place, str] | None:
    """Where the control endpoint is, and its path.

    Raises:
        InvalidInputError: it is no plain http URL.
    """
    if not url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme != "http" or not parts.hostname or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidInputError("Invalid control", "it is no http URL", "Use http://host:port/path.")
    return Place(parts.hostname, port, f"{parts.hostname}:{port}"), parts.path or "/"
