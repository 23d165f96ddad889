# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of health checks, and what their numbers may be. Documented by the module model_registry_health."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import env_fallback
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._health.target import split
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import environment_argument
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.arguments import server_arguments

LIMITS = {
    "timeout": (0.1, 600),
    "concurrency": (1, 2000),
    "jitter": (0, 600),
    "failures": (1, 1000),
    "successes": (1, 1000),
    "quorum": (0, 1),
    "quorum_least": (1, 1_000_000),
    "interval": (1, 86_400),
    "sweeps": (0, 1_000_000_000),
    "remediate_period": (1, 7 * 86_400),
}


def health_arguments() -> dict[str, dict[str, Any]]:
    """The options besides those of the registry."""
    return {
        **environment_argument(required=True),
        "models": {"type": "list", "elements": "str"},
        "probe": {"type": "str", "default": "token", "choices": ["token", "text", "health"]},
        "timeout": {"type": "float", "default": 5.0},
        "failures": {"type": "int", "default": 2},
        "successes": {"type": "int", "default": 2},
        "quorum": {"type": "float", "default": 0.5},
        "quorum_least": {"type": "int", "default": 2},
        "control": {"type": "str"},
        "interval": {"type": "float", "default": 60.0},
        "sweeps": {"type": "int", "default": 1},
        "concurrency": {"type": "int", "default": 256},
        "jitter": {"type": "float", "default": 0.5},
        "remediate": {"type": "str", "default": "none", "choices": ["none", "restart"]},
        "remediate_period": {"type": "float", "default": 1800.0},
        "metrics_file": {"type": "path"},
        **reach_arguments(),
    }


def reach_arguments() -> dict[str, dict[str, Any]]:
    """How models are asked and reached. The option `ca_cert` is the database's, as in each module of the registry."""
    servers = server_arguments()
    return {
        "transport": {"type": "str", "default": "direct", "choices": ["direct", "port_forward"]},
        "endpoint_map": {"type": "dict", "default": {}},
        "server_ca_cert": servers.pop("ca_cert"),
        **servers,
        "api_key": {"type": "str", "no_log": True, "fallback": (env_fallback, ["VLLM_API_KEY"])},
    }


def check_health_arguments(params: Mapping[str, Any]) -> None:
    """Refuse what makes no sense.

    Raises:
        InvalidInputError: names the option and its rule.
    """
    for option, (least, most) in LIMITS.items():
        value = params[option]
        if isinstance(value, bool) or not math.isfinite(value) or not least <= value <= most:
            rule = f"it must be a number from {least} to {most}"
            raise InvalidInputError(f"Invalid {option}: {value}", rule, f"Correct {option}.")
    if params["timeout"] > params["interval"]:
        rule = f"it must not be longer than the interval of {params['interval']:g} s"
        raise InvalidInputError(f"Invalid timeout: {params['timeout']:g}", rule, "Correct one of the two.")
    for endpoint, address in params["endpoint_map"].items():
        if not isinstance(address, str) or split(address) is None:
            told = f"Invalid endpoint_map: {endpoint}"
            raise InvalidInputError(told, "its value must be host:port", "Correct endpoint_map.")
    if any("\0" in name for name in params["models"] or ()):
        raise InvalidInputError("Invalid models", "a name must not hold NUL characters", "Correct models.")
