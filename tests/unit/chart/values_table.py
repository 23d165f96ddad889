# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what the comments of the chart's values.yaml say into its README and its schema.

`python -m tests.unit.chart.values_table` rewrites both. A test fails when they are not as it would write them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CHART = Path(__file__).parents[3] / "charts" / "vllm-deployment"
BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"

Keys = tuple[str, ...]


class Value(NamedTuple):
    """One key of values.yaml: `group` when the schema names the keys below it."""

    keys: Keys
    default: Any
    schema: dict[str, Any]
    group: bool


def read_comments(text: str) -> dict[Keys, str]:
    """Return the comment above each key that has one."""
    comments: dict[Keys, str] = {}
    lines: list[str] = []
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        content = line.strip()
        if content.startswith("#"):
            lines.append(content.removeprefix("#").strip())
            continue
        if key := re.match(r"( *)([A-Za-z]\w*):", line):
            indent = len(key[1])
            above = [*(parent for parent in above if parent[0] < indent), (indent, key[2])]
            if lines:
                comments[tuple(name for _unused, name in above)] = " ".join(lines)
        lines = []
    return comments


def walk(values: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], above: Keys = ()) -> Iterator[Value]:
    """Yield the keys of the values in their order, groups before what they hold."""
    for key, default in values.items():
        node = schema["properties"][key]
        keys = (*above, key)
        resolved = resolve(node, root)
        group = "properties" in resolved
        yield Value(keys, default, node, group)
        if group:
            yield from walk(default, resolved, root, keys)


def resolve(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Return what a schema's node means, behind its reference if it is one."""
    if "$ref" not in node:
        return node
    name: str = node["$ref"].removeprefix("#/definitions/")
    return dict(root["definitions"][name])


def render_table(comments: dict[Keys, str], values: list[Value], root: dict[str, Any]) -> str:
    """Return the README's table of all keys that hold a value."""
    rows = ["| Key | Type | Default | Meaning |", "|---|---|---|---|"]
    for value in values:
        if value.group and value.default:
            continue
        kind = resolve(value.schema, root)["type"]
        kind = kind if isinstance(kind, str) else " or ".join(kind)
        cells = (f"`{'.'.join(value.keys)}`", kind, f"`{json.dumps(value.default)}`", comments[value.keys])
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def describe(comments: dict[Keys, str], values: list[Value]) -> None:
    """Put each comment into the schema as its key's description, in front."""
    for value in values:
        rest = {key: part for key, part in value.schema.items() if key != "description"}
        value.schema.clear()
        value.schema.update({"description": comments[value.keys], **rest})


def written() -> dict[Path, str]:
    """Return the README and the schema as they should be."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    comments = read_comments(text)
    values = list(walk(yaml.safe_load(text), schema, schema))
    describe(comments, values)
    before, after = readme.split(BEGIN)[0], readme.split(END)[1]
    return {
        CHART / "README.md": f"{before}{BEGIN}\n{render_table(comments, values, schema)}\n{END}{after}",
        CHART / "values.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
    }


if __name__ == "__main__":
    for path, content in written().items():
        path.write_text(content, encoding="utf-8")
