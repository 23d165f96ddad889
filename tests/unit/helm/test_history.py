# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""To which revision a release is taken back, and how."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.history import Revision, target_of
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import stored_release
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.rollback import roll_back

from tests.unit.helm.releases import Cluster, Program, document, packed


def history(*statuses: str, first: int = 1) -> list[Revision]:
    return [Revision(number, status) for number, status in enumerate(statuses, start=first)]


OLD, NOW, BAD = "superseded", "deployed", "failed"


@pytest.mark.parametrize(
    ("revisions", "to", "verified", "number"),
    [
        (history(OLD, NOW), "previous", (), 1),
        (history(OLD, OLD, NOW), "previous", (), 2),
        (history(OLD, BAD, NOW), "previous", (), 1),
        (history(OLD, NOW, BAD), "previous", (), 2),
        (history(OLD, NOW, "pending-upgrade"), "previous", (), 2),
        (history(OLD, NOW), "verified", (1,), 1),
        (history(OLD, NOW), "verified", (1, 2), 2),
        (history(OLD, NOW, BAD), "verified", (1, 2, 3), 2),
        (history(OLD, NOW, BAD), "3", (), 3),
        (history(OLD, NOW), "1", (), 1),
        (history(OLD, NOW, first=7), "7", (), 7),
    ],
)
def test_target(revisions: list[Revision], to: str, verified: tuple[int, ...], number: int) -> None:
    assert target_of(revisions, to, verified).number == number


@pytest.mark.parametrize(
    ("revisions", "to", "verified"),
    [
        (history(NOW), "previous", ()),
        (history(BAD, NOW), "previous", ()),
        (history(OLD, NOW), "verified", ()),
        (history(OLD, NOW), "verified", (9,)),
        (history(OLD, BAD), "verified", (2,)),
        (history(OLD, NOW), "3", (1,)),
    ],
)
def test_no_target(revisions: list[Revision], to: str, verified: tuple[int, ...]) -> None:
    with pytest.raises(InferenceError, match=f"There is no revision {to} to go back to: the history holds 1 ") as told:
        target_of(revisions, to, verified)
    assert f"verified: {', '.join(map(str, verified)) or 'none'}" in told.value.message


@pytest.mark.parametrize("to", ["", "-1", "1.5", "newest", "²", "x" * 200])
def test_a_target_that_is_none(to: str) -> None:
    with pytest.raises(InvalidInputError, match="Invalid to: ") as told:
        target_of(history(NOW), to, ())
    assert len(told.value.message) < 250


ONE, TWO = document(1, OLD, a=1), document(2, NOW, a=2)


def with_record(cluster: Cluster, number: int, release: Any) -> Cluster:
    cluster.store.write({number: {"revision": number}}, {number: packed(release)})
    cluster.sent.clear()
    return cluster


@pytest.mark.parametrize("check", [False, True])
def test_rollback(check: bool) -> None:
    program, cluster = Program(ONE, TWO), Cluster()
    result = roll_back(program.helm, cluster.store, "previous", check=check)
    assert program.ran == ([] if check else ["rollback r 1"])
    assert cluster.sent == []
    told = {name: result[name] for name in ("changed", "previous", "revision", "target", "restored")}
    assert told == {"changed": True, "previous": 2, "revision": 3, "target": 1, "restored": False}
    assert result["diff"]["before"] != result["diff"]["after"]


@pytest.mark.parametrize("newest", [2, 3])
def test_a_revision_that_is_deployed_already(newest: int) -> None:
    """Also one that was made of the target by an earlier rollback."""
    releases = [ONE, TWO, document(3, NOW, a=2)][:newest]
    program = Program(*releases)
    result = roll_back(program.helm, with_record(Cluster(), 2, TWO).store, "verified", check=False)
    assert (result["changed"], result["revision"], result["target"]) == (False, newest, 2)
    assert program.ran == []


@pytest.mark.parametrize("status", [BAD, "pending-upgrade", "pending-rollback"])
def test_a_newest_revision_that_is_not_deployed_is_never_the_same(status: str) -> None:
    program = Program(ONE, document(2, status, a=1))
    assert roll_back(program.helm, Cluster().store, "1", check=False)["changed"]
    assert program.ran == ["rollback r 1"]


@pytest.mark.parametrize("check", [False, True])
def test_a_revision_that_helm_has_forgotten(check: bool) -> None:
    program, cluster = Program(document(8, OLD, a=8), document(9, NOW, a=9)), Cluster()
    with_record(cluster, 3, document(3, NOW, a=3))
    result = roll_back(program.helm, cluster.store, "verified", check=check)
    assert (result["changed"], result["target"], result["restored"], result["revision"]) == (True, 3, True, 10)
    secret = "/api/v1/namespaces/ns/secrets/sh.helm.release.v1.r.v3"
    if check:
        assert (program.ran, cluster.sent) == ([], [])
        return
    assert (program.ran, cluster.sent) == (["rollback r 3"], ["POST secrets"])
    assert cluster.objects[secret]["metadata"]["labels"] == {
        "name": "r", "owner": "helm", "status": "superseded", "version": "3"
    }  # fmt: skip
    assert stored_release(cluster.objects[secret]) == document(3, OLD, a=3)


def test_a_forgotten_revision_without_a_copy() -> None:
    cluster = Cluster()
    cluster.store.write({3: {"revision": 3}}, {})
    program = Program(document(9, NOW))
    with pytest.raises(InferenceError, match="Secret r-verified has no copy of it"):
        roll_back(program.helm, cluster.store, "verified", check=False)
    assert program.ran == []


def test_no_release() -> None:
    with pytest.raises(InferenceError, match="There is no release r in namespace ns"):
        roll_back(Program().helm, Cluster().store, "previous", check=False)


def test_a_rollback_that_helm_refuses() -> None:
    with pytest.raises(InferenceError, match="back to revision 1: no room"):
        roll_back(Program(ONE, TWO, refuses="no room").helm, Cluster().store, "1", check=False)
