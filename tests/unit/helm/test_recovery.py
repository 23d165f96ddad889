# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an operation of Helm counts as cut off, and what is done then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import stored_release
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.recovery import (
    Newest,
    Store,
    newest_of,
    recover,
    seconds_left,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ConflictError, Kube
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helm.releases import document, packed

Json = dict[str, Any]


def secret(number: int, status: str, **written: str) -> Json:
    labels = {"owner": "helm", "name": "r", "version": str(number), "status": status, **written}
    data = {"release": packed(document(number, status))}
    return {"metadata": {"name": f"sh.helm.release.v1.r.v{number}", "labels": labels}, "data": data}


@pytest.mark.parametrize(
    ("status", "written", "expected"),
    [
        ("deployed", 0, None),
        ("failed", 0, None),
        ("superseded", 0, None),
        ("uninstalled", 0, None),
        ("pending-install", 995, 5),
        ("pending-upgrade", 999.5, 9.5),
        ("pending-rollback", 990, 0),
        ("uninstalling", 0, 0),
        # Its clock is ahead of ours.
        ("pending-upgrade", 5000, 10),
    ],
)
def test_how_long_an_operation_counts_as_alive(status: str, written: float, expected: float | None) -> None:
    assert seconds_left(Newest(3, status, written, {}), 1000, 10) == expected


def test_no_release_is_held_by_nobody() -> None:
    assert newest_of([]) is None
    assert seconds_left(None, 0, 10) is None


def test_the_newest_is_the_one_with_the_highest_number() -> None:
    found = newest_of([secret(9, "superseded", createdAt="1"), secret(10, "pending-upgrade", createdAt="5")])
    assert found is not None
    assert (found.number, found.status, found.written) == (10, "pending-upgrade", 5)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e6))
def test_nobody_waits_longer_than_told(written: float, now: float, patience: float) -> None:
    left = seconds_left(Newest(1, "pending-install", written, {}), now, patience)
    assert left is not None
    assert 0 <= left <= patience


class Api:
    """The Secrets of one release. `events` happen one by one, each when the list is asked for."""

    def __init__(self, *secrets: Json, events: tuple[Callable[[Api], None], ...] = (), conflicts: int = 0) -> None:
        self.secrets = {each["metadata"]["name"]: each for each in secrets}
        self.events = list(events)
        self.conflicts = conflicts
        self.now = 100.0

    def items(self, path: str, labelSelector: str) -> list[Json]:  # noqa: N803
        assert (path, labelSelector) == ("/api/v1/namespaces/ns/secrets", "owner=helm,name=r")
        if self.events:
            self.events.pop(0)(self)
        return list(self.secrets.values())

    def send(self, method: str, path: str, body: Mapping[str, Any]) -> Json:
        assert method == "PUT"
        if self.conflicts:
            self.conflicts -= 1
            raise ConflictError("it was changed")
        self.secrets[path.rpartition("/")[2]] = dict(body)
        return {}

    def set_status(self, number: int, status: str, at: str) -> None:
        self.secrets[f"sh.helm.release.v1.r.v{number}"] = secret(number, status, modifiedAt=at)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def recover(self, *, check: bool = False) -> Any:
        return recover(Store(cast(Kube, self), "ns", "r"), 10, lambda: self.now, self.sleep, check=check)


def test_one_that_is_cut_off_is_marked_as_failed_and_nothing_else() -> None:
    api = Api(secret(1, "deployed", createdAt="1"), secret(2, "pending-upgrade", createdAt="95"))
    assert api.recover() == (True, "pending-upgrade", 2)
    assert api.now == 105
    marked = api.secrets["sh.helm.release.v1.r.v2"]
    assert marked["metadata"]["labels"]["status"] == "failed"
    before, after = document(2, "pending-upgrade"), stored_release(marked)
    assert after["info"].pop("status") == "failed"
    assert "marked as failed" in after["info"].pop("description")
    assert before["info"].pop("status") == "pending-upgrade"
    assert after == before
    assert api.secrets["sh.helm.release.v1.r.v1"]["metadata"]["labels"]["status"] == "deployed"
    assert api.recover() == (False, "failed", 2)


def test_one_that_ends_by_itself_is_left_alone() -> None:
    def done(world: Api) -> None:
        world.set_status(1, "deployed", "101")

    api = Api(secret(1, "pending-install", createdAt="99"), events=(lambda world: None, done))
    assert api.recover() == (False, "deployed", 1)
    assert api.now == 101


def test_a_sign_of_life_counts_anew() -> None:
    def alive(world: Api) -> None:
        world.set_status(1, "pending-install", "105")

    api = Api(secret(1, "pending-install", createdAt="91"), events=(lambda world: None, alive))
    assert api.recover() == (True, "pending-install", 1)
    assert api.now == 115


def test_one_that_goes_on_after_all_is_looked_at_again() -> None:
    api = Api(secret(1, "pending-install", createdAt="1"), conflicts=1)
    assert api.recover() == (True, "pending-install", 1)


def test_check_mode_waits_for_nothing() -> None:
    api = Api(secret(1, "pending-install", createdAt="1"))
    assert api.recover(check=True) == (True, "pending-install", 1)
    assert api.secrets["sh.helm.release.v1.r.v1"]["metadata"]["labels"]["status"] == "pending-install"
    api = Api(secret(1, "pending-install", createdAt="99"))
    with pytest.raises(
        InferenceError, match=r"is pending-install \(revision 1\): another operation may hold it for 9 s"
    ):
        api.recover(check=True)
    assert api.now == 100


def test_where_there_is_no_release_nothing_is_done() -> None:
    assert Api().recover() == (False, "", 0)
