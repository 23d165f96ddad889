# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done: everything, nothing, or exactly what somebody changed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.declaration import Declared
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.plan import plan
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

from tests.awx.server import Awx
from tests.unit.awx.converged import ask, make, number, read
from tests.unit.awx.scene import DECLARED, SECRETS, converged
from tests.unit.awx.tables import ALL_PLAYBOOKS


@pytest.fixture
def awx() -> Awx:
    return converged()


def planned(awx: Awx) -> list[tuple[str, str, list[str]]]:
    return [(step["action"], step["name"], step["differences"]) for step in plan(DECLARED, read(awx), SECRETS, False)]


def without_ends() -> list[Declared]:
    """Without the links of nodes that nothing follows: a node that is made has none."""
    return [each for each in DECLARED if each.kind != "workflow_link" or each.fields["success_nodes"]]


def test_nothing_is_there() -> None:
    steps = plan(DECLARED, read(Awx([])), SECRETS, False)
    assert [(step["action"], step["kind"], step["name"]) for step in steps] == [
        ("create", each.kind, each.name) for each in without_ends()
    ]


def test_everything_is_there(awx: Awx) -> None:
    assert planned(awx) == []


def test_a_run_that_ended_anywhere_goes_on_from_there() -> None:
    awx = Awx([f"playbooks/{name}.yml" for name in ALL_PLAYBOOKS])
    for position, each in enumerate(DECLARED):
        rest = [(one.kind, one.name) for one in DECLARED[position:] if one in without_ends()]
        steps = plan(DECLARED, read(awx), SECRETS, False)
        assert [(step["kind"], step["name"]) for step in steps] == rest
        make(awx, each)


Change = Callable[[Awx], object]


def patch(endpoint: str, name: str, **fields: Any) -> Change:
    return lambda awx: ask(awx, "PATCH", f"{endpoint}/{number(awx, endpoint, name)}/", fields)


def unlink(endpoint: str, name: str, part: str, other: str, target: str) -> Change:
    def change(awx: Awx) -> None:
        path = f"{endpoint}/{number(awx, endpoint, name)}/{part}/"
        ask(awx, "POST", path, {"id": number(awx, other, target), "disassociate": True})

    return change


def add_question(awx: Awx) -> None:
    path = f"job_templates/{number(awx, 'job_templates', 'job-deploy-staging')}/survey_spec/"
    spec = copy.deepcopy(ask(awx, "GET", path))
    spec["spec"].append({**spec["spec"][0], "variable": "environment"})
    ask(awx, "POST", path, spec)


def change_approval(awx: Awx) -> None:
    name = number(awx, "workflow_approval_templates", "Approve deploy-staging")
    ask(awx, "PATCH", f"workflow_approval_templates/{name}/", {"timeout": 5})


def lose_approval(awx: Awx) -> None:
    node = number(awx, "workflow_job_template_nodes", "deploy-staging approve")
    awx.store.get("workflow_job_template_nodes", node)["unified_job_template"] = None


def revoke(awx: Awx) -> None:
    roles = {name: role for role, name in awx.store.roles.items()}
    workflow = number(awx, "workflow_job_templates", "deploy-staging")
    role = roles["workflow_job_templates", workflow, "approval_role"]
    ask(awx, "POST", f"roles/{role}/teams/", {"id": number(awx, "teams", "Approvers"), "disassociate": True})


CHANGES: dict[str, tuple[Change, str, list[str]]] = {
    "launch asks for variables": (
        patch("job_templates", "job-deploy-staging", ask_variables_on_launch=True),
        *("job-deploy-staging", ["ask_variables_on_launch"]),
    ),
    "another playbook": (
        patch("job_templates", "job-list-staging", playbook="playbooks/deploy.yml"),
        *("job-list-staging", ["playbook"]),
    ),
    "another inventory": (
        lambda awx: patch("job_templates", "job-list-staging", inventory=number(awx, "inventories", "development"))(
            awx
        ),
        *("job-list-staging", ["inventory"]),
    ),
    "a credential less": (
        unlink("job_templates", "job-list-staging", "credentials", "credentials", "inference-database-staging"),
        *("job-list-staging", ["credentials"]),
    ),
    "a label less": (
        unlink("workflow_job_templates", "deploy-staging", "labels", "labels", "staging"),
        *("deploy-staging", ["labels"]),
    ),
    "a question more": (add_question, "job-deploy-staging", ["survey_spec"]),
    "another approval": (change_approval, "deploy-staging approve", ["approval_node"]),
    "no approval": (lose_approval, "deploy-staging approve", ["approval_node"]),
    "past the approval": (
        unlink(
            *("workflow_job_template_nodes", "deploy-staging approve", "success_nodes"),
            *("workflow_job_template_nodes", "deploy-staging deploy"),
        ),
        *("deploy-staging approve", ["success_nodes"]),
    ),
    "a right less": (revoke, "Approvers approval workflows", ["deploy-staging"]),
    "never checked": (patch("schedules", "health-staging", enabled=False), "health-staging", ["enabled"]),
    "another webhook": (
        patch("notification_templates", "Chat", notification_configuration={"url": "https://x", "headers": {}}),
        *("Chat", ["notification_configuration"]),
    ),
    "nobody is told": (
        unlink(
            *("organizations", "Inference", "notification_templates_error"),
            *("notification_templates", "Chat"),
        ),
        *("Inference", ["error"]),
    ),
    "another image": (patch("execution_environments", "inference", image="x"), "inference", ["image"]),
    "another repository": (patch("projects", "inference", scm_url="x"), "inference", ["scm_url"]),
    "another file": (patch("inventory_sources", "models-staging", source_path="x"), "models-staging", ["source_path"]),
    "another variable": (
        patch("credential_types", "Inference router cache", injectors={"env": {"CACHE": "{{ redis_url }}"}}),
        *("Inference router cache", ["injectors"]),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_somebody_changed_is_changed_back(awx: Awx, name: str) -> None:
    change, where, differences = CHANGES[name]
    change(awx)
    assert planned(awx) == [("update", where, differences)]


@pytest.mark.parametrize(
    ("status", "missing", "expected"),
    [
        ("running", True, ["wait"]),
        ("failed", True, ["sync"]),
        ("never updated", True, ["sync"]),
        ("successful", True, []),
        ("running", False, []),
        ("failed", False, []),
    ],
)
def test_a_project_is_brought_before_templates_that_need_its_files(
    awx: Awx, status: str, missing: bool, expected: list[str]
) -> None:
    awx.store.items["projects"][1]["status"] = status
    if missing:
        ask(awx, "DELETE", f"job_templates/{number(awx, 'job_templates', 'job-list-staging')}/")
    steps = plan(DECLARED, read(awx), SECRETS, False)
    assert [step["action"] for step in steps if step["kind"] == "project"] == expected
    assert bool(steps) == missing


class TestSecrets:
    def test_needed_for_a_credential_that_is_not_there(self) -> None:
        with pytest.raises(InvalidInputError, match=r"awx_secrets\.staging\.hub\. Nothing was changed"):
            plan(DECLARED, read(Awx([])), {**SECRETS, "staging": {**SECRETS["staging"], "hub": ""}}, False)

    def test_not_needed_otherwise(self, awx: Awx) -> None:
        assert plan(DECLARED, read(awx), {}, False) == []

    def test_replaced_on_request(self, awx: Awx) -> None:
        steps = plan(DECLARED, read(awx), {"staging": {"hub": "s"}}, True)
        assert [(step["name"], step["differences"]) for step in steps] == [("inference-hub-staging", ["inputs"])]

    def test_kept_when_another_field_differs(self, awx: Awx) -> None:
        patch("credentials", "inference-hub-staging", description="x")(awx)
        steps = plan(DECLARED, read(awx), {}, False)
        assert [(step["differences"], step["with_secret"]) for step in steps] == [(["description"], False)]

    def test_no_step_holds_one(self) -> None:
        steps = plan(
            DECLARED, read(Awx([])), {row: dict.fromkeys(kinds, "hush") for row, kinds in SECRETS.items()}, True
        )
        assert "hush" not in str(steps)
        assert "'p'" not in str(steps)
