# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options by which modules reach clusters and model servers. Each module documents them for what it does."""

from __future__ import annotations

from typing import Any

# Described in the doc fragment `cluster`.
CLUSTER: dict[str, dict[str, Any]] = {"kubeconfig": {"type": "path"}, "context": {"type": "str"}}
# With the release in it that a module is about.
RELEASE: dict[str, dict[str, Any]] = {
    "release": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    **CLUSTER,
}


def server_arguments() -> dict[str, dict[str, Any]]:
    """What is asked, by whose leave, and how the server is known; and the cluster that it is in."""
    return {
        **CLUSTER,
        "api": {"type": "str", "default": "completions", "choices": ["completions", "chat"]},
        "api_key_secret": {
            "type": "dict",
            "no_log": False,
            "options": {
                "name": {"type": "str", "required": True},
                "key": {"type": "str", "required": True, "no_log": False},
            },
        },
        "scheme": {"type": "str", "default": "http", "choices": ["http", "https"]},
        "ca_cert": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
    }
