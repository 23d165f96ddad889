# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the chart's README are values that it takes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.unit.chart.rendering import CHART, MINIMAL, Helm, merge
from tests.unit.chart.test_autoscaling import KEDA
from tests.unit.chart.test_groups import KNOWS_GROUPS
from tests.unit.chart.test_routes import ROUTE

README = (CHART / "README.md").read_text(encoding="utf-8")
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
KNOWS = (*KNOWS_GROUPS, ROUTE, f"--api-versions={KEDA}")
KINDS = {"Job", "ScaledObject", "LeaderWorkerSet", "NetworkPolicy", "HTTPRoute"}


@pytest.mark.parametrize("example", EXAMPLES, ids=",".join)
def test_example_is_taken(helm: Helm, example: dict[str, Any]) -> None:
    assert helm.template(merge(MINIMAL, example), options=KNOWS).pods


def test_examples_show_what_they_speak_of(helm: Helm) -> None:
    renderings = [helm.template(merge(MINIMAL, example), options=KNOWS) for example in EXAMPLES]
    assert {item["kind"] for rendering in renderings for item in rendering.objects} >= KINDS
