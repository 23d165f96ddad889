# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manifest's names are those that YAML would read."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.manifest import Manifest, Named

GOLDEN = sorted((Path(__file__).parents[1] / "chart" / "golden").glob("*.txt"))
POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n"


def by_yaml(text: str) -> dict[str, Named]:
    return {name: Named(each["apiVersion"], each["kind"]) for name, each in Manifest(text).objects.items()}


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_names_of_the_charts_renderings(file: Path) -> None:
    text = file.read_text()
    names = Manifest(text).names
    assert names == by_yaml(text)
    assert names


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---\n# Source: nothing\n",
        POD,
        f"---\n# Source: a.yaml\n{POD}---\n# Source: b.yaml\n{POD.replace('name: a', 'name: b')}",
        POD.replace("name: a", 'name: "a"'),
        POD.replace("name: a", "labels:\n    name: other\n    kind: x\n  name: a"),
        POD.replace("name: a", "name: 'a'"),
        "kind: Pod\napiVersion: v1\nmetadata: {name: a}\n",
        '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}',
        "metadata:\n    name: a\nkind: Pod\napiVersion: v1\n",
        f"{POD}data:\n  text: |\n    kind: x\n",
        f"{POD}data: |\n  x\nspec:\n  template:\n    metadata:\n      name: b\n",
        "apiVersion: apps/v1 # a comment\nkind: Deployment\nmetadata:\n  name: a\n",
    ],
)
def test_whatever_is_written_otherwise_is_read_as_yaml(text: str) -> None:
    assert Manifest(text).names == by_yaml(text)


def test_what_charts_write_is_not_read_as_yaml() -> None:
    manifest = Manifest(f"---\n# Source: a.yaml\n{POD}")
    assert manifest.names == {"Pod a": Named("v1", "Pod")}
    assert "objects" not in vars(manifest)
