# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX's API answered, in the words of the awx.awx modules, and how it differs from what is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._awx.declaration import EVENTS, Declared

Item = Mapping[str, Any]
ENCRYPTED = "$encrypted$"
# Where objects of a kind are read. Rights, links and the organization's notifications are read with others.
ENDPOINTS = {
    "organization": "organizations",
    "execution_environment": "execution_environments",
    "credential_type": "credential_types",
    "notification": "notification_templates",
    "label": "labels",
    "team": "teams",
    "project": "projects",
    "inventory": "inventories",
    "inventory_source": "inventory_sources",
    "credential": "credentials",
    "job_template": "job_templates",
    "workflow": "workflow_job_templates",
    "workflow_node": "workflow_job_template_nodes",
    "schedule": "schedules",
}
REFERENCES = {
    *("organization", "credential", "credential_type", "execution_environment", "inventory", "project"),
    *("source_project", "unified_job_template"),
}
RESOURCES = {
    "job_templates": "job_template",
    "workflows": "workflow",
    "organizations": "organization",
    "inventories": "inventory",
    "projects": "project",
    "credentials": "credential",
}
PART_OF = {"workflow_link": "workflow_node", "organization_notifications": "organization"}
LINKS = ("success_nodes", "failure_nodes", "always_nodes")


class Found:
    """The objects of one organization, and of its teams their rights."""

    def __init__(self, answers: Mapping[str, Sequence[Item]], surveys: Item, roles: Item, notifications: Item) -> None:
        """
        Args:
            answers: the objects at each endpoint.
            surveys: the specification behind each `related.survey_spec`.
            roles: the roles that each team holds.
            notifications: the notification templates of the organization, by event.
        """
        self._items = {kind: list(answers.get(endpoint, [])) for kind, endpoint in ENDPOINTS.items()}
        self._named = {kind: {self.name_of(kind, each): each for each in self._items[kind]} for kind in ENDPOINTS}
        self._identifiers = {node["id"]: node["identifier"] for node in self._items["workflow_node"]}
        self._surveys = surveys
        self._roles = {team: {role["id"] for role in held} for team, held in roles.items()}
        self._notifications = {event: {each["name"] for each in notifications.get(event, [])} for event in EVENTS}

    def name_of(self, kind: str, item: Item) -> str:
        if kind == "workflow_node":
            return f"{item['summary_fields']['workflow_job_template']['name']} {item['identifier']}"
        return str(item["name"])

    def all(self, kind: str) -> list[Item]:
        return self._items[kind]

    def of(self, each: Declared) -> Item | None:
        """The object that is declared, or None. What has no object of its own is there with what it belongs to."""
        kind = {"workflow_link": "workflow_node", "organization_notifications": "organization"}.get(
            each.kind, each.kind
        )
        if kind == "grant":
            return self._named["team"].get(each.fields["team"])
        return self._named[kind].get(each.name)

    def actual(self, each: Declared, there: Item, name: str) -> Any:
        """The present value of a declared field, in the form in which it is declared."""
        if each.kind == "organization_notifications":
            return sorted(self._notifications[name])
        if name in LINKS:
            return [self._identifiers.get(number, number) for number in there[name]]
        if name == "survey_spec":
            return self._surveys.get(there["related"]["survey_spec"], {})
        summary = there["summary_fields"]
        if name in ("credentials", "labels"):
            listed = summary.get(name, [])
            return sorted(one["name"] for one in (listed["results"] if name == "labels" else listed))
        if name == "approval_node":
            step = summary.get("unified_job_template", {})
            return {field: step.get(field) for field in each.fields[name]}
        if name in REFERENCES:
            return summary.get(name, {}).get("name")
        return there.get(name)

    def held_by(self, team: str) -> set[tuple[str, str, str]]:
        """The rights of a team over what this organization has, as resources, name and role."""
        held = self._roles.get(team, set())
        return {
            (resources, str(item["name"]), field.removesuffix("_role"))
            for resources, kind in RESOURCES.items()
            for item in self._items[kind]
            for field, role in item["summary_fields"].get("object_roles", {}).items()
            if role["id"] in held
        }


def differing(each: Declared, there: Item, found: Found) -> list[str]:
    """The declared fields that AWX has otherwise."""
    if each.kind == "grant":
        fields = each.fields
        wanted = {(fields["resources"], name, fields["role"]) for name in fields["names"]}
        return sorted(name for _resources, name, _role in wanted - found.held_by(fields["team"]))
    fields = {**each.fields, **each.secret}
    return [name for name, value in fields.items() if not _same(_plain(value, name), found.actual(each, there, name))]


def _plain(value: Any, name: str) -> Any:
    if name in ("credentials", "labels", *EVENTS):
        return sorted(value)
    # AWX has a project that is filled by hand as one without a type.
    return "" if name == "scm_type" and value == "manual" else value


def _same(wanted: Any, actual: Any) -> bool:
    """Whether two values agree, as far as can be seen: AWX shows no secret, and adds its own defaults to settings."""
    if isinstance(wanted, Mapping) and isinstance(actual, Mapping):
        return all(_same(value, actual.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(actual, list):
        return len(wanted) == len(actual) and all(_same(one, other) for one, other in zip(wanted, actual, strict=True))
    return bool(actual == ENCRYPTED or wanted == actual)
