# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user declares of AWX, checked, and the names that come of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")
Row = Mapping[str, Any]

# The playbook that shows what is to be approved.
EVIDENCE = "evidence"


@dataclass(frozen=True)
class Environment:
    """One environment: its models, what jobs need there, and whether changes are approved."""

    name: str
    approval: bool
    approval_timeout: int
    inventory: str
    credentials: Sequence[str]
    schedules: Mapping[str, str]
    first: bool

    def template(self, playbook: str) -> str:
        """Apart from the workflow's name: a node finds its template among both."""
        return f"job-{playbook}-{self.name}"

    def workflow(self, verb: str) -> str:
        return f"{verb}-{self.name}"

    def credential(self, kind: str) -> str:
        return f"inference-{kind}-{self.name}"

    def has(self, kind: str) -> bool:
        return kind in self.credentials


@dataclass(frozen=True)
class Settings:
    """The role's data. The rows of the tables are described in roles/awx/vars/main.yml."""

    organization: str
    project: Row
    execution_environment: Row
    environments: Sequence[Environment]
    playbooks: Sequence[str]
    playbook_folder: str
    credential_types: Mapping[str, Row]
    questions: Mapping[str, Row]
    templates: Mapping[str, Row]
    workflows: Mapping[str, Row]
    teams: Mapping[str, Row]
    notifications: Sequence[Row] = field(default_factory=list)

    @property
    def mark(self) -> str:
        """The end of the description of everything that is ours, by which pruning knows it."""
        return f"Managed by ai_aas.inference for {self.organization}."

    def marked(self, description: str) -> dict[str, Any]:
        return {"description": f"{description} {self.mark}"}

    def type_name(self, kind: str) -> str:
        return str(self.credential_types[kind]["name"])

    def input_of(self, kind: str) -> str:
        """The one input that a credential of this kind has."""
        return str(self.credential_types[kind]["inputs"]["fields"][0]["id"])

    def playbooks_of(self, environment: Environment) -> dict[str, Row]:
        """The templates of an environment; nothing is promoted to the first one."""
        without = {"promote"} if environment.first else set()
        if environment.approval:
            without |= {name for name, row in self.templates.items() if row.get("approval") == "none"}
        return {name: self.templates[name] for name in self.playbooks if name not in without}

    def workflows_of(self, environment: Environment) -> dict[str, Row]:
        there = self.playbooks_of(environment)
        return {verb: row for verb, row in self.workflows.items() if set(row["nodes"]) <= there.keys()}


def settings_from(data: Mapping[str, Any]) -> Settings:
    """The settings that the role's variables come to.

    Raises:
        InvalidInputError: a name is not valid, is there twice, or is not known, or something is missing.
    """
    if data["project"].get("scm_type") != "manual":
        _require(data["project"], "scm_url", "awx_project_scm_url", "The jobs' playbooks and inventories come from it.")
    _require(data["execution_environment"], "image", "awx_execution_environment_image", "Jobs run in it.")
    environments = [_environment(row, data, index == 0) for index, row in enumerate(data["environments"])]
    if any(each.approval for each in environments):
        _require(data, "controller_host", "awx_controller_host", "Where changes are approved, jobs ask it who did.")
        if EVIDENCE not in data["playbooks"]:
            raise InvalidInputError(
                f"awx_playbooks lacks {EVIDENCE}", "changes are approved", "Add it: it shows what is to be approved."
            )
    _refuse_twice("environment", [each.name for each in environments])
    _refuse_unknown("playbook", data["playbooks"], data["templates"])
    rows = {name: value for name, value in data.items() if name in Settings.__dataclass_fields__}
    return Settings(**{**rows, "environments": environments})


def _require(row: Row, name: str, variable: str, why: str) -> None:
    if not row.get(name):
        raise InvalidInputError(f"{variable} is not set", remedy=f"Set it. {why}")


def _environment(row: Row, data: Row, first: bool) -> Environment:
    name = row["name"]
    if not NAME.match(name):
        raise InvalidInputError(
            f"Invalid environment {name!r}", "it becomes part of names", "Use small letters, digits and hyphens."
        )
    kinds, approval = data["credential_types"], bool(row.get("approval", False))
    _refuse_unknown(f"credential of {name}", row.get("credentials", []), kinds)
    wanted = row.get("credentials", [kind for kind in kinds if not kinds[kind].get("approval")])
    schedules = {**data["schedules"], **row.get("schedules", {})}
    return Environment(
        name=name,
        approval=approval,
        approval_timeout=int(row.get("approval_timeout", data["approval_timeout"])),
        inventory=row.get("inventory", f"inventories/{name}/hosts.yml"),
        credentials=[kind for kind in kinds if kind in wanted or (approval and kinds[kind].get("approval"))],
        schedules={playbook: rrule for playbook, rrule in schedules.items() if rrule},
        first=first,
    )


def _refuse_unknown(what: str, names: Sequence[str], known: Mapping[str, Any]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidInputError(f"Unknown {what}: {', '.join(unknown)}", remedy=f"Known are: {', '.join(known)}.")


def _refuse_twice(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise InvalidInputError(f"Declared twice as {what}: {', '.join(twice)}", remedy="Declare it once.")
