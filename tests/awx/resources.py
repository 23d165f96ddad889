# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX has: for each endpoint the fields, what they refer to, what is unique, and what hangs on it."""

from __future__ import annotations

from tests.awx.job_resources import JOB_RESOURCES
from tests.awx.resource import APPROVED, NAMED, OF_ORGANIZATION, TOLD, Resource

RESOURCES: dict[str, Resource] = {
    "organizations": Resource(
        "organization",
        "Organization",
        "Organization",
        {**NAMED, "max_hosts": 0, "custom_virtualenv": None, "default_environment": None},
        references={"default_environment": "execution_environments"},
        associations={**TOLD, **APPROVED, "galaxy_credentials": "credentials", "instance_groups": "instance_groups"},
        roles=(
            *("admin", "execute", "project_admin", "inventory_admin", "credential_admin", "workflow_admin"),
            *("notification_admin", "job_template_admin", "execution_environment_admin", "auditor", "member"),
            *("read", "approval"),
        ),
    ),
    "users": Resource(
        "user",
        "User",
        "User",
        {"username": "", "is_superuser": False, "is_system_auditor": False},
        required=("username",),
        unique=("username",),
        roles=("admin", "read"),
    ),
    "teams": Resource(
        "team",
        "Team",
        "Team",
        {**NAMED, "organization": None},
        required=("name", "organization"),
        references=OF_ORGANIZATION,
        unique=("organization", "name"),
        uniqueness="together",
        roles=("admin", "member", "read"),
    ),
    "instance_groups": Resource("instance_group", "Instance group", "InstanceGroup", {"name": ""}),
    "labels": Resource(
        "label",
        "Label",
        "Label",
        {"name": "", "organization": None},
        required=("name", "organization"),
        references=OF_ORGANIZATION,
        unique=("name", "organization"),
        uniqueness="together",
        methods=("GET", "PATCH", "PUT"),
    ),
    "execution_environments": Resource(
        "execution_environment",
        "Execution environment",
        "ExecutionEnvironment",
        {**NAMED, "organization": None, "image": "", "pull": "", "credential": None},
        required=("name", "image"),
        references={**OF_ORGANIZATION, "credential": "credentials"},
        roles=("admin", "use"),
    ),
    "credential_types": Resource(
        "credential_type",
        "Credential type",
        "CredentialType",
        {**NAMED, "kind": "", "inputs": {}, "injectors": {}},
        required=("name", "kind"),
        unique=("name", "kind"),
        uniqueness="together",
    ),
    "credentials": Resource(
        "credential",
        "Credential",
        "Credential",
        {**NAMED, "organization": None, "credential_type": None, "inputs": {}},
        required=("name", "credential_type"),
        references={**OF_ORGANIZATION, "credential_type": "credential_types"},
        unique=("organization", "name", "credential_type"),
        uniqueness="together",
        roles=("admin", "use", "read"),
    ),
    "notification_templates": Resource(
        "notification_template",
        "Notification template",
        "NotificationTemplate",
        {**NAMED, "organization": None, "notification_type": "", "notification_configuration": {}, "messages": None},
        required=("name", "organization", "notification_type"),
        references=OF_ORGANIZATION,
        unique=("organization", "name"),
        uniqueness="together",
    ),
    **JOB_RESOURCES,
}
TEMPLATES = ("projects", "inventory_sources", "job_templates", "workflow_job_templates", "workflow_approval_templates")
ENDPOINT_OF = {resource.kind: endpoint for endpoint, resource in RESOURCES.items()}
