# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role awx, run by ansible-playbook as users do, against the stand-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.awx.resources import RESOURCES
from tests.awx.server import ADMINISTRATOR, Awx

PROJECT = "https://git.example.com/inference.git"
IMAGE = "registry.example.com/inference:0.1.0"
CONTROLLER = "https://awx.example.com"
PLAYBOOKS = ("deploy", "deregister", "disable", "enable", "health", "list", "register", "rollback", "verify")
# Those of later versions too, so that every row of the tables is used.
ALL_PLAYBOOKS = (*PLAYBOOKS, "promote", "drift", "evidence")
SECRETS = {kind: f"the-secret-{kind}-value" for kind in ("database", "kubeconfig", "cache", "hub", "controller")}
ENVIRONMENTS: list[dict[str, Any]] = [
    {"name": "development"},
    {"name": "staging", "approval": True},
    {"name": "production", "approval": True},
]
WEBHOOK = {
    "name": "Chat",
    "type": "webhook",
    "on": ["error", "approvals"],
    "configuration": {"url": "https://chat.example.com/hook", "headers": {}, "password": "the-secret-of-the-hook"},
}


def stand_in(sync: str = "successful", playbooks: Sequence[str] = ALL_PLAYBOOKS) -> Awx:
    return Awx([f"playbooks/{name}.yml" for name in playbooks], sync)


@dataclass(frozen=True)
class Run:
    """How a run ended."""

    code: int
    changed: int
    tasks: list[dict[str, Any]]
    text: str = field(repr=False)

    @property
    def steps(self) -> list[str]:
        """What was done, or with --check would be done; not what a task hides."""
        items = [item for task in self.tasks for item in task.get("results", []) if item.get("changed")]
        return sorted(item["item"]["summary"] for item in items if "item" in item)

    @property
    def failure(self) -> str:
        failed = [task for task in self.tasks if task.get("failed")]
        return " ".join(str(item.get("msg")) for task in failed for item in [task, *task.get("results", [])])


@dataclass
class Site:
    """An AWX, and what is declared of it."""

    awx: Awx
    url: str
    folder: Path
    data: dict[str, Any] = field(default_factory=dict)
    token: str = ADMINISTRATOR

    def run(self, *flags: str, **changes: Any) -> Run:
        given = {
            "awx_project_scm_url": PROJECT,
            "awx_execution_environment_image": IMAGE,
            # Where jobs reach it, which need not be where this run does.
            "awx_controller_host": CONTROLLER,
            "awx_environments": ENVIRONMENTS[:1],
            # Each object takes its time, and the unit tests look at a template for every playbook.
            "awx_playbooks": list(PLAYBOOKS),
            "awx_secrets": {each["name"]: SECRETS for each in ENVIRONMENTS},
            **self.data,
            **changes,
        }
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CONTROLLER_", "TOWER_"))},
            "CONTROLLER_HOST": self.url,
            "CONTROLLER_OAUTH_TOKEN": self.token,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            "no_proxy": "127.0.0.1",
        }
        file = self.folder / "data.json"
        file.write_text(json.dumps(given))
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        words = [program, "ai_aas.inference.awx", "-e", f"@{file}", *flags]
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=400, check=False, cwd=self.folder)
        return _read(done)


def _read(done: subprocess.CompletedProcess[str]) -> Run:
    text = done.stdout + done.stderr
    # -v writes a line before the document.
    found = json.loads(done.stdout[done.stdout.index("{") :])
    tasks = [host for play in found["plays"] for task in play["tasks"] for host in task["hosts"].values()]
    return Run(done.returncode, found["stats"]["localhost"]["changed"], tasks, text)


# Objects that nobody names: links are part of nodes, approvals are made with theirs.
UNNAMED = ("users", "workflow_approval_templates", "workflow_job_template_nodes")


def names(awx: Awx) -> set[tuple[str, str]]:
    """Every named object, as its type and name, and every node after its workflow."""
    found = {(item["type"], item["name"]) for kind in RESOURCES if kind not in UNNAMED for item in awx.store.all(kind)}
    for node in awx.store.all("workflow_job_template_nodes"):
        workflow = awx.store.get("workflow_job_templates", node["workflow_job_template"])
        found.add((node["type"], f"{workflow['name']} {node['identifier']}"))
    return found


def content(awx: Awx) -> dict[str, Any]:
    """All that AWX holds, without numbers, which tell only in which order it was made."""
    store = awx.store

    def named(endpoint: str, number: int) -> str:
        item = store.get(endpoint, number)
        return str(item.get("name") or item.get("identifier") or item.get("username"))

    seen: dict[str, Any] = {}
    for endpoint, resource in RESOURCES.items():
        for item in store.all(endpoint):
            fields = {name: value for name, value in item.items() if name != "id"}
            for name, other in resource.references.items():
                fields[name] = named(other, item[name]) if item.get(name) else None
            for name, other in resource.associations.items():
                fields[name] = sorted(named(other, number) for number in store.links[endpoint, item["id"], name])
            fields["survey"] = store.surveys.get(item["id"]) if "survey_enabled" in item else None
            where = fields.get("workflow_job_template") or fields.get("organization") or ""
            seen[f"{endpoint}/{where}/{named(endpoint, item['id'])}"] = fields
    for team, roles in store.held.items():
        held = [store.roles[number] for number in roles]
        rights = [(kind, named(kind, number), role) for kind, number, role in held]
        seen[f"rights of {named('teams', team)}"] = sorted(rights)
    return seen
