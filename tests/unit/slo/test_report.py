# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far promises were kept, and the page that says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._slo.objectives import (
    OBJECTIVES,
    points,
    quantile,
    summary,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._slo.page import page
from ansible_collections.ai_aas.inference.plugins.module_utils._slo.records import (
    Record,
    keep_record,
    read_records,
    record_from,
)
from hypothesis import given
from hypothesis import strategies as st

READINESS, COMPLETION, ROUTING, DENIAL, ROLLBACK = OBJECTIVES
GOOD = {
    "at": "2026-11-01T12:00:00Z",
    "verb": "deploy",
    "model": "m",
    "environment": "staging",
    "succeeded": True,
    "ready_seconds": 30,
    "completion_seconds": 0.5,
    "route_seconds": 0.1,
}


def record(**changes: Any) -> Record:
    return record_from({**GOOD, **changes})


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, True),
        ({"ready_seconds": 600}, True),
        ({"ready_seconds": 600.1}, False),
        ({"succeeded": False}, False),
        ({"succeeded": False, "ready_seconds": None}, False),
        ({"succeeded": "yes"}, False),
    ],
)
def test_whether_a_run_kept_a_promise(changes: dict[str, Any], kept: bool) -> None:
    (point,) = points(READINESS, [record(**changes)])
    assert point.kept is kept


@pytest.mark.parametrize("changes", [{"verb": "rollback"}, {"ready_seconds": None}])
def test_what_measures_nothing_of_it_is_left_out(changes: dict[str, Any]) -> None:
    assert points(READINESS, [record(**changes)]) == []


def test_each_promise_has_its_records() -> None:
    of = {"deploy": [READINESS, COMPLETION, ROUTING], "disable": [DENIAL], "rollback": [ROLLBACK]}
    for verb, objectives in of.items():
        given_ = record(verb=verb, seconds=1)
        assert [each for each in OBJECTIVES if points(each, [given_])] == objectives


def test_numbers() -> None:
    records = [record(at=f"2026-11-{day:02}T00:00:00Z", ready_seconds=day * 10) for day in range(1, 21)]
    told = summary(READINESS, points(READINESS, [*records, record(succeeded=False, ready_seconds=None)]))
    assert (told["count"], told["kept"], told["median"], told["p95"], told["worst"]) == (21, 20, 105, 190, 200)
    assert summary(READINESS, [])["share"] is None


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_a_value_that_this_share_does_not_exceed(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = quantile(ordered, share)
    assert found in ordered
    assert sum(each <= found for each in ordered) >= share * len(ordered) - 1e-6


@pytest.mark.parametrize(
    "document",
    [[], "x", {}, {**GOOD, "at": "yesterday"}, {**GOOD, "model": 1}, {k: v for k, v in GOOD.items() if k != "verb"}],
)
def test_what_is_no_record_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInputError):
        record_from(document)


@pytest.mark.parametrize("value", ["1", None, float("nan"), float("inf"), [1]])
def test_what_is_no_number_is_no_measure(value: Any) -> None:
    assert "ready_seconds" not in record(ready_seconds=value).measures


def test_a_folder_is_read_and_what_is_no_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(GOOD))
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c.json").write_bytes(b"\xff\xfe")
    (tmp_path / "notes.txt").write_text("x")
    records, others = read_records(tmp_path)
    assert (records, others) == ([record()], ["b.json", "c.json"])
    with pytest.raises(InferenceError, match="cannot be read"):
        read_records(tmp_path / "nowhere")


def parts(*records: Record) -> list[Any]:
    return [(each, summary(each, points(each, records)), points(each, records)) for each in OBJECTIVES]


def test_the_page_is_whole_and_holds_nothing_that_was_not_escaped() -> None:
    hostile = record(model="<script>alert(1)</script>", at="2026-11-02T12:00:00Z", succeeded=False)
    text = page("A & B", parts(record(), hostile))
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
    body = text[text.index("<body>") : text.index("</html>")]
    root = ElementTree.fromstring(body)  # noqa: S314
    assert len(root.findall(".//svg")) == 3
    assert len(root.findall(".//circle")) == 6
    assert "Nothing was measured yet." in body


def test_without_a_record_there_is_a_page() -> None:
    assert page("x", parts()).count("Nothing was measured yet.") == len(OBJECTIVES)


def test_the_same_records_make_the_same_page_in_any_order() -> None:
    one, other = record(), record(at="2026-11-02T12:00:00Z")
    assert page("x", parts(one, other)) == page("x", parts(other, one))


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    path = keep_record(str(folder), {**GOOD, "model": "org/m: 1"})
    assert path.name == "20261101T120000Z-staging-org_m__1.json"
    assert read_records(folder) == ([record(model="org/m: 1")], [])


def test_what_cannot_be_kept_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InferenceError, match="could not be written"):
        keep_record(str(tmp_path / "file" / "below"), GOOD)
    with pytest.raises(InvalidInputError):
        keep_record(str(tmp_path), {})
