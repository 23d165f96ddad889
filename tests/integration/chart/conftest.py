# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace for each test, and both Helms."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.integration.chart.places import Place
from tests.integration.conftest import SharedLab
from tests.lab import build


@pytest.fixture(scope="session")
def helm_4(lab: SharedLab) -> None:
    """Built once, as the lab's own programs."""
    build.ensure(print, build.HELM_4)


@pytest.fixture
def place(lab: SharedLab, helm_4: None) -> Iterator[Place]:
    """A namespace of the test's own, deleted with all in it."""
    own = Place(f"chart-{uuid.uuid4().hex[:6]}", {**os.environ, **lab.env})
    own.kubectl("create", "namespace", own.namespace)
    try:
        yield own
    finally:
        own.kubectl("delete", "deployments,jobs,pods", "--all", "--force", "--grace-period=0", "--ignore-not-found")
        own.kubectl("delete", "namespace", own.namespace, "--wait=false")
