# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody changed in AWX is changed back, and what is no longer declared goes on request."""

from __future__ import annotations

from typing import Any

from tests.integration.awx.conftest import SiteMaker
from tests.integration.awx.sites import SECRETS, names

STAGING: dict[str, Any] = {"name": "staging", "approval": True, "credentials": ["database", "cache"]}
PRODUCTION: dict[str, Any] = {"name": "production", "credentials": ["database"]}
DATA: dict[str, Any] = {
    "awx_environments": [STAGING, PRODUCTION],
    "awx_playbooks": ["deploy", "verify", "evidence"],
    "awx_schedules": {},
}


def test_repair_and_prune(start: SiteMaker) -> None:
    site = start(**DATA)
    assert site.run().code == 0
    store = site.awx.store

    template = next(each for each in store.all("job_templates") if each["name"] == "job-deploy-staging")
    template["ask_variables_on_launch"] = True
    store.links["job_templates", template["id"], "credentials"].clear()
    approval = store.all("workflow_approval_templates")[0]
    approval["timeout"] = 1
    expected = ["Change job template job-deploy-staging", "Change workflow node deploy-staging approve"]
    assert site.run("--check").steps == expected
    assert template["ask_variables_on_launch"]
    assert site.run().steps == expected
    assert (template["ask_variables_on_launch"], approval["timeout"]) == (False, 86400)
    assert len(store.links["job_templates", template["id"], "credentials"]) == 3

    less: dict[str, Any] = {"awx_environments": [STAGING]}
    before, writes = names(site.awx), site.awx.writes
    kept = site.run(**less)
    assert (kept.code, kept.changed, site.awx.writes) == (0, 0, writes)
    assert "Remove inventory production" in kept.text
    check = site.run("--check", awx_prune=True, **less)
    assert site.awx.writes == writes
    pruned = site.run(awx_prune=True, **less)
    assert pruned.code == 0, pruned.failure
    assert check.steps == pruned.steps
    assert before - names(site.awx) == {
        ("inventory", "production"),
        ("inventory_source", "models-production"),
        ("credential", "inference-database-production"),
        ("job_template", "job-deploy-production"),
        ("job_template", "job-verify-production"),
        ("job_template", "job-evidence-production"),
        ("workflow_job_template", "deploy-production"),
        ("workflow_job_template_node", "deploy-production deploy"),
        ("workflow_job_template_node", "deploy-production verify"),
    }
    again = site.run(awx_prune=True, **less)
    assert (again.code, again.changed) == (0, 0), again.steps


def test_secrets_are_replaced_on_request_alone(start: SiteMaker) -> None:
    rows = {"awx_environments": [{"name": "lab", "credentials": ["database"]}], "awx_playbooks": ["list"]}
    site = start(**rows, awx_secrets={"lab": SECRETS})
    assert site.run().code == 0
    credential = site.awx.store.all("credentials")[0]
    new = {"awx_secrets": {"lab": {"database": "another-secret"}}}
    assert site.run(**new).changed == 0
    assert credential["inputs"] == {"database_url": SECRETS["database"]}
    run = site.run("-vvv", awx_update_credentials=True, **new)
    assert run.steps == ["Change credential inference-database-lab"]
    assert credential["inputs"] == {"database_url": "another-secret"}
    assert "another-secret" not in run.text
