# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry of each layout, a fleet of models, and the module's function bound to both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.health.fleet import Fleet, running
from tests.integration.health.scene import Scene
from tests.integration.registry.conftest import Registry, folder, registry, role, server, valkey, valkey_url

__all__ = ["folder", "registry", "role", "server", "valkey", "valkey_url"]


@pytest.fixture(scope="session")
def fleet_process() -> Iterator[Fleet]:
    with running() as fleet:
        yield fleet


@pytest.fixture
def fleet(fleet_process: Fleet) -> Fleet:
    """All models healthy, none asked."""
    fleet_process.behave({})
    fleet_process.counts()
    return fleet_process


@pytest.fixture
def scene(registry: Registry, fleet: Fleet) -> Scene:
    return Scene(registry, fleet.address)
