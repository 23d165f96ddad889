# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data of the role as its variables hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.settings import Settings, settings_from

CHECKOUT = Path(__file__).parents[3]
ROLE = CHECKOUT / "roles" / "awx"
ALL_PLAYBOOKS = ["deploy", "deregister", "disable", "enable", "health", "list", "promote", "register", "rollback"]
ALL_PLAYBOOKS += ["evidence", "verify", "drift", "status", "retire", "environment", "slo"]


CONTROLLER = "https://awx.example.com"


class _Loader(yaml.SafeLoader):
    """Reads !unsafe as the text that it is."""


def _as_text(loader: yaml.SafeLoader, node: yaml.Node) -> str:
    assert isinstance(node, yaml.ScalarNode)
    return str(loader.construct_scalar(node))


_Loader.add_constructor("!unsafe", _as_text)


def variables(part: str) -> dict[str, Any]:
    """What `defaults` or `vars` hold, templates as they are written."""
    loaded: dict[str, Any] = yaml.load((ROLE / part / "main.yml").read_text(), _Loader)  # noqa: S506 - a SafeLoader
    return loaded


def data(**changes: Any) -> dict[str, Any]:
    """What awx_data comes to with defaults, and with a project and an image."""
    tables, defaults = variables("vars"), variables("defaults")
    return {
        "organization": "Inference",
        "project": {"name": "inference", "scm_type": "git", "scm_url": "https://git.example.com/x.git"},
        "execution_environment": {"name": "inference", "image": "registry.example.com/x:1", "pull": "missing"},
        "environments": defaults["awx_environments"],
        "playbooks": ALL_PLAYBOOKS,
        "playbook_folder": "playbooks/",
        "credential_types": _credential_types(tables["awx_credential_types"]),
        "controller_host": CONTROLLER,
        "questions": tables["awx_questions"],
        "templates": tables["awx_templates"],
        "workflows": tables["awx_workflows"],
        "schedules": defaults["awx_schedules"],
        "approval_timeout": defaults["awx_approval_timeout"],
        "notifications": [],
        "teams": {
            "operator": {"name": "Operators", "description": "They launch."},
            "approver": {"name": "Approvers", "description": "They approve."},
            "auditor": {"name": "Auditors", "description": "They read."},
        },
        **changes,
    }


def _credential_types(rows: dict[str, Any]) -> dict[str, Any]:
    """With the one template in them that is not AWX's own, resolved."""
    injectors = rows["controller"]["injectors"]
    assert injectors["env"]["CONTROLLER_HOST"] == "{{ awx_controller_host }}"
    resolved = {"env": {**injectors["env"], "CONTROLLER_HOST": CONTROLLER}}
    return {**rows, "controller": {**rows["controller"], "injectors": resolved}}


def settings(**changes: Any) -> Settings:
    return settings_from(data(**changes))
