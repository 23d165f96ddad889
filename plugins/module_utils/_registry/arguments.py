# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that all modules of the registry share. Documented by the fragment `registry`."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import env_fallback


def environment_argument(*, required: bool) -> dict[str, dict[str, Any]]:
    """Of which environment."""
    choices = ["development", "staging", "production"]
    return {"environment": {"type": "str", "required": required, "choices": choices}}


def entry_arguments() -> dict[str, dict[str, Any]]:
    """What is declared of an entry, besides its environment."""
    return {
        "model_name": {"type": "str", "required": True},
        "endpoint": {"type": "str"},
        "namespace": {"type": "str"},
        "status": {
            "type": "str",
            "default": "ready",
            "choices": ["pending", "deploying", "ready", "degraded", "failed"],
        },
        "revision": {"type": "int"},
        "organization_id": {"type": "str"},
        "deployment_target": {"type": "str", "choices": ["managed", "self_hosted"]},
        "cost_per_1k_tokens": {"type": "float", "no_log": False},
        "metadata": {"type": "dict"},
    }


def connection_arguments() -> dict[str, dict[str, Any]]:
    """Where the database is."""
    return {
        "database_url": {"type": "str", "no_log": True, "fallback": (env_fallback, ["DATABASE_URL"])},
        "login_host": {"type": "str"},
        "login_unix_socket": {"type": "str"},
        "login_port": {"type": "int", "default": 5432},
        "login_user": {"type": "str"},
        "login_password": {"type": "str", "no_log": True},
        "login_db": {"type": "str"},
        "ssl_mode": {
            "type": "str",
            "choices": ["allow", "disable", "prefer", "require", "verify-ca", "verify-full"],
        },
        "ca_cert": {"type": "path"},
        "ssl_cert": {"type": "path"},
        "ssl_key": {"type": "path", "no_log": False},
        "connect_timeout": {"type": "int", "default": 5},
        "statement_timeout": {"type": "float", "default": 30.0},
        "retry_timeout": {"type": "float", "default": 10.0},
    }


def cache_arguments() -> dict[str, dict[str, Any]]:
    """Where the router's cache is."""
    return {
        "redis_url": {"type": "str", "no_log": True, "fallback": (env_fallback, ["REDIS_URL"])},
        "cache_settle": {"type": "float", "default": 0.5},
    }


def provenance_arguments() -> dict[str, dict[str, Any]]:
    """Who makes a change, and why."""
    return {"actor": {"type": "str"}, "reason": {"type": "str"}, "job": {"type": "dict"}}
