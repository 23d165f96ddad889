# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of one container run: when each is due, and what its results mean. Pure: the clock is handed in."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any, NamedTuple

Json = dict[str, Any]


class Result(Enum):
    """Of one probe."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


class Kind(Enum):
    """In the kubelet's words, as events begin with them."""

    STARTUP = "Startup"
    READINESS = "Readiness"
    LIVENESS = "Liveness"


FIELDS = {Kind.STARTUP: "startupProbe", Kind.READINESS: "readinessProbe", Kind.LIVENESS: "livenessProbe"}
DEFAULTS = {
    "initialDelaySeconds": 0,
    "periodSeconds": 10,
    "timeoutSeconds": 1,
    "successThreshold": 1,
    "failureThreshold": 3,
}


class Probe:
    """One probe's spec and what has been seen of it in this run."""

    def __init__(self, kind: Kind, spec: Json) -> None:
        self.kind = kind
        self.spec = spec
        self.last: Result | None = None
        self.run = 0

    def setting(self, name: str) -> int:
        """A number of the spec; 0 means the default too."""
        return int(self.spec.get(name) or DEFAULTS[name])

    def observe(self, result: Result) -> Result | None:
        """Count a result; it is returned once it has been seen often enough."""
        if result is Result.UNKNOWN:
            return None
        self.run = self.run + 1 if result is self.last else 1
        self.last = result
        needed = self.setting("successThreshold" if result is Result.SUCCESS else "failureThreshold")
        return result if self.run >= needed else None


class Change(NamedTuple):
    """What one result changed."""

    status: bool = False
    """started or ready is another now."""
    kill: bool = False
    """The container has to be killed."""


class Health:
    """started and ready of one run of a container, from its probes' results."""

    def __init__(self, container: Json, now: float, origin: float) -> None:
        """`now` is the container's start, `origin` the pod's, from which all its probes' periods are counted."""
        self.begin, self.origin = now, origin
        self.probes = {kind: Probe(kind, container[field]) for kind, field in FIELDS.items() if container.get(field)}
        self.started = Kind.STARTUP not in self.probes
        self.ready = self.started and Kind.READINESS not in self.probes
        self.killed = False

    def is_gated(self, kind: Kind) -> bool:
        """Readiness and liveness wait for started; startup ends with it; all but readiness end with a kill."""
        if kind is Kind.READINESS:
            return not self.started
        return self.killed or self.started == (kind is Kind.STARTUP)

    def first_due(self, kind: Kind, now: float) -> float:
        """When a probe that is not gated any more runs first.

        Its initial delay counts from the container's start. It keeps to the pod's beat, as a kubelet's ticker does;
        only readiness is asked at once when the startup probe has succeeded.
        """
        due = max(now, self.begin + self.probes[kind].setting("initialDelaySeconds"))
        if kind is Kind.READINESS and Kind.STARTUP in self.probes:
            return due
        period = self.probes[kind].setting("periodSeconds")
        return self.origin + math.ceil((due - self.origin) / period) * period

    def observe(self, kind: Kind, result: Result) -> Change:
        """Take in one result."""
        if self.is_gated(kind):
            return Change()
        settled = self.probes[kind].observe(result)
        if settled is None:
            return Change()
        if kind is Kind.READINESS:
            before, self.ready = self.ready, settled is Result.SUCCESS
            return Change(status=before != self.ready)
        if settled is Result.FAILURE:
            self.killed = True
            return Change(kill=True)
        if kind is Kind.STARTUP:
            self.started = True
            self.ready = Kind.READINESS not in self.probes
            return Change(status=True)
        return Change()
