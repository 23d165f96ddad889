# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An AWX for each test that changes it, and one that is converged for those that read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.awx.server import Awx
from tests.integration.awx.sites import Site, stand_in

SiteMaker = Callable[..., Site]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[SiteMaker]:
    """Start a stand-in with this data."""
    started: list[Awx] = []

    def make(awx: Awx | None = None, **data: object) -> Site:
        running = awx or stand_in()
        started.append(running)
        return Site(running, running.start(), tmp_path, dict(data))

    yield make
    for each in started:
        each.stop()
