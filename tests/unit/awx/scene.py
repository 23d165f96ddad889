# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two environments, one with approvals, and a stand-in that has all that they come to."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._awx.declaration import declare

from tests.awx.server import Awx
from tests.unit.awx.converged import build
from tests.unit.awx.tables import settings

CHAT = {
    "name": "Chat",
    "type": "webhook",
    "on": ["error", "approvals"],
    "configuration": {"url": "https://chat.example.com", "headers": {}, "password": "p"},
}
ROWS: list[dict[str, Any]] = [
    {"name": "development", "credentials": ["database", "cache"]},
    {"name": "staging", "approval": True},
]
SETTINGS = settings(environments=ROWS, notifications=[CHAT])
DECLARED = declare(SETTINGS)
SECRETS = {row["name"]: dict.fromkeys(("database", "kubeconfig", "cache", "hub", "controller"), "s") for row in ROWS}
CONVERGED = build(DECLARED)


def converged() -> Awx:
    """A copy of one that has everything."""
    fresh = Awx([])
    fresh.store.__dict__.update(copy.deepcopy(CONVERGED.store.__dict__))
    return fresh
