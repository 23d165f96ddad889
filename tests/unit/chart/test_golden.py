# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the chart makes of the shipped values is what was reviewed."""

from __future__ import annotations

import pytest

from tests.unit.chart.golden_renderings import FOLDER, LAYERINGS, path_of, written
from tests.unit.chart.rendering import Helm


@pytest.mark.parametrize(("model", "environment"), LAYERINGS)
def test_rendering_is_as_reviewed(helm: Helm, model: str, environment: str) -> None:
    recorded = path_of(model, environment).read_text(encoding="utf-8")
    assert recorded == written(helm, model, environment), "run: python -m tests.unit.chart.golden_renderings"


def test_there_are_no_others() -> None:
    assert {*FOLDER.iterdir()} == {path_of(*layers) for layers in LAYERINGS}
