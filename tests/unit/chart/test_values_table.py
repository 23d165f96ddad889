# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comments of values.yaml are the only source of the chart's documentation."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.unit.chart.values_table import CHART, read_comments, walk, written

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def closed_nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every part of a schema that lists properties."""
    children = [child for child in node.values() if isinstance(child, dict)]
    found = [part for child in children for part in closed_nodes(child)]
    return [node, *found] if isinstance(node.get("properties"), dict) and node.get("type") == "object" else found


def test_readme_and_schema_are_as_the_comments_say() -> None:
    for path, content in written().items():
        assert path.read_text(encoding="utf-8") == content, "run: python -m tests.unit.chart.values_table"


def test_each_key_has_a_comment_and_a_place_in_the_schema() -> None:
    comments = read_comments((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert [value.keys for value in walk(VALUES, SCHEMA, SCHEMA)] == list(comments)


def test_schema_knows_no_key_without_a_default() -> None:
    """Otherwise a key would work and be in no table."""
    assert set(SCHEMA["properties"]) == set(VALUES)


def test_schema_is_closed_at_every_level() -> None:
    """A volume is Kubernetes' own: only its name is looked at."""
    opened = [node["properties"] for node in closed_nodes(SCHEMA) if node.get("additionalProperties") is not False]
    assert opened == [SCHEMA["properties"]["extraVolumes"]["items"]["properties"]]


@pytest.mark.parametrize(
    ("text", "comments"),
    [
        ("a: 1\n", {}),
        ("# One.\na: 1\n", {("a",): "One."}),
        ("# One,\n# two.\na: 1\n", {("a",): "One, two."}),
        ("# Lost.\n\na: 1\n", {}),
        ("# A.\na:\n  # B.\n  b: 1\n# C.\nc: 1\n", {("a",): "A.", ("a", "b"): "B.", ("c",): "C."}),
        ("# A.\na:\n  - b: 1\n    c: 2\n", {("a",): "A."}),
    ],
    ids=["none", "one line", "two lines", "apart", "nested", "list"],
)
def test_read_comments(text: str, comments: dict[tuple[str, ...], str]) -> None:
    assert read_comments(text) == comments
