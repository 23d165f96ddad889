# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.capacity.world import World
from tests.integration.conftest import SharedLab


@pytest.fixture
def world(lab: SharedLab, request: pytest.FixtureRequest) -> Iterator[World]:
    own = World(lab, getattr(request, "param", 2))
    try:
        own.begin()
        yield own
    finally:
        own.end()
