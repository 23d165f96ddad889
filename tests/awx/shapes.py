# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How AWX shows its objects: related addresses, summaries, and no secret."""

from __future__ import annotations

from typing import Any

from tests.awx.resources import ENDPOINT_OF, RESOURCES
from tests.awx.rules import NOTIFICATION_SECRETS
from tests.awx.store import Item, Store

PREFIX = "/api/v2"
ENCRYPTED = "$encrypted$"
SURVEYED = ("job_templates", "workflow_job_templates")
JOB_TYPES = {
    "job_template": "job",
    "workflow_job_template": "workflow_job",
    "project": "project_update",
    "inventory_source": "inventory_update",
    "workflow_approval_template": "workflow_approval",
}
LINKS = ("success_nodes", "failure_nodes", "always_nodes")


def url_of(item: Item) -> str:
    return f"{PREFIX}/{ENDPOINT_OF[item['type']]}/{item['id']}/"


def shown(store: Store, endpoint: str, item: Item) -> dict[str, Any]:
    """An object as the API answers it."""
    endpoint = ENDPOINT_OF[item["type"]]
    view = {**item, "url": url_of(item), "related": _related(store, endpoint, item)}
    view["summary_fields"] = _summaries(store, endpoint, item)
    if endpoint == "credentials":
        view["inputs"] = _hidden(store, item)
    if endpoint == "notification_templates":
        settings = item["notification_configuration"].items()
        secret = NOTIFICATION_SECRETS
        view["notification_configuration"] = {
            name: ENCRYPTED if name in secret and value else value for name, value in settings
        }
    if endpoint == "workflow_job_template_nodes":
        view |= {name: list(store.links[endpoint, item["id"], name]) for name in LINKS}
    view.pop("playbook_files", None)
    return view


def _hidden(store: Store, credential: Item) -> dict[str, Any]:
    fields = store.get("credential_types", credential["credential_type"])["inputs"].get("fields", [])
    secret = {each["id"] for each in fields if each.get("secret")}
    return {name: ENCRYPTED if name in secret and value else value for name, value in credential["inputs"].items()}


def _related(store: Store, endpoint: str, item: Item) -> dict[str, str]:
    base = url_of(item)
    related = {name: f"{base}{name}/" for name in RESOURCES[endpoint].associations}
    for name in RESOURCES[endpoint].references:
        if item.get(name):
            related[name] = url_of(store.get(RESOURCES[endpoint].references[name], item[name]))
    if endpoint in SURVEYED:
        related["survey_spec"] = f"{base}survey_spec/"
    if endpoint == "teams":
        related["roles"] = f"{base}roles/"
    if endpoint == "projects":
        related["update"] = f"{base}update/"
    if endpoint == "workflow_job_template_nodes":
        related["create_approval_template"] = f"{base}create_approval_template/"
    return related


def _summaries(store: Store, endpoint: str, item: Item) -> dict[str, Any]:
    summaries: dict[str, Any] = {}
    for name, other in RESOURCES[endpoint].references.items():
        if item.get(name):
            summaries[name] = _summary(store.get(other, item[name]))
    roles = {role[2]: number for number, role in store.roles.items() if role[:2] == (endpoint, item["id"])}
    if roles:
        summaries["object_roles"] = {name: {"id": number, "name": name} for name, number in roles.items()}
    if "labels" in RESOURCES[endpoint].associations:
        labels = [store.get("labels", number) for number in store.links[endpoint, item["id"], "labels"]]
        results = [{"id": each["id"], "name": each["name"]} for each in labels]
        summaries["labels"] = {"count": len(labels), "results": sorted(results, key=lambda each: each["name"])[:10]}
    if endpoint == "job_templates":
        numbers = store.links[endpoint, item["id"], "credentials"]
        summaries["credentials"] = [_summary(store.get("credentials", number)) for number in numbers]
    if endpoint in SURVEYED and item["id"] in store.surveys:
        spec = store.surveys[item["id"]]
        summaries["survey"] = {"title": spec["name"], "description": spec["description"]}
    if endpoint == "projects" and item["status"] == "running":
        running = max(number for number, project in store.updates.items() if project == item["id"])
        summaries["current_update"] = {"id": running, "status": "running"}
    return summaries


def _summary(item: Item) -> dict[str, Any]:
    short = {"id": item["id"], "name": item.get("name", ""), "description": item.get("description", "")}
    if item["type"] in JOB_TYPES:
        short["unified_job_type"] = JOB_TYPES[item["type"]]
    if item["type"] == "workflow_approval_template":
        short["timeout"] = item["timeout"]
    return short
