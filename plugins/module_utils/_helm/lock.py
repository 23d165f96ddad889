# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time changes a release: a Lease beside it says which one. Deciding is pure; `Lock` writes.

Nobody renews the Lease while a task waits, so it lasts as long as the whole run may take. A run that was killed is told
from one that lives by its process, where that is on this machine; elsewhere its Lease has to expire.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import (
    ApiError,
    ConflictError,
    Kube,
    MissingError,
)

Json = dict[str, Any]

MICROSECONDS = "%Y-%m-%dT%H:%M:%S.%fZ"
# Each lost race means that another run went on.
MOST_RACES = 10


@dataclass(frozen=True)
class Holder:
    """A run: on whose behalf, on which machine, by which process, and when that began in the machine's own count."""

    actor: str
    host: str
    process: int
    began: str

    def __str__(self) -> str:
        return f"{self.actor}@{self.host}:{self.process}:{self.began}"

    @classmethod
    def read(cls, text: str) -> Holder | None:
        """Read the text of a holder; None if it is another program's."""
        actor, at, place = text.rpartition("@")
        host, _unused, rest = place.partition(":")
        process, colon, began = rest.partition(":")
        return cls(actor, host, int(process), began) if at and colon and process.isdecimal() else None


@dataclass(frozen=True)
class Held:
    """A Lease as it stands: whose it is, since when, and until when it lasts if it is not given back before."""

    holder: str
    since: datetime
    until: datetime


# What becomes of a wish for the lock.
FREE, OWN, LEFT = "free", "own", "left"


def claim(held: Held | None, me: Holder, now: datetime, lives: Callable[[Holder], bool | None]) -> str:
    """Decide whether the lock can be taken: `free`, `own` (held by this very run), or `left` by a run that has ended.

    Args:
        held: the Lease, or None where there is none.
        me: this run.
        now: the time.
        lives: whether a run's process lives, or None if that cannot be seen from here.

    Raises:
        InferenceError: another run holds it; says which, since when and until when.
    """
    if held is None or not held.holder:
        return FREE
    if held.holder == str(me):
        return OWN
    other = Holder.read(held.holder)
    if now >= held.until or (other is not None and lives(other) is False):
        return LEFT
    who = f"{other.actor} (process {other.process} on {other.host})" if other else held.holder
    raise InferenceError(
        "Another run is changing this release",
        f"{who} holds it since {held.since:%Y-%m-%d %H:%M:%S} UTC, until {held.until:%H:%M:%S} at the latest",
        "Wait for that run. If it was killed on another machine, take the release over with vllm_take_over=true.",
    )


def process_began(process: int) -> str:
    """When a process of this machine began, in the kernel's own count; empty if there is no such process or count."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def this_machine() -> str:
    """A name for what numbers its processes: two containers of one host count apart."""
    try:
        space = f"-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        space = ""
    return f"{socket.gethostname()}{space}"


def process_lives(holder: Holder) -> bool | None:
    """Whether a run's process lives, or None if it is another machine's."""
    if holder.host != this_machine():
        return None
    try:
        os.kill(holder.process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return process_began(holder.process) == holder.began


class Lock:
    """The lock of one release, in its namespace."""

    def __init__(self, kube: Kube, namespace: str, release: str) -> None:
        self.kube = kube
        self.namespace = namespace
        self.release = release
        self.name = f"{release}-lock"
        self.list = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"

    def take(self, me: Holder, seconds: int, *, over: bool, check: bool) -> str:
        """Take the lock or extend it, and say what it was before, as claim does. `over` takes it from whoever has it.

        Raises:
            InferenceError: another run holds it, or the Lease cannot be written.
        """
        with self.explained():
            return self.taken(me, seconds, over=over, check=check)

    def taken(self, me: Holder, seconds: int, *, over: bool, check: bool) -> str:
        for _unused in range(MOST_RACES):
            lease = self.lease()
            now = datetime.now(UTC)
            before = LEFT if over and lease else claim(held_of(lease), me, now, process_lives)
            if check:
                return before
            try:
                self.write(lease, spec_of(me, now, seconds, lease if before == OWN else {}))
            except ConflictError:
                continue
            return before
        raise InferenceError(f"Lease {self.name} in namespace {self.namespace} changes all the time", "", "Try again.")

    def give_back(self, me: Holder, *, check: bool) -> bool:
        """Give the lock back, and say whether this run had it."""
        with self.explained():
            return self.given_back(me, check=check)

    def given_back(self, me: Holder, *, check: bool) -> bool:
        lease = self.lease()
        held = held_of(lease)
        if held is None or held.holder != str(me):
            return False
        if not check:
            version = {"resourceVersion": lease["metadata"]["resourceVersion"]}
            try:
                self.kube.send("DELETE", f"{self.list}/{self.name}", {"preconditions": version})
            except (ConflictError, MissingError):
                return False
        return True

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say what to do about an API server that does not answer or refuses."""
        try:
            yield
        except ApiError as error:
            raise InferenceError(
                f"Release {self.release} in namespace {self.namespace} cannot be locked",
                error.message,
                "Check that the kubeconfig names a cluster that answers, and that its account may use leases there.",
            ) from error

    def lease(self) -> Json:
        """The Lease, or nothing."""
        try:
            return self.kube.get(f"{self.list}/{self.name}")
        except MissingError:
            return {}

    def write(self, lease: Json, spec: Json) -> None:
        if lease:
            self.kube.send("PUT", f"{self.list}/{self.name}", {**lease, "spec": spec})
            return
        item = {"metadata": {"name": self.name}, "spec": spec}
        try:
            self.kube.send("POST", self.list, item)
        except MissingError:
            # As Helm would, a moment later.
            self.kube.send("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
            self.kube.send("POST", self.list, item)


def held_of(lease: Json) -> Held | None:
    """Read a Lease; None where there is none."""
    spec = lease.get("spec") or {}
    if not spec.get("renewTime"):
        return None
    renewed = datetime.fromisoformat(spec["renewTime"])
    since = datetime.fromisoformat(spec.get("acquireTime") or spec["renewTime"])
    return Held(spec.get("holderIdentity") or "", since, renewed + timedelta(seconds=spec["leaseDurationSeconds"]))


def spec_of(me: Holder, now: datetime, seconds: int, own: Json) -> Json:
    """The Lease of this run; an own one keeps the time since which it is held."""
    moment = now.strftime(MICROSECONDS)
    since = (own.get("spec") or {}).get("acquireTime") or moment
    return {"holderIdentity": str(me), "leaseDurationSeconds": seconds, "acquireTime": since, "renewTime": moment}
