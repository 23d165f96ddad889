# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stand-in refuses, and how: as AWX does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.awx.server import Awx
from tests.unit.awx.calls import RRULE, call, template_of

SPEC = {
    "name": "",
    "description": "",
    "spec": [{"question_name": "M", "variable": "m", "type": "text", "required": True}],
}

REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("POST", "organizations/", {}, 400, "{'name': ['This field is required.']}"),
    ("POST", "organizations/", {"name": ""}, 400, "{'name': ['This field may not be blank.']}"),
    ("POST", "organizations/", {"name": "Org"}, 400, "Organization with this Name already exists."),
    (
        "POST",
        "inventories/",
        {"name": "i", "organization": 2},
        400,
        "Inventory with this Name and Organization already",
    ),
    ("POST", "projects/", {"name": "p", "organization": 2}, 400, "Project with this (name, organization) combination"),
    ("POST", "inventories/", {"name": "j", "organization": 9}, 400, 'Invalid pk "9" - object does not exist.'),
    ("POST", "inventories/", {"name": "j", "organization": "Org"}, 400, "Incorrect type. Expected pk value"),
    ("POST", "projects/", {"name": "q", "scm_type": "git"}, 400, "SCM URL is required."),
    ("POST", "job_templates/", {"name": "u", "project": 1}, 400, "Must either set a default value or ask to prompt"),
    (
        *("POST", "job_templates/"),
        *({"name": "u", "project": 1, "inventory": 1, "playbook": "x.yml"}, 400, "Playbook not found for project."),
    ),
    ("POST", "credential_types/", {"name": "c", "kind": "ssh"}, 400, "Must be 'cloud' or 'net', not ssh"),
    ("PATCH", "credential_types/1/", {"name": "c"}, 403, "Modifications not allowed for managed credential types"),
    ("POST", "credentials/", {"name": "c", "credential_type": 1}, 400, "Missing 'user', 'team', or 'organization'."),
    (
        *("POST", "credentials/", {"name": "c", "credential_type": 1, "organization": 2, "inputs": {"x": 1}}, 400),
        "Additional properties are not allowed ('x' was unexpected)",
    ),
    (
        *("POST", "notification_templates/"),
        *({"name": "n", "organization": 2, "notification_type": "webhook", "notification_configuration": {}}, 400),
        "Missing required fields for Notification Configuration: ['url', 'headers'].",
    ),
    (
        "POST",
        "workflow_job_template_nodes/2/create_approval_template/",
        {},
        400,
        "{'name': ['This field is required.']}",
    ),
    ("GET", "workflow_approval_templates/9/success_nodes/", {}, 404, "Not found."),
    ("POST", "workflow_job_template_nodes/1/success_nodes/", {}, 400, "{'id': 'missing'}"),
    ("POST", "workflow_job_template_nodes/1/success_nodes/", {"id": 1}, 400, "Cycle detected."),
    ("DELETE", "labels/1/", {}, 404, "Not found."),
    ("POST", "unified_job_templates/", {"name": "x"}, 405, 'Method "POST" not allowed.'),
    ("GET", "inventories/?colour=red", {}, 400, "Inventory has no field named 'colour'"),
    ("GET", "inventories/?organization__colour=red", {}, 400, "Organization has no field named 'colour'"),
    ("GET", "inventories/?id=x", {}, 400, "expected a number but got 'x'"),
    ("GET", "inventories/?page=3", {}, 404, "Invalid page."),
    ("GET", "nothing/", {}, 404, "The requested resource could not be found."),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "told"), REFUSED)
def test_refused(awx: Awx, method: str, path: str, body: dict[str, Any], status: int, told: str) -> None:
    answer = call(awx, method, path, body)
    assert (answer[0], told in str(answer[1])) == (status, True), answer


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"description": "", "spec": []}, "'name' missing from survey spec."),
        ({"name": "", "description": "", "spec": {}}, "'spec' must be a list of items."),
        ({"name": "", "description": "", "spec": []}, "'spec' doesn't contain any items."),
        ({**SPEC, "spec": [{"type": "text"}]}, "'question_name' missing from survey question 0."),
        ({**SPEC, "spec": SPEC["spec"] * 2}, "'variable' 'm' duplicated in survey question 1."),  # type: ignore[operator]
    ],
)
def test_refused_surveys(awx: Awx, spec: dict[str, Any], told: str) -> None:
    path = f"job_templates/{template_of(awx)['id']}/survey_spec/"
    assert call(awx, "POST", path, spec) == (400, {"error": told})
    assert call(awx, "GET", path) == (200, {})


@pytest.mark.parametrize(
    ("rrule", "told"),
    [
        ("", "may not be blank"),
        ("DTSTART:NONSENSE", "Valid DTSTART required in rrule"),
        ("DTSTART:20300308T050000 RRULE:FREQ=DAILY;INTERVAL=1", "DTSTART cannot be a naive datetime"),
        ("DTSTART:20300308T050000Z DTSTART:20310308T050000Z", "Multiple DTSTART is not supported"),
        ("DTSTART:20300308T050000Z", "One or more rule required in rrule"),
        ("DTSTART:20300308T050000Z RRULE:NONSENSE", "INTERVAL required in rrule"),
        ("DTSTART:20300308T050000Z RRULE:FREQ=SECONDLY;INTERVAL=5", "SECONDLY is not supported"),
        ("DTSTART:20300308T050000Z RRULE:FREQ=REGULARLY;INTERVAL=1", "rrule parsing failed validation"),
        ("DTSTART:20300308T050000Z RRULE:FREQ=DAILY;INTERVAL=1;COUNT=2000", "COUNT > 999 is unsupported"),
    ],
)
def test_refused_schedules(awx: Awx, rrule: str, told: str) -> None:
    body = {"name": "s", "unified_job_template": template_of(awx)["id"], "rrule": rrule}
    status, answer = call(awx, "POST", "schedules/", body)
    assert (status, told in str(answer)) == (400, True), answer


def test_a_schedule_has_to_answer_what_the_survey_requires(awx: Awx) -> None:
    template = template_of(awx)
    call(awx, "POST", f"job_templates/{template['id']}/survey_spec/", SPEC)
    body = {"name": "s", "unified_job_template": template["id"], "rrule": RRULE}
    assert call(awx, "POST", "schedules/", body) == (400, {"variables_needed_to_start": ["'m' value missing"]})
    assert call(awx, "POST", "schedules/", {**body, "extra_data": {"m": "x"}})[0] == 201


@pytest.mark.parametrize(
    ("injectors", "told"),
    [
        ({"env": {"PATH": "x"}}, "Environment variable PATH is not allowed"),
        ({"env": {"ANSIBLE_CONFIG": "x"}}, "ANSIBLE_CONFIG may affect Ansible configuration"),
        ({"env": {"A-B": "x"}}, "Environment variable A-B is not allowed"),
        ({"env": {"A": "{{ other }}"}}, "A uses an undefined field"),
        ({"env": {"A": "{{ tower.filename.x }}"}}, "A uses an undefined field"),
        ({"env": {"A": "{{ x"}}, "Syntax error rendering template"),
        ({"file": {"kubeconfig": "x"}}, "must either be 'template'"),
    ],
)
def test_refused_injectors(awx: Awx, injectors: dict[str, Any], told: str) -> None:
    body = {"name": "c", "kind": "cloud", "inputs": {"fields": [{"id": "x", "label": "X"}]}, "injectors": injectors}
    status, answer = call(awx, "POST", "credential_types/", body)
    assert (status, told in str(answer)) == (400, True), answer
