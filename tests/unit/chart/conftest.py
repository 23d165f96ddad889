# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Helm that all tests of the chart share."""

from __future__ import annotations

import pytest

from tests.unit.chart.rendering import Helm, find_helm


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Helm, without which the chart's tests fail: they are never skipped."""
    return Helm(find_helm())
