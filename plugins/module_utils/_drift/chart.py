# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts as they lie in folders, in the form in which Helm keeps them, so that the two can be compared."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import chart_digest


class Charts:
    """The charts of declared models, each read once."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[dict[str, Any], str]] = {}
        self.same: dict[str, Mapping[str, Any]] = {}

    def version(self, reference: str) -> str:
        """A chart's name and version; empty if it is not in a folder."""
        metadata = self.read(reference)[0].get("metadata") or {}
        return f"{metadata.get('name')} {metadata.get('version')}" if metadata else ""

    def is_same(self, reference: str, stored: Mapping[str, Any]) -> bool:
        """Whether a release was made of this very chart. False also where that cannot be told without Helm."""
        # Most releases of a fleet are made of the same chart, and to compare is much faster than to digest.
        if reference in self.same and self.same[reference] == stored:
            return True
        digest = self.read(reference)[1]
        is_same = bool(digest) and digest == chart_digest(stored)
        if is_same:
            self.same[reference] = stored
        return is_same

    def read(self, reference: str) -> tuple[dict[str, Any], str]:
        """A chart and its digest; both empty if Helm alone can read it: it is packed, remote, or has dependencies."""
        if reference not in self.known:
            folder = Path(reference)
            is_plain = (folder / "Chart.yaml").is_file() and not (folder / "charts").exists()
            chart = read_chart(folder) if is_plain else {}
            self.known[reference] = chart, chart_digest(chart) if chart else ""
        return self.known[reference]


def read_chart(folder: Path) -> dict[str, Any]:
    """Read a chart without dependencies.

    Raises:
        InferenceError: a file cannot be read.
    """
    import yaml

    own = {"Chart.yaml", "values.yaml", "values.schema.json", "Chart.lock"}
    try:
        names = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
        packed = {
            str(name): base64.b64encode((folder / name).read_bytes()).decode()
            for name in names
            if not any(part.startswith(".") for part in name.parts)
        }
        metadata, values = (
            yaml.safe_load(base64.b64decode(packed.get(name, ""))) for name in ("Chart.yaml", "values.yaml")
        )
    except (OSError, yaml.YAMLError) as error:
        raise InferenceError(f"The chart in {folder} cannot be read", str(error).splitlines()[0]) from error
    files = {name: text for name, text in packed.items() if name not in own}
    return {
        "metadata": metadata,
        "values": values or {},
        "schema": packed.get("values.schema.json"),
        "templates": [{"name": name, "data": text} for name, text in files.items() if name.startswith("templates/")],
        "files": [{"name": name, "data": text} for name, text in files.items() if not name.startswith("templates/")],
    }
