# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a small set of data to every object that there has to be in AWX, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._awx.settings import EVIDENCE, Environment, Settings

# What a launch may not change: a template is bound to one environment, and the survey asks for the rest.
NEVER_ASKED = (
    *("credential", "diff_mode", "execution_environment", "forks", "instance_groups", "inventory", "job_slice_count"),
    *("job_type", "labels", "limit", "scm_branch", "skip_tags", "tags", "timeout", "variables", "verbosity"),
)
NEVER_ASKED_OF_WORKFLOWS = ("inventory", "labels", "limit", "scm_branch", "skip_tags", "tags", "variables")
EVENTS = ("started", "success", "error", "approvals")
APPROVAL = "approve"


@dataclass(frozen=True)
class Declared:
    """One object.

    Args:
        kind: a word of `plan.KINDS`.
        name: its name; with `workflow` before it for what belongs to one.
        fields: its fields as the awx.awx module of its kind names them, references by name.
        secret: fields that are compared and never shown.
        detail: what the task that makes it needs besides.
    """

    kind: str
    name: str
    fields: dict[str, Any]
    secret: dict[str, Any] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)


def declare(settings: Settings) -> list[Declared]:
    """Every object, each after those that it refers to.

    Raises:
        InvalidInputError: the data name something that is not there.
    """
    objects = [*_shared(settings)]
    for environment in settings.environments:
        objects += _inventory(settings, environment)
    for make in (_credentials, _templates, _workflows, _nodes, _links, _schedules):
        for environment in settings.environments:
            objects += make(settings, environment)
    return [*objects, *_grants(settings)]


def _shared(settings: Settings) -> Iterator[Declared]:
    """What all environments use."""
    owner = {"organization": settings.organization}
    yield Declared("organization", settings.organization, {})
    image = {**settings.execution_environment, **owner, **settings.marked("What jobs run in.")}
    yield Declared("execution_environment", image.pop("name"), image)
    for kind, row in settings.credential_types.items():
        fields = {"kind": "cloud", "inputs": row["inputs"], "injectors": row["injectors"]}
        yield Declared("credential_type", settings.type_name(kind), fields | settings.marked(row["description"]))
    for each in settings.notifications:
        fields = {"notification_type": each["type"], **owner, **settings.marked("Told what happens.")}
        yield Declared("notification", each["name"], fields, {"notification_configuration": each["configuration"]})
    told = {event: [each["name"] for each in settings.notifications if event in each["on"]] for event in EVENTS}
    if settings.notifications:
        yield Declared("organization_notifications", settings.organization, told)
    for environment in settings.environments:
        yield Declared("label", environment.name, dict(owner))
    for row in settings.teams.values():
        yield Declared("team", row["name"], owner | settings.marked(row["description"]))
    project = {**settings.project, **owner, **settings.marked("Inventories and playbooks.")}
    yield Declared("project", project.pop("name"), project)


def _inventory(settings: Settings, environment: Environment) -> Iterator[Declared]:
    """The environment's models, as the project's inventory tells them."""
    owner = {"organization": settings.organization}
    yield Declared("inventory", environment.name, owner | settings.marked(f"The models in {environment.name}."))
    source = {
        "inventory": environment.name,
        "source": "scm",
        "source_project": settings.project["name"],
        "source_path": environment.inventory,
        "execution_environment": settings.execution_environment["name"],
        "overwrite": True,
        "overwrite_vars": True,
        "update_on_launch": True,
        **settings.marked(f"The models in {environment.name}."),
    }
    yield Declared("inventory_source", f"models-{environment.name}", source)


def _credentials(settings: Settings, environment: Environment) -> Iterator[Declared]:
    for kind in environment.credentials:
        fields = {"organization": settings.organization, "credential_type": settings.type_name(kind)}
        fields |= settings.marked(f"{settings.credential_types[kind]['description']} In {environment.name}.")
        where = {"environment": environment.name, "secret": kind, "input": settings.input_of(kind)}
        yield Declared("credential", environment.credential(kind), fields, detail=where)


def _templates(settings: Settings, environment: Environment) -> Iterator[Declared]:
    """A job template for each playbook."""
    for playbook, row in settings.playbooks_of(environment).items():
        fields: dict[str, Any] = {
            "organization": settings.organization,
            "project": settings.project["name"],
            "inventory": environment.name,
            "playbook": f"{settings.playbook_folder}{playbook}.yml",
            "execution_environment": settings.execution_environment["name"],
            "job_type": "run",
            # What goes over all models at once runs alone.
            "allow_simultaneous": bool(row["survey"]),
            "credentials": [environment.credential(kind) for kind in row["credentials"] if environment.has(kind)],
            "labels": [environment.name],
            **dict.fromkeys([f"ask_{what}_on_launch" for what in NEVER_ASKED], False),
            **_survey(settings, row["survey"]),
            **settings.marked(f"{row['description']} In {environment.name}."),
        }
        yield Declared("job_template", environment.template(playbook), fields)


def _survey(settings: Settings, variables: Sequence[str]) -> dict[str, Any]:
    questions = [{"variable": name, **settings.questions[name]} for name in variables]
    if not questions:
        return {"survey_enabled": False}
    return {"survey_enabled": True, "survey_spec": {"name": "", "description": "", "spec": questions}}


def _workflows(settings: Settings, environment: Environment) -> Iterator[Declared]:
    for verb, row in settings.workflows_of(environment).items():
        fields = {
            "organization": settings.organization,
            "allow_simultaneous": True,
            "labels": [environment.name],
            **dict.fromkeys([f"ask_{what}_on_launch" for what in NEVER_ASKED_OF_WORKFLOWS], False),
            **_survey(settings, row["survey"]),
            **settings.marked(f"{row['description']} In {environment.name}."),
        }
        yield Declared("workflow", environment.workflow(verb), fields)


def _steps(environment: Environment, row: Mapping[str, Any]) -> list[str]:
    """A workflow's nodes in order: where a change is approved, it is shown and approved before it is made."""
    approved = row["approval"] and environment.approval
    return [*([EVIDENCE, APPROVAL] if approved else []), *row["nodes"]]


def _nodes(settings: Settings, environment: Environment) -> Iterator[Declared]:
    """Last to first, so that a workflow that is being made never begins with a step that needs an approval."""
    for verb, row in settings.workflows_of(environment).items():
        workflow = environment.workflow(verb)
        for step in reversed(_steps(environment, row)):
            fields: dict[str, Any] = {"unified_job_template": environment.template(step)}
            if step == APPROVAL:
                told = (
                    f"{row['description']} In {environment.name}. The job {environment.template(EVIDENCE)} of this run"
                    " shows what would be changed, who asks, and why."
                )
                timeout = environment.approval_timeout
                fields = {"approval_node": {"name": f"Approve {workflow}", "description": told, "timeout": timeout}}
            yield Declared("workflow_node", f"{workflow} {step}", fields, detail=_place(workflow, step))


def _links(settings: Settings, environment: Environment) -> Iterator[Declared]:
    """Apart from the nodes: `workflow_job_template_node` looks for the links of an approval at the wrong place."""
    for verb, row in settings.workflows_of(environment).items():
        workflow, steps = environment.workflow(verb), _steps(environment, row)
        for step, following in reversed(list(zip(steps, [*steps[1:], None], strict=True))):
            fields = {"success_nodes": [following] if following else [], "failure_nodes": [], "always_nodes": []}
            yield Declared("workflow_link", f"{workflow} {step}", fields, detail=_place(workflow, step))


def _place(workflow: str, step: str) -> dict[str, Any]:
    return {"workflow": workflow, "identifier": step}


def _schedules(settings: Settings, environment: Environment) -> Iterator[Declared]:
    for playbook, rrule in environment.schedules.items():
        if playbook in settings.playbooks_of(environment):
            fields = {"unified_job_template": environment.template(playbook), "rrule": rrule, "enabled": True}
            name = f"{playbook}-{environment.name}"
            yield Declared("schedule", name, fields | settings.marked(f"When {playbook} runs in {environment.name}."))


def _grants(settings: Settings) -> Iterator[Declared]:
    """Operators launch workflows and what changes nothing, approvers read the evidence and approve, auditors read.

    Where nothing has to be approved operators launch the single templates too.
    """
    launched, workflows, approved, shown = [], [], [], []
    for environment in settings.environments:
        rows = settings.playbooks_of(environment).items()
        launched += [environment.template(name) for name, row in rows if row["operators"] or not environment.approval]
        for verb, row in settings.workflows_of(environment).items():
            workflows.append(environment.workflow(verb))
            if APPROVAL in _steps(environment, row):
                approved.append(environment.workflow(verb))
                shown.append(environment.template(EVIDENCE))
    for team, role, resources, names in (
        ("operator", "execute", "job_templates", launched),
        ("operator", "execute", "workflows", workflows),
        ("approver", "approval", "workflows", approved),
        ("approver", "read", "job_templates", list(dict.fromkeys(shown))),
        ("auditor", "auditor", "organizations", [settings.organization]),
    ):
        if names:
            fields = {"team": settings.teams[team]["name"], "role": role, "resources": resources, "names": names}
            yield Declared("grant", f"{fields['team']} {role} {resources}", fields)
