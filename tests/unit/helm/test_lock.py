# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may change a release, and who has to wait."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.lock import (
    Held,
    Holder,
    Lock,
    claim,
    process_began,
    process_lives,
    this_machine,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ConflictError, Kube, MissingError
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, Any]

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
ME = Holder("alice", "here", 7, "100")
OTHER = Holder("bob@corp", "here", 8, "90")
LATER, EARLIER = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)


def held(holder: object, until: datetime = LATER) -> Held:
    return Held(str(holder), EARLIER, until)


@pytest.mark.parametrize(
    ("found", "lives", "expected"),
    [
        (None, True, "free"),
        (held(""), True, "free"),
        (held(ME), True, "own"),
        (held(ME, EARLIER), True, "own"),
        (held(OTHER, NOW), True, "left"),
        (held(OTHER), False, "left"),
        (held("another-controller", EARLIER), True, "left"),
    ],
)
def test_claim(found: Held | None, lives: bool | None, expected: str) -> None:
    assert claim(found, ME, NOW, lambda holder: lives) == expected


@pytest.mark.parametrize("lives", [True, None], ids=["lives", "elsewhere"])
def test_a_lock_that_another_run_holds_is_refused_with_its_name(lives: bool | None) -> None:
    told = r"bob@corp \(process 8 on here\) holds it since 2026-11-01 11:59:59 UTC, until 12:00:01"
    with pytest.raises(InferenceError, match=told):
        claim(held(OTHER), ME, NOW, lambda holder: lives)


def test_a_lock_of_another_program_is_refused_until_it_expires() -> None:
    with pytest.raises(InferenceError, match="another-controller holds it"):
        claim(held("another-controller"), ME, NOW, lambda holder: False)


@given(
    st.builds(
        Holder, st.text(), st.text(st.characters(exclude_characters="@:")), st.integers(0, 2**22), st.text("0123456789")
    )
)
def test_a_holder_is_read_as_it_was_written(holder: Holder) -> None:
    assert Holder.read(str(holder)) == holder


@given(st.text())
def test_any_other_text_is_no_holder_or_reads_as_one(text: str) -> None:
    found = Holder.read(text)
    assert found is None or str(found.actor) in text


def holder_of(process: int, began: str | None = None, host: str | None = None) -> Holder:
    began = process_began(process) if began is None else began
    return Holder("x", this_machine() if host is None else host, process, began)


def test_a_process_lives_until_it_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        holder = holder_of(process.pid)
        alive = process_lives(holder)
        process.communicate()
    assert (alive, process_lives(holder)) == (True, False)


def test_a_number_that_another_process_has_since_is_none_of_it() -> None:
    assert process_lives(holder_of(os.getpid(), began="1")) is False
    assert process_lives(holder_of(1)) is True


def test_of_another_machine_nothing_is_known() -> None:
    assert process_lives(holder_of(os.getpid(), host="elsewhere")) is None


class Api:
    """The Kubernetes API with one Lease. `rivals` act one by one just before this run writes."""

    def __init__(self, *rivals: Callable[[Api], None]) -> None:
        self.lease: Json | None = None
        self.has_namespace = True
        self.version = 0
        self.rivals = list(rivals)
        self.sent: list[str] = []

    def get(self, _path: str) -> Json:
        if self.lease is None:
            raise MissingError("no such object")
        return self.lease

    def set(self, spec: Json) -> None:
        self.version += 1
        self.lease = {"metadata": {"name": "r-lock", "resourceVersion": str(self.version)}, "spec": spec}

    def send(self, method: str, path: str, body: Mapping[str, Any]) -> Json:
        if self.rivals:
            self.rivals.pop(0)(self)
        self.sent.append(f"{method} {path.rpartition('v1/')[2]}")
        if path == "/api/v1/namespaces":
            self.has_namespace = True
        elif not self.has_namespace:
            raise MissingError("no such namespace")
        elif method == "POST" and self.lease is not None:
            raise ConflictError("it exists")
        elif method == "POST":
            self.set(body["spec"])
        else:
            wanted = body.get("preconditions") or body["metadata"]
            if self.lease is None:
                raise MissingError("no such object")
            if wanted["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
                raise ConflictError("it was changed")
            if method == "DELETE":
                self.lease = None
            else:
                self.set(body["spec"])
        return {}

    @property
    def lock(self) -> Lock:
        return Lock(cast(Kube, self), "ns", "r")

    @property
    def holder(self) -> str | None:
        return self.lease["spec"]["holderIdentity"] if self.lease else None


ALIVE = holder_of(1)


def take(api: Api, me: Holder = ME, *, over: bool = False, check: bool = False) -> str:
    return api.lock.take(me, 60, over=over, check=check)


def test_taken_extended_and_given_back() -> None:
    api = Api()
    assert take(api) == "free"
    since = (api.lease or {})["spec"]["acquireTime"]
    assert take(api) == "own"
    assert (api.lease or {})["spec"]["acquireTime"] == since < (api.lease or {})["spec"]["renewTime"]
    with pytest.raises(InferenceError, match="alice"):
        take(api, ALIVE)
    assert not api.lock.give_back(ALIVE, check=False)
    assert api.lock.give_back(ME, check=True)
    assert api.holder == str(ME)
    assert api.lock.give_back(ME, check=False)
    assert not api.lock.give_back(ME, check=False)
    assert api.lease is None


def test_taken_over_from_whoever_has_it() -> None:
    api = Api()
    take(api, ALIVE)
    assert take(api, over=True) == "left"
    assert api.holder == str(ME)
    assert not api.lock.give_back(ALIVE, check=False)


def test_check_mode_writes_nothing_and_refuses_as_much() -> None:
    api = Api()
    assert take(api, check=True) == "free"
    assert api.sent == []
    take(api, ALIVE)
    with pytest.raises(InferenceError, match="Another run"):
        take(api, check=True)


def test_of_two_at_once_one_gets_it() -> None:
    def rival(world: Api) -> None:
        take(world, ALIVE)

    api = Api(rival)
    with pytest.raises(InferenceError, match="Another run"):
        take(api)
    assert api.holder == str(ALIVE)


def test_a_lock_that_is_always_lost_is_given_up() -> None:
    free: Json = {"holderIdentity": ""}
    api = Api(*[lambda world: world.set(free)] * 20)
    with pytest.raises(InferenceError, match="changes all the time"):
        take(api)


def test_a_namespace_that_is_missing_is_made() -> None:
    api = Api()
    api.has_namespace = False
    assert take(api) == "free"
    assert api.sent[1] == "POST namespaces"
    assert api.holder == str(ME)
