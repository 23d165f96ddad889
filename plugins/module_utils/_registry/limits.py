# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers that the options of the registry's modules may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import refuse

DAY = 86_400
# Seconds, apart from the port.
LIMITS = {
    "login_port": (1, 65_535),
    "connect_timeout": (1, DAY),
    "statement_timeout": (0.001, DAY),
    "retry_timeout": (0, DAY),
    "cache_settle": (0, 60),
    "stale_after": (0, 100 * 365 * DAY),
    "history_limit": (1, 10_000),
    "max_removals": (0, 10**9),
}


def is_encodable(text: str) -> bool:
    """Whether a text can be sent: lone surrogates cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def check_limits(params: Mapping[str, Any]) -> None:
    """Refuse a number that makes no sense: NaN, infinite, negative, or a wait of centuries.

    Raises:
        InvalidInputError: names the option and its limits.
    """
    for option, (least, most) in LIMITS.items():
        value = params.get(option)
        if value is None:
            continue
        # Ansible lets a truth value through as a number.
        if isinstance(value, bool) or not least <= value <= most:
            refuse(option, value, f"It must be a number from {least} to {most}")
