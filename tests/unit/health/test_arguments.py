# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of health checks beside those of the registry."""

from __future__ import annotations

from ansible_collections.ai_aas.inference.plugins.module_utils._health.arguments import health_arguments
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import (
    cache_arguments,
    connection_arguments,
    provenance_arguments,
)


def test_no_name_stands_for_two_things() -> None:
    """A file of authorities of the database is none of the model servers."""
    others = [connection_arguments(), cache_arguments(), provenance_arguments()]
    assert not [name for each in others for name in each if name in health_arguments()]
