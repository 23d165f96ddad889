# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in with a little of everything."""

from __future__ import annotations

import pytest

from tests.awx.server import Awx
from tests.unit.awx.calls import call, made


@pytest.fixture
def awx() -> Awx:
    """One organization (2) with a project, an inventory, a template and a workflow of two nodes."""
    awx = Awx(["list.yml"])
    organization = made(awx, "organizations/", name="Org")
    project = made(awx, "projects/", name="p", organization=organization, scm_type="git", scm_url="https://x")
    call(awx, "GET", "project_updates/1/")
    inventory = made(awx, "inventories/", name="i", organization=organization)
    template = made(awx, "job_templates/", name="t", project=project, inventory=inventory, playbook="list.yml")
    workflow = made(awx, "workflow_job_templates/", name="w", organization=organization)
    for name in ("a", "b"):
        node = {"workflow_job_template": workflow, "identifier": name, "unified_job_template": template}
        made(awx, "workflow_job_template_nodes/", **node)
    return awx
