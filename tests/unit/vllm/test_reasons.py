# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of reasons is closed, and documented in both places where people look."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import REASONS, REMEDIES, Verdict
from ansible_collections.ai_aas.inference.plugins.modules import vllm_ready

CHECKOUT = Path(__file__).resolve().parents[3]
OF_ROUTES = {"denied", "served"}


def test_the_guide_lists_each_reason() -> None:
    rows = [line.split("|") for line in (CHECKOUT / "docs" / "readiness.md").read_text().splitlines() if "| `" in line]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row[1])} == REASONS - OF_ROUTES


def test_the_module_lists_each_reason() -> None:
    listed = vllm_ready.RETURN.split("reason:")[1].split("returned:")[0]
    assert set(re.findall(r"C\((\w+)\)", listed)) == REASONS - OF_ROUTES


def test_a_remedy_is_for_a_reason_that_exists() -> None:
    assert set(REMEDIES) <= REASONS


def test_no_other_reason_can_be_given() -> None:
    with pytest.raises(ValueError, match="not a documented reason"):
        Verdict(False, "bad_luck", "")
