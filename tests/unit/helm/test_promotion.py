# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go from one environment into the next."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.promotion import verified_in
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import described, serving_hash
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.promotion import (
    COMPARED,
    differences,
    source_of,
    unpinned,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry

DIGEST = "sha256:" + "ab" * 32
COMMIT = "0123456789" * 4
IDENTITY: dict[str, Any] = {
    "chart": "vllm-deployment",
    "chart_version": "0.2.0",
    "chart_digest": "sha256:1",
    "values_hash": "sha256:2",
    "serving_hash": "sha256:3",
    "image_digest": DIGEST,
    "model": "org/m",
    "model_revision": COMMIT,
    "served_names": ["m"],
}


def test_production_takes_from_staging_alone() -> None:
    assert (source_of("staging"), source_of("production")) == ("development", "staging")
    with pytest.raises(InvalidInputError, match="Nothing is promoted to development"):
        source_of("development")


def test_the_same_may_go_on_with_an_environments_own_values() -> None:
    assert differences(IDENTITY, {**IDENTITY, "values_hash": "sha256:other"}) == []


@pytest.mark.parametrize("name", COMPARED)
def test_whatever_differs_is_told(name: str) -> None:
    (found,) = differences(IDENTITY, {**IDENTITY, name: "other"})
    assert COMPARED[name] in found
    (missing,) = differences({**IDENTITY, name: None}, IDENTITY)
    assert COMPARED[name] in missing


def test_what_people_can_read_is_shown() -> None:
    assert differences(IDENTITY, {**IDENTITY, "chart_version": "0.3.0", "image_digest": ""}) == [
        "the chart's version would be 0.3.0, and 0.2.0 was verified",
        f"the image would be not pinned, and {DIGEST} was verified",
    ]


@pytest.mark.parametrize(
    ("revision", "digest", "count"),
    [
        (COMMIT, DIGEST, 0),
        ("main", DIGEST, 1),
        (COMMIT[:39], DIGEST, 1),
        (COMMIT.upper().replace("0", "A"), DIGEST, 1),
        ("", DIGEST, 1),
        (None, DIGEST, 1),
        (COMMIT, "", 1),
        (COMMIT, "latest", 1),
        (COMMIT + "\n", DIGEST, 1),
        ("", "", 2),
    ],
)
def test_what_could_become_something_else_is_told(revision: str | None, digest: str, count: int) -> None:
    assert len(unpinned({"model_revision": revision, "image_digest": digest})) == count


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({"replicas": 3}, True),
        ({"image": {"tag": "v2", "digest": DIGEST}}, True),
        ({"resources": {"limits": {"memory": "1Gi"}}}, True),
        ({"model": {"name": "m", "source": {"type": "claim"}}}, True),
        ({"model": {"name": "m", "maxLength": 4096}}, False),
        ({"gpu": {"count": 2}}, False),
        ({"extraArgs": ["--enforce-eager"]}, False),
        ({"extraEnv": [{"name": "A", "value": "1"}]}, False),
        ({"lora": {"adapters": ["x"]}}, False),
    ],
)
def test_values_that_decide_what_the_model_answers(changes: dict[str, Any], is_same: bool) -> None:
    before = {"model": {"name": "m"}, "gpu": {"count": 1}}
    assert (serving_hash(before) == serving_hash({**before, **changes})) is is_same


def test_the_chart_s_defaults_count_as_values() -> None:
    chart = {"metadata": {"name": "c", "version": "1"}, "values": {"gpu": {"count": 1}}}
    given, left = described({"gpu": {"count": 1}}, chart), described({}, chart)
    assert given["serving_hash"] == left["serving_hash"]
    assert given["values_hash"] != left["values_hash"]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (None, "it is not registered in staging"),
        (Entry("m", "staging", status="degraded"), "it is degraded in staging"),
        (Entry("m", "staging", status="ready"), "its entry in staging does not say what was verified"),
        (Entry("m", "staging", status="ready", metadata={"verified": "yes"}), "does not say what was verified"),
        (Entry("m", "staging", status="ready", metadata={"verified": {"revision": 1}}), "does not say what"),
    ],
)
def test_what_was_never_verified_is_refused(entry: Entry | None, why: str) -> None:
    with pytest.raises(InferenceError, match=why):
        verified_in(entry, "m", "staging")


def test_what_was_verified_is_found() -> None:
    verified = {"revision": 3, "identity": IDENTITY}
    assert (
        verified_in(Entry("m", "staging", status="ready", metadata={"verified": verified}), "m", "staging") == verified
    )
