# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in that has what is declared, made and read without Ansible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._awx.declaration import EVENTS, Declared
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.reading import ENDPOINTS, REFERENCES, Found

from tests.awx.resources import RESOURCES
from tests.awx.server import ADMINISTRATOR, Awx
from tests.unit.awx.tables import ALL_PLAYBOOKS

SECRET = {"database_url": "x", "kubeconfig": "x", "redis_url": "x", "hub_token": "x"}
RESOURCE_OF = {"workflows": "workflow_job_templates"}


def ask(awx: Awx, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The answer of the API, which must be a success."""
    answer = awx.answer(method, f"/api/v2/{path}", body, ADMINISTRATOR)
    assert answer is not None
    assert answer[0] < 300, (method, path, body, answer)
    return answer[1]


def number(awx: Awx, endpoint: str, name: str) -> int:
    """The id of the object of this name; of a node after its workflow."""
    for item in awx.store.all(endpoint):
        workflow = item.get("workflow_job_template")
        before = f"{awx.store.get('workflow_job_templates', workflow)['name']} " if workflow else ""
        if before + str(item.get("name") or item.get("identifier")) == name:
            return int(item["id"])
    raise AssertionError(f"no {name} in {endpoint}")


def build(declared: Sequence[Declared]) -> Awx:
    awx = Awx([f"playbooks/{name}.yml" for name in ALL_PLAYBOOKS])
    for each in declared:
        make(awx, each)
    return awx


def make(awx: Awx, each: Declared) -> None:
    if each.kind == "organization_notifications":
        for event, names in each.fields.items():
            path = f"organizations/{number(awx, 'organizations', each.name)}/notification_templates_{event}/"
            _link(awx, path, "notification_templates", names)
    elif each.kind == "workflow_link":
        node = number(awx, "workflow_job_template_nodes", each.name)
        following = [f"{each.detail['workflow']} {name}" for name in each.fields["success_nodes"]]
        path = f"workflow_job_template_nodes/{node}/success_nodes/"
        _link(awx, path, "workflow_job_template_nodes", following)
    elif each.kind == "grant":
        endpoint = RESOURCE_OF.get(each.fields["resources"], each.fields["resources"])
        for name in each.fields["names"]:
            resource = ask(awx, "GET", f"{endpoint}/{number(awx, endpoint, name)}/")
            role = resource["summary_fields"]["object_roles"][f"{each.fields['role']}_role"]["id"]
            ask(awx, "POST", f"roles/{role}/teams/", {"id": number(awx, "teams", each.fields["team"])})
    else:
        _make_object(awx, each)


def _link(awx: Awx, path: str, endpoint: str, names: Sequence[str]) -> None:
    for name in names:
        ask(awx, "POST", path, {"id": number(awx, endpoint, name)})


def _make_object(awx: Awx, each: Declared) -> None:
    endpoint = ENDPOINTS[each.kind]
    body = {**each.fields, **each.secret, "name": each.name, **each.detail}
    references = {**RESOURCES[endpoint].references, "workflow_job_template": "workflow_job_templates"}
    if each.kind == "workflow_node":
        body["workflow_job_template"] = each.detail["workflow"]
    for name in (REFERENCES | {"workflow_job_template"}) & body.keys() & references.keys():
        body[name] = number(awx, references[name], body[name])
    if each.kind == "credential":
        body["inputs"] = {each.detail["input"]: "a-secret"}
    made = ask(awx, "POST", f"{endpoint}/", body)
    if each.kind == "project":
        awx.store.end_update(max(awx.store.updates))
    for name in ("credentials", "labels"):
        if name in each.fields:
            _link(awx, f"{endpoint}/{made['id']}/{name}/", name, each.fields[name])
    for name, path in (("survey_spec", "survey_spec"), ("approval_node", "create_approval_template")):
        if name in each.fields:
            ask(awx, "POST", f"{endpoint}/{made['id']}/{path}/", each.fields[name])


def read(awx: Awx, organization: str = "Inference") -> Found:
    """What the role reads."""

    def listed(path: str) -> list[dict[str, Any]]:
        return list(ask(awx, "GET", f"{path}?page_size=200")["results"])

    answers = {endpoint: listed(f"{endpoint}/") for endpoint in ENDPOINTS.values()}
    answers["organizations"] = [each for each in answers["organizations"] if each["name"] == organization]
    answers["credential_types"] = [each for each in answers["credential_types"] if not each["managed"]]
    surveyed = [each for kind in ("job_templates", "workflow_job_templates") for each in answers[kind]]
    addresses = [each["related"]["survey_spec"] for each in surveyed if each["survey_enabled"]]
    surveys = {address: ask(awx, "GET", address.removeprefix("/api/v2/")) for address in addresses}
    roles = {team["name"]: listed(f"teams/{team['id']}/roles/") for team in answers["teams"]}
    told = {
        event: listed(f"organizations/{each['id']}/notification_templates_{event}/")
        for each in answers["organizations"]
        for event in EVENTS
    }
    return Found(answers, surveys, roles, told)
