# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what the chart makes of each shipped model in each environment into `golden/`.

`python -m tests.unit.chart.golden_renderings` writes them anew. A test fails when they are not as it would write them,
so that a change of the chart shows in a review as what it changes in the cluster.
"""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any

import yaml

from tests.unit.chart.rendering import CHART, ENVIRONMENTS, MODELS, SERVICE_MONITOR, Helm, find_helm

# Its files are no .yaml: ansible-test refuses several documents in one.
FOLDER = Path(__file__).parent / "golden"
LAYERINGS = tuple(itertools.product(MODELS, ENVIRONMENTS))
# As in a cluster with the Prometheus operator. Its rules have tests of their own.
OPTIONS = (f"--api-versions={SERVICE_MONITOR}",)
HEAD = """\
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by: python -m tests.unit.chart.golden_renderings
"""


class Dumper(yaml.SafeDumper):
    """Texts of several lines as they are, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, data: str) -> yaml.ScalarNode:
        several = "\n" in data
        return self.represent_scalar(
            "tag:yaml.org,2002:str", named(data) if several else data, "|" if several else None
        )


Dumper.add_representer(str, Dumper.represent_text)


@functools.cache
def named(text: str) -> str:
    """Return where a text of several lines is from, if it is one of the chart's files: those are reviewed there."""
    found = (path for path in (CHART / "files").rglob("*.*") if text.strip() in path.read_text(encoding="utf-8"))
    file = next(found, None)
    return f"files/{file.name}\n" if file else text


def path_of(model: str, environment: str) -> Path:
    """Return the file of a model in an environment."""
    return FOLDER / f"{model}-{environment}.txt"


def written(helm: Helm, model: str, environment: str) -> str:
    """Return what the file of a model in an environment should hold."""
    objects = helm.template(layers=(model, environment), options=OPTIONS).objects
    return HEAD + yaml.dump_all(objects, Dumper=Dumper, explicit_start=True, width=120)


def main() -> None:
    helm = Helm(find_helm())
    FOLDER.mkdir(exist_ok=True)
    for stale in {*FOLDER.iterdir()} - {path_of(*layers) for layers in LAYERINGS}:
        stale.unlink()
    for layers in LAYERINGS:
        path_of(*layers).write_text(written(helm, *layers), encoding="utf-8")


if __name__ == "__main__":
    main()
