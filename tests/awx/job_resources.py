# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX has for jobs: projects, inventories' sources, templates, workflows and schedules."""

from __future__ import annotations

from tests.awx.resource import APPROVED, NAMED, OF_ORGANIZATION, TOLD, Resource, fields_by_default

ASKED = (
    *("credential", "diff_mode", "execution_environment", "forks", "instance_groups", "inventory", "job_slice_count"),
    *("job_type", "labels", "limit", "scm_branch", "skip_tags", "tags", "timeout", "variables", "verbosity"),
)
ASKED_OF_WORKFLOWS = ("inventory", "labels", "limit", "scm_branch", "skip_tags", "tags", "variables")
_TEMPLATE_ROLES = ("admin", "execute", "read")

JOB_RESOURCES: dict[str, Resource] = {
    "projects": Resource(
        "project",
        "Project",
        "Project",
        {
            **NAMED,
            **fields_by_default(
                text="scm_type scm_url scm_branch scm_refspec local_path",
                null="organization credential default_environment",
                off="scm_clean scm_delete_on_update scm_track_submodules scm_update_on_launch allow_override",
                zero="scm_update_cache_timeout timeout",
            ),
        },
        references={
            **OF_ORGANIZATION,
            "credential": "credentials",
            "default_environment": "execution_environments",
        },
        unique=("name", "organization"),
        uniqueness="soft",
        associations=TOLD,
        roles=("admin", "use", "update", "read"),
        sequence="templates",
    ),
    "inventories": Resource(
        "inventory",
        "Inventory",
        "Inventory",
        {**NAMED, "organization": None, "variables": "", "kind": "", "host_filter": None},
        required=("name", "organization"),
        references=OF_ORGANIZATION,
        unique=("name", "organization"),
        uniqueness="together",
        associations={"instance_groups": "instance_groups"},
        roles=("admin", "update", "adhoc", "use", "read"),
    ),
    "inventory_sources": Resource(
        "inventory_source",
        "Inventory source",
        "InventorySource",
        {
            **NAMED,
            **fields_by_default(
                text="source source_path source_vars scm_branch enabled_var enabled_value host_filter limit",
                null="inventory source_project credential execution_environment",
                off="overwrite overwrite_vars update_on_launch",
                zero="timeout update_cache_timeout",
                verbosity=1,
            ),
        },
        required=("name", "inventory"),
        references={
            "inventory": "inventories",
            "source_project": "projects",
            "credential": "credentials",
            "execution_environment": "execution_environments",
        },
        unique=("name", "inventory"),
        uniqueness="soft",
        associations=TOLD,
        sequence="templates",
    ),
    "job_templates": Resource(
        "job_template",
        "Job template",
        "JobTemplate",
        {
            **NAMED,
            **fields_by_default(
                text="playbook scm_branch limit extra_vars job_tags skip_tags",
                null="inventory project execution_environment",
                off="use_fact_cache survey_enabled become_enabled diff_mode allow_simultaneous",
                zero="forks verbosity timeout",
                job_type="run",
                job_slice_count=1,
            ),
            **{f"ask_{what}_on_launch": False for what in ASKED},
        },
        required=("name", "project"),
        references={
            "inventory": "inventories",
            "project": "projects",
            "execution_environment": "execution_environments",
            **OF_ORGANIZATION,
        },
        unique=("name", "organization"),
        uniqueness="soft",
        associations={**TOLD, "credentials": "credentials", "labels": "labels", "instance_groups": "instance_groups"},
        roles=_TEMPLATE_ROLES,
        sequence="templates",
    ),
    "workflow_job_templates": Resource(
        "workflow_job_template",
        "Workflow job template",
        "WorkflowJobTemplate",
        {
            **NAMED,
            **fields_by_default(
                text="extra_vars",
                null="organization inventory limit scm_branch job_tags skip_tags",
                off="survey_enabled allow_simultaneous",
            ),
            **{f"ask_{what}_on_launch": False for what in ASKED_OF_WORKFLOWS},
        },
        references={**OF_ORGANIZATION, "inventory": "inventories"},
        unique=("name", "organization"),
        uniqueness="soft",
        associations={**TOLD, **APPROVED, "labels": "labels"},
        roles=(*_TEMPLATE_ROLES, "approval"),
        sequence="templates",
    ),
    "workflow_approval_templates": Resource(
        "workflow_approval_template",
        "Workflow approval template",
        "WorkflowApprovalTemplate",
        {**NAMED, "timeout": 0},
        unique=(),
        sequence="templates",
    ),
    "workflow_job_template_nodes": Resource(
        "workflow_job_template_node",
        "Workflow job template node",
        "WorkflowJobTemplateNode",
        fields_by_default(
            text="identifier",
            null="workflow_job_template unified_job_template limit inventory",
            off="all_parents_must_converge",
            extra_data={},
        ),
        required=("workflow_job_template",),
        references={
            "workflow_job_template": "workflow_job_templates",
            "unified_job_template": "unified_job_templates",
            "inventory": "inventories",
        },
        unique=("workflow_job_template", "identifier"),
        uniqueness="together",
        associations=dict.fromkeys(("success_nodes", "failure_nodes", "always_nodes"), "workflow_job_template_nodes")
        | {"credentials": "credentials", "labels": "labels", "instance_groups": "instance_groups"},
    ),
    "schedules": Resource(
        "schedule",
        "Schedule",
        "Schedule",
        {**NAMED, "rrule": "", "unified_job_template": None, "enabled": True, "extra_data": {}, "inventory": None},
        required=("name", "rrule", "unified_job_template"),
        references={"unified_job_template": "unified_job_templates", "inventory": "inventories"},
        unique=("unified_job_template", "name"),
        uniqueness="together",
        associations={"credentials": "credentials", "labels": "labels", "instance_groups": "instance_groups"},
    ),
}
