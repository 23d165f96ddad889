# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verified revision is, and which records are kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import (
    identity_of,
    image_digest,
    merged,
    stored_release,
    values_hash,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.recording import record_newest, recorded
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helm.releases import DIGEST, Cluster, Program, document, packed, pod

ABOUT = {"actor": "alice", "at": "2026-11-01T12:00:00Z", "phases": {"loaded": 1.5}}
MODEL = {"name": "org/m", "revision": "abc", "servedNames": ["m"]}


def test_identity() -> None:
    identity = identity_of(document(3, model=MODEL), [pod()])
    assert (identity["chart"], identity["chart_version"]) == ("vllm-deployment", "0.1.0")
    assert (identity["model"], identity["model_revision"], identity["served_names"]) == ("org/m", "abc", ["m"])
    assert identity["image_digest"] == DIGEST
    assert identity_of(document(4, "failed", model=MODEL), [pod()]) == identity


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("config", "model", "revision"), "def"),
        (("chart", "templates", 0, "data"), "Yg=="),
        (("chart", "templates", 0, "name"), "templates/b.yaml"),
        (("chart", "values", "more"), 1),
        (("chart", "metadata", "version"), "0.1.1"),
        (("chart", "schema"), "e30="),
        (("chart", "files"), [{"name": "files/a", "data": "YQ=="}]),
    ],
)
def test_whatever_differs_makes_another_identity(path: tuple[Any, ...], value: object) -> None:
    release = document(model=dict(MODEL))
    before = identity_of(release, [pod()])
    part: Any = release
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    assert identity_of(release, [pod()]) != before


def test_the_value_that_makes_an_upgrade_of_nothing_is_no_part_of_it() -> None:
    assert values_hash({"a": 1, "deployId": "after-3"}) == values_hash({"a": 1}) != values_hash({"a": 2})


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": {"b": 1}}, {"a": {"b": None}}, {"a": {}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({}, {"a": None}, {}),
    ],
)
def test_defaults_and_values(base: dict[str, Any], over: dict[str, Any], result: dict[str, Any]) -> None:
    assert merged(base, over) == result


@pytest.mark.parametrize(
    ("pods", "digest"),
    [
        ([pod()], DIGEST),
        ([pod(), pod()], DIGEST),
        ([pod(), pod("docker.io/vllm@sha256:other", deletionTimestamp="now")], DIGEST),
        ([pod(DIGEST)], DIGEST),
        ([pod(), {"metadata": {}, "status": {}}], DIGEST),
        ([], None),
        ([pod("")], None),
        ([pod("docker.io/vllm:latest")], None),
        ([pod(), pod("docker.io/vllm@sha256:other")], None),
    ],
)
def test_image(pods: list[dict[str, Any]], digest: str | None) -> None:
    if digest:
        assert image_digest(pods) == digest
        return
    with pytest.raises(InferenceError, match="It cannot be said which image runs"):
        image_digest(pods)


@pytest.mark.parametrize(
    "secret",
    [
        {"metadata": {"name": "s"}},
        {"metadata": {"name": "s"}, "data": None},
        {"metadata": {"name": "s"}, "data": {"release": "!"}},
        {"metadata": {"name": "s"}, "data": {"release": packed({})[:40]}},
    ],
)
def test_a_secret_that_holds_no_release(secret: dict[str, Any]) -> None:
    with pytest.raises(InferenceError, match="Secret s holds no release of Helm"):
        stored_release(secret)


def records(*numbers: int) -> dict[int, dict[str, Any]]:
    return {number: {"revision": number, "identity": {"of": number}} for number in numbers}


@pytest.mark.parametrize(
    ("known", "number", "keep", "is_new", "forgotten"),
    [
        (records(), 1, 3, True, ()),
        (records(1, 2), 3, 3, True, ()),
        (records(1, 2, 3), 4, 3, True, (1,)),
        (records(1, 2, 3), 4, 1, True, (1, 2, 3)),
        (records(1, 2), 2, 1, False, ()),
        (records(7, 8), 1, 3, True, (7, 8)),
        (records(1, 7), 3, 3, True, (7,)),
    ],
)
def test_recorded(
    known: dict[int, dict[str, Any]], number: int, keep: int, is_new: bool, forgotten: tuple[int, ...]
) -> None:
    found = recorded(known, number, {"of": number}, ABOUT, keep)
    assert (found.is_new, found.forgotten) == (is_new, forgotten)
    assert found.record == ({"revision": number, "identity": {"of": number}, **ABOUT} if is_new else known[number])


def test_another_thing_under_a_known_number_is_recorded_anew() -> None:
    assert recorded(records(2), 2, {"of": "other"}, ABOUT, 3).is_new


@given(st.sets(st.integers(1, 30)), st.integers(1, 30), st.integers(1, 5))
def test_no_more_records_than_are_kept_and_the_newest_among_them(known: set[int], number: int, keep: int) -> None:
    found = recorded(records(*known), number, {"of": number}, ABOUT, keep)
    left = {*known, number} - set(found.forgotten)
    assert number in left
    assert not found.is_new or (len(left) <= keep and max(left) == number)


@pytest.mark.parametrize("check", [False, True])
def test_the_newest_revision_is_recorded_once(check: bool) -> None:
    release = document(1, model=MODEL)
    cluster, program = Cluster(release), Program(release)
    result = record_newest(program.helm, cluster.store, ABOUT, 3, check=check)
    assert (result["changed"], result["record"]["actor"], result["record"]["revision"]) == (True, "alice", 1)
    if check:
        assert cluster.sent == []
        return
    assert cluster.sent == [
        "PATCH secrets/r-verified",
        "POST secrets",
        "PATCH configmaps/r-verified",
        "POST configmaps",
    ]
    assert cluster.store.records() == {1: result["record"]}
    assert stored_release({"data": {"release": cluster.store.copies()[1]}}) == release
    again = record_newest(program.helm, cluster.store, {**ABOUT, "actor": "bob"}, 3, check=False)
    assert (again["changed"], again["record"]) == (False, result["record"])
    assert len(cluster.sent) == 4


def test_older_records_are_given_up_with_their_copies() -> None:
    release = document(9, model=MODEL)
    cluster = Cluster(release)
    cluster.store.write(records(7, 8), {7: "x", 8: "y"})
    result = record_newest(Program(release).helm, cluster.store, ABOUT, 2, check=False)
    assert result["forgotten"] == [7]
    assert sorted(cluster.store.records()) == sorted(cluster.store.copies()) == [8, 9]


def test_a_rival_that_makes_the_object_first_loses_nothing() -> None:
    cluster = Cluster()
    cluster.rival = {"data": {"1": json.dumps({"revision": 1})}}
    cluster.store.merge("configmaps", {"2": json.dumps({"revision": 2})})
    assert sorted(cluster.store.records()) == [1, 2]


@pytest.mark.parametrize("releases", [(), (document(1, "failed"),), (document(1), document(2, "pending-upgrade"))])
def test_what_is_not_deployed_is_not_recorded(releases: tuple[dict[str, Any], ...]) -> None:
    cluster = Cluster(*releases)
    with pytest.raises(InferenceError, match="cannot be recorded as verified"):
        record_newest(Program(*releases).helm, cluster.store, ABOUT, 3, check=False)
    assert cluster.sent == []


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("meant", [1, 3])
def test_another_revision_than_the_one_that_was_verified(meant: int, check: bool) -> None:
    release = document(2, model=MODEL)
    cluster = Cluster(release)
    if check and meant == 3:
        result = record_newest(Program(release).helm, cluster.store, ABOUT, 3, meant, check=True)
        assert (result["changed"], result["record"]) == (True, {"revision": 3}), "it is still to be made"
    else:
        with pytest.raises(InferenceError, match=f"revision {meant} was verified, and the newest is 2"):
            record_newest(Program(release).helm, cluster.store, ABOUT, 3, meant, check=check)
    assert cluster.sent == []


def test_one_record_has_to_stay() -> None:
    with pytest.raises(InvalidInputError, match="Invalid keep: 0"):
        record_newest(Program().helm, Cluster().store, ABOUT, 0, check=False)
