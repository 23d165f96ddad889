# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the role: what they hold, and that everything that is declared is also written."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.declaration import Declared, declare
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.reading import ENDPOINTS
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

from tests.awx import rules
from tests.unit.awx.tables import ALL_PLAYBOOKS, CHECKOUT, ROLE, data, settings, variables

OBJECTS = declare(settings())
THIN = CHECKOUT / "extensions" / "awx-project" / "playbooks"


def of(kind: str) -> list[Declared]:
    return [each for each in OBJECTS if each.kind == kind]


def playbooks() -> set[str]:
    """All but the one that sets AWX up."""
    return {path.stem for path in (CHECKOUT / "playbooks").glob("*.yml")} - {"awx", "request"}


def surveys() -> list[Any]:
    found = [each for each in OBJECTS if "survey_spec" in each.fields]
    return [pytest.param(each.fields["survey_spec"], id=each.name) for each in found]


def asked_by(module: str) -> set[str]:
    """What the module can let a launch ask for."""
    collection = Path(sysconfig.get_path("purelib"), "ansible_collections", "awx", "awx")
    path = collection / "plugins" / "modules" / f"{module}.py"
    return set(re.findall(r"(ask_\w+_on_launch)=dict", path.read_text()))


def test_each_playbook_has_a_template_and_a_thin_playbook() -> None:
    assert set(variables("defaults")["awx_playbooks"]) == playbooks()
    assert playbooks() <= variables("vars")["awx_templates"].keys() == set(ALL_PLAYBOOKS)
    assert {path.stem for path in THIN.glob("*.yml")} == playbooks()


@pytest.mark.parametrize("name", sorted(playbooks()))
def test_a_thin_playbook_imports_the_collections_own(name: str) -> None:
    play = yaml.safe_load((THIN / f"{name}.yml").read_text())
    assert [each["ansible.builtin.import_playbook"] for each in play] == [f"ai_aas.inference.{name}"]


@pytest.mark.parametrize("spec", surveys())
class TestSurvey:
    def test_awx_takes_it(self, spec: dict[str, Any]) -> None:
        rules.check_survey(spec)

    def test_it_never_asks_for_the_environment(self, spec: dict[str, Any]) -> None:
        assert not [each for each in spec["spec"] if "environment" in f"{each['variable']} {each['question_name']}"]

    def test_it_needs_the_model_first(self, spec: dict[str, Any]) -> None:
        first = spec["spec"][0]
        assert (first["variable"], first["required"], first["default"]) == ("vllm_model", True, "")

    @pytest.mark.parametrize(
        ("answers", "wrong"),
        [
            ({}, "'vllm_model' value missing"),
            ({"vllm_model": ""}, "too small"),
            ({"vllm_model": "m" * 64}, "too large"),
            ({"vllm_model": ["m"]}, "expected to be a string"),
        ],
    )
    def test_it_refuses(self, spec: dict[str, Any], answers: dict[str, Any], wrong: str) -> None:
        assert wrong in " ".join(rules.wrong_answers(spec, answers))


@pytest.mark.parametrize("name", ["deploy", "disable", "enable", "deregister", "rollback", "promote", "register"])
def test_what_changes_a_model_needs_a_reason(name: str) -> None:
    assert "reason" in variables("vars")["awx_templates"][name]["survey"]
    reason = variables("vars")["awx_questions"]["reason"]
    assert reason["required"]
    assert reason["min"] >= 10


@pytest.mark.parametrize(("kind", "module"), [("job_template", "job_template"), ("workflow", "workflow_job_template")])
def test_a_launch_is_asked_for_nothing_but_the_survey(kind: str, module: str) -> None:
    for each in of(kind):
        asked = {name: value for name, value in each.fields.items() if name.startswith("ask_")}
        assert asked == dict.fromkeys(asked_by(module), False), each.name


@pytest.mark.parametrize("each", of("credential_type"), ids=lambda each: each.name)
def test_awx_takes_the_credential_type(each: Declared) -> None:
    rules.check_credential_type(each.fields)
    fields = each.fields["inputs"]["fields"]
    assert [field["secret"] for field in fields] == [True]
    assert all(field["type"] == "string" for field in fields), "AWX would write it for us, and differ"


@pytest.mark.parametrize("each", of("schedule"), ids=lambda each: each.name)
def test_awx_takes_the_schedule(each: Declared) -> None:
    rules.check_rrule(each.fields["rrule"])
    template = next(one for one in of("job_template") if one.name == each.fields["unified_job_template"])
    assert "survey_spec" not in template.fields, "nobody answers a survey at night"


def test_names_of_templates_and_workflows_differ() -> None:
    """A node finds what it runs by name, among templates and workflows alike."""
    names = [each.name for kind in ("project", "inventory_source", "job_template", "workflow") for each in of(kind)]
    assert len(names) == len(set(names))


def steps(workflow: str) -> list[str]:
    found = [each.detail["identifier"] for each in of("workflow_node") if each.detail["workflow"] == workflow]
    return found[::-1]


@pytest.mark.parametrize(
    ("workflow", "expected"),
    [
        ("deploy-development", ["deploy", "verify"]),
        ("deploy-staging", ["evidence", "approve", "deploy", "verify"]),
        ("deploy-production", ["evidence", "approve", "deploy", "verify"]),
        ("promote-development", []),
        ("promote-staging", ["evidence", "approve", "promote", "verify"]),
        ("promote-production", ["evidence", "approve", "promote", "verify"]),
        ("rollback-production", ["rollback", "verify"]),
        ("disable-production", ["disable"]),
    ],
)
def test_workflow(workflow: str, expected: list[str]) -> None:
    assert steps(workflow) == expected


def test_operators_launch_no_change_that_is_approved_by_itself() -> None:
    grant = next(each for each in of("grant") if each.fields["resources"] == "job_templates")
    launched = set(grant.fields["names"])
    assert {name for name in launched if name.endswith("-development")} == {
        each.name for each in of("job_template") if each.name.endswith("-development")
    }
    assert {name for name in launched if name.endswith("-production")} == {
        *("job-list-production", "job-verify-production", "job-drift-production", "job-status-production"),
        *("job-slo-production", "job-evidence-production"),
    }


def test_where_changes_are_approved_nothing_registers_whatever_runs() -> None:
    names = {each.name for each in of("job_template") if each.name.startswith("job-register-")}
    assert names == {"job-register-development"}


def test_approvers_read_the_evidence_and_approve_and_nothing_else() -> None:
    grants = [each.fields for each in of("grant") if each.fields["team"] == "Approvers"]
    workflows = [f"{verb}-{where}" for where in ("staging", "production") for verb in ("deploy", "promote")]
    assert [(grant["role"], grant["resources"], sorted(grant["names"])) for grant in grants] == [
        ("approval", "workflows", sorted(workflows)),
        ("read", "job_templates", ["job-evidence-production", "job-evidence-staging"]),
    ]


def references(each: Declared) -> set[str]:
    """The names that an object refers to."""
    names = {"inventory", "project", "execution_environment", "credential_type", "unified_job_template"}
    found = {each.fields[name] for name in names & each.fields.keys()} | set(each.fields.get("labels", []))
    found |= set(each.fields.get("credentials", [])) | {each.fields.get("source_project", "")}
    following = {f"{each.detail.get('workflow')} {name}" for name in each.fields.get("success_nodes", [])}
    return (found | following | {each.detail.get("workflow", "")}) - {""}


def test_each_object_comes_after_those_it_refers_to_and_once() -> None:
    seen: set[tuple[str, str]] = set()
    for each in OBJECTS:
        assert references(each) <= {name for _kind, name in seen}, each
        assert (each.kind, each.name) not in seen
        seen.add((each.kind, each.name))


def test_what_can_be_pruned_bears_the_mark() -> None:
    without = {"organization", "label", "workflow_node", "workflow_link", "grant"}
    assert {each.kind for each in OBJECTS if "description" not in each.fields} == without
    assert all(each.fields["description"].endswith(settings().mark) for each in OBJECTS if each.kind not in without)


def test_the_role_reads_the_endpoints_that_the_plan_knows() -> None:
    assert variables("vars")["awx_endpoints"].keys() == set(ENDPOINTS.values())


def test_every_declared_field_is_written() -> None:
    texts = "".join((ROLE / "tasks" / name).read_text() for name in ("make_shared.yml", "make_jobs.yml"))
    notified = [{"name": "Chat", "type": "webhook", "on": ["error"], "configuration": {}}]
    for each in declare(settings(notifications=notified)):
        task = next(part for part in texts.split("- name: ") if f"'kind', 'eq', '{each.kind}'" in part)
        assert all(f"item.fields.{name}" in task for name in each.fields), (each.kind, each.fields.keys())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"project": {"name": "x", "scm_type": "git", "scm_url": ""}}, "awx_project_scm_url is not set"),
        ({"execution_environment": {"name": "x", "image": ""}}, "awx_execution_environment_image is not set"),
        ({"environments": [{"name": "a"}, {"name": "a"}]}, "Declared twice as environment: a"),
        ({"environments": [{"name": "Not valid"}]}, "Invalid environment 'Not valid'"),
        ({"environments": [{"name": "a", "credentials": ["card"]}]}, "Unknown credential of a: card"),
        ({"playbooks": ["deploy", "evidence", "destroy"]}, "Unknown playbook: destroy"),
        ({"playbooks": ["deploy"]}, "awx_playbooks lacks evidence"),
        ({"controller_host": ""}, "awx_controller_host is not set"),
    ],
)
def test_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(message)):
        settings(**changes)


def test_a_schedule_can_be_left_out_of_one_environment() -> None:
    rows = [{"name": "lab", "schedules": {"health": ""}}, {"name": "staging"}]
    made = [each.name for each in declare(settings(environments=rows)) if each.kind == "schedule"]
    assert made == ["drift-lab", "health-staging", "drift-staging"]


def test_a_token_for_approvals_is_there_where_changes_are_approved() -> None:
    rows = [{"name": "a"}, {"name": "b", "approval": True}, {"name": "c", "approval": True, "credentials": ["hub"]}]
    made = {each.name for each in declare(settings(environments=rows)) if each.kind == "credential"}
    assert {name for name in made if "controller" in name} == {"inference-controller-b", "inference-controller-c"}
    assert {name for name in made if name.endswith("-c")} == {"inference-controller-c", "inference-hub-c"}


def test_a_project_that_is_filled_by_hand_needs_no_url() -> None:
    assert data()["project"]["scm_url"]
    assert settings(project={"name": "x", "scm_type": "manual", "local_path": "x"}).project["name"] == "x"
