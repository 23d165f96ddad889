# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry as the plugins on the controller read it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import connection_arguments
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.connection import database_from
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.listing import list_entries

CONNECTION_OPTIONS = tuple(connection_arguments())


def request_from(get_option: Callable[[str], Any], **filters: str | None) -> dict[str, Any]:
    """What a plugin asks: its connection options, and the values that entries must have."""
    return {name: get_option(name) for name in CONNECTION_OPTIONS} | filters


def read_entries(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries that a plugin asks for, by environment and name.

    Raises:
        InferenceError: psycopg2 is missing, or the registry cannot be read.
    """
    _require_driver()
    # What else a module can ask for is not asked.
    entries: list[dict[str, Any]] = list_entries(defaultdict(lambda: None, request))["entries"]
    return entries


def fingerprint(request: Mapping[str, Any]) -> str:
    """Tell requests apart, by where they go and what they ask for, and not by their passwords.

    Raises:
        InferenceError: psycopg2 is missing, or no database is given.
    """
    _require_driver()
    database = database_from(request).parameters
    filters = {name: value for name, value in request.items() if name not in CONNECTION_OPTIONS}
    told = {name: value for name, value in database.items() if "pass" not in name} | filters
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _require_driver() -> None:
    if importlib.util.find_spec("psycopg2") is None:
        raise InferenceError(
            "Failed to read the registry",
            f"the Python that runs Ansible, {sys.executable}, has no psycopg2",
            f"Install it there: {sys.executable} -m pip install psycopg2-binary",
        )
