# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done so that AWX has what is declared: nothing at all, if it has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._awx.declaration import Declared
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.reading import Found, differing
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

# What is removed, in the order in which that works: nothing is removed while something refers to it.
REMOVED = (
    *("schedule", "workflow_node", "workflow", "job_template", "inventory_source", "inventory", "project"),
    *("credential", "credential_type", "notification", "team", "execution_environment"),
)
BROUGHT = ("successful", "ok")
VERBS = {"create": "Create", "update": "Change", "remove": "Remove", "sync": "Sync", "wait": "Wait for"}
Step = dict[str, Any]


def plan(declared: Sequence[Declared], found: Found, secrets: Mapping[str, Any], replace_secrets: bool) -> list[Step]:
    """What has to be made and changed, in the order in which it is declared.

    Args:
        secrets: the values of credentials, by environment and kind.
        replace_secrets: whether credentials get their values again; whether they differ cannot be seen.

    Raises:
        InvalidInputError: a credential has to be made and its value is not given.
    """
    steps = [step for each in declared for step in _steps(each, found, secrets, replace_secrets)]
    missing = [f"awx_secrets.{step['environment']}.{step['secret']}" for step in steps if step.get("lacks_secret")]
    if missing:
        raise InvalidInputError(
            "Credentials cannot be made", f"no value is given: {', '.join(missing)}", "Nothing was changed. Set them."
        )
    return [*_bring(declared, found, steps), *steps]


def _steps(each: Declared, found: Found, secrets: Mapping[str, Any], replace_secrets: bool) -> Iterable[Step]:
    there = found.of(each)
    if there is None and each.kind == "workflow_link" and not any(each.fields.values()):
        return  # A node that is made has no links.
    differences = differing(each, there, found) if there else []
    given = bool(secrets.get(each.detail.get("environment", ""), {}).get(each.detail.get("secret")))
    renewed = each.kind == "credential" and replace_secrets and given
    if renewed and there:
        differences = [*differences, "inputs"]
    if there is None or differences:
        step = _step("update" if there else "create", each.kind, each.name, each.fields, each.detail)
        step["differences"] = differences
        step["with_secret"] = each.kind == "credential" and (there is None or renewed)
        yield step | ({"lacks_secret": True} if step["with_secret"] and not given else {})


def _bring(declared: Sequence[Declared], found: Found, steps: Sequence[Step]) -> list[Step]:
    """What a project needs that an earlier run made, before AWX takes templates with its playbooks."""
    kinds = {step["kind"] for step in steps}
    project = next(each for each in declared if each.kind == "project")
    there = found.of(project)
    if there is None or "project" in kinds or "job_template" not in kinds or there["status"] in BROUGHT:
        return []
    running = there["summary_fields"].get("current_update", {}).get("id")
    action = "wait" if running else "sync"
    return [_step(action, project.kind, project.name, project.fields, {"project_update": running})]


def _step(action: str, kind: str, name: str, fields: Mapping[str, Any], detail: Mapping[str, Any]) -> Step:
    summary = f"{VERBS[action]} {kind.replace('_', ' ')} {name}"
    return {"action": action, "kind": kind, "name": name, "fields": dict(fields), "summary": summary, **detail}


def prune(declared: Sequence[Declared], found: Found, mark: str) -> list[Step]:
    """What is ours and no longer declared: rights first, then objects, each before what it refers to."""
    return [
        *_revocations(declared, found),
        *(step for kind in REMOVED for step in _removals(kind, declared, found, mark)),
    ]


def _removals(kind: str, declared: Sequence[Declared], found: Found, mark: str) -> Iterable[Step]:
    wanted = {each.name for each in declared if each.kind == kind}
    kept = {each.name for each in declared if each.kind == "workflow"}
    for item in found.all(kind):
        name = found.name_of(kind, item)
        if name in wanted:
            continue
        if kind == "workflow_node":
            # Nodes of a workflow that goes go with it; they have no description to be known by.
            workflow = item["summary_fields"]["workflow_job_template"]["name"]
            if workflow in kept:
                yield _step("remove", kind, name, {}, {"workflow": workflow, "identifier": item["identifier"]})
        elif str(item.get("description", "")).endswith(mark):
            yield _step("remove", kind, name, _scope(kind, item), {})


def _scope(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """What the module needs to find the object again."""
    names = {
        "inventory_source": "inventory",
        "credential": "credential_type",
        "schedule": "unified_job_template",
    }
    return {names[kind]: item["summary_fields"][names[kind]]["name"]} if kind in names else {}


def _revocations(declared: Sequence[Declared], found: Found) -> Iterable[Step]:
    grants = [each.fields for each in declared if each.kind == "grant"]
    for team in (each.name for each in declared if each.kind == "team"):
        wanted = {
            (fields["resources"], name, fields["role"])
            for fields in grants
            if fields["team"] == team
            for name in fields["names"]
        }
        for resources, name, role in sorted(found.held_by(team) - wanted):
            fields = {"team": team, "role": role, "resources": resources, "names": [name]}
            yield _step("remove", "grant", f"{team} {role} {name}", fields, {})
