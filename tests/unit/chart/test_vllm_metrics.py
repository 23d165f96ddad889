# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which metrics an expression reads, and that the lab's stand-in has those that were seen of a running vLLM."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.vllm_server.engine import Engine
from tests.lab.vllm_server.faults import HEALTHY
from tests.lab.vllm_server.metrics import render_metrics
from tests.unit.chart.vllm_metrics import OBSERVED, known, used


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (le) (rate(vllm:x_bucket{release="a"}[5m]))', {"vllm:x_bucket"}),
        ("absent(up == 1) or vector(0)", {"up"}),
        ("max by (pod) (vllm:x) / on (pod) ai_aas_y{}", {"vllm:x", "ai_aas_y"}),
        ('invented{a="b"}', {"invented"}),
        ('x{a="up{}", b="vllm:z"}', {"x"}),
        ('x{a="\\"vllm:z"}', {"x"}),
        ("release:vllm_x:sum > 1", {"release:vllm_x:sum"}),
    ],
)
def test_used(expression: str, names: set[str]) -> None:
    assert used(expression) == names


def test_the_stand_in_has_what_was_observed_and_nothing_unknown() -> None:
    families = list(text_string_to_metric_families(render_metrics(Engine(HEALTHY, token_seconds=0), "tiny")))
    written = {sample.name: family.type for family in families for sample in family.samples}
    assert OBSERVED.items() <= written.items()
    assert set(written) <= known()
