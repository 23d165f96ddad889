# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarts a frozen server by deleting its pod: one pod of a model at a time, and not again for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._health.forward import Forwarder, backends_of
from ansible_collections.ai_aas.inference.plugins.module_utils._health.target import Claimed
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import parse_endpoint
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ConflictError, Kube, MissingError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reading import condition

# Alive and silent, while nothing is generated for others. An engine that sleeps was put to sleep by somebody.
FROZEN = "not_generating"


class Member(NamedTuple):
    """A pod of a model's Service. `created` is in seconds since 1970."""

    name: str
    uid: str
    created: float
    ready: bool
    ending: bool


class Restart(NamedTuple):
    """The pod that was or would be deleted, or why none is."""

    pod: str = ""
    why_not: str = ""


def member_of(pod: Mapping[str, Any]) -> Member:
    """What counts of a pod's object."""
    meta = pod["metadata"]
    ready = condition(pod, "Ready").get("status") == "True"
    created = datetime.fromisoformat(meta["creationTimestamp"].replace("Z", "+00:00")).timestamp()
    return Member(meta["name"], meta["uid"], created, ready, "deletionTimestamp" in meta)


def hindrance(members: Sequence[Member], now: float, period: float) -> str:
    """Why no pod may be deleted now, or nothing. Pure.

    Args:
        members: all pods of the Service.
        now: seconds since 1970.
        period: seconds within which no second pod of a model is restarted. How old its pods are tells when the last
            one was, whoever did it.
    """
    if not members:
        return "its Service has no pod"
    if any(each.ending for each in members):
        return "a pod of it is ending"
    if not all(each.ready for each in members) and len(members) > 1:
        return "another pod of it is not Ready"
    age = now - max(each.created for each in members)
    if age < period:
        return f"its youngest pod was made {age:.0f} s ago, and one in {period:.0f} s is the limit"
    return ""


class Remedy:
    """Of one sweep.

    Args:
        forwarder: asks single pods.
        period: as `hindrance` has it.
        check: whether the pod is only named.
        now: seconds since 1970.
    """

    def __init__(
        self, forwarder: Forwarder, period: float, *, check: bool, now: Callable[[], float] = time.time
    ) -> None:
        self.forwarder, self.kube = forwarder, forwarder.kube
        self.period, self.check, self.now = period, check, now

    async def restart(self, model: Claimed, headers: Mapping[str, str]) -> Restart:
        """Delete the first frozen pod of a model, if that may be done now."""
        return await self.forwarder.workers.call(lambda: self.attempt(model, headers))

    def attempt(self, model: Claimed, headers: Mapping[str, str]) -> Restart:
        try:
            endpoint = parse_endpoint(model.endpoint)
            return self.delete_frozen(endpoint.namespace, endpoint.service, model.model_name, headers)
        except InferenceError as error:
            return Restart(why_not=error.message)

    def delete_frozen(self, namespace: str, service: str, model: str, headers: Mapping[str, str]) -> Restart:
        path = f"/api/v1/namespaces/{namespace}"
        selector = self.kube.get(f"{path}/services/{service}")["spec"].get("selector") or {}
        labels = ",".join(f"{name}={value}" for name, value in selector.items())
        members = [member_of(pod) for pod in self.kube.items(f"{path}/pods", labelSelector=labels)] if labels else []
        why_not = hindrance(members, self.now(), self.period)
        if why_not:
            return Restart(why_not=why_not)
        slices = self.forwarder.read_slices(namespace)
        uids = {each.name: each.uid for each in members}
        for backend in backends_of(slices, service) or ():
            frozen = self.forwarder.ask(namespace, backend, model, headers).reason == FROZEN
            if frozen and backend.pod in uids:
                if not self.check:
                    delete(self.kube, f"{path}/pods/{backend.pod}", uids[backend.pod])
                return Restart(f"{namespace}/{backend.pod}")
        return Restart(why_not="none of its pods is frozen when asked by itself")


def delete(kube: Kube, path: str, uid: str) -> None:
    """Delete one object, unless it is gone already or another one has its name.

    Raises:
        ApiError: the API server refuses or cannot be reached.
    """
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
    with suppress(MissingError, ConflictError):
        kube.send("DELETE", path, body)
