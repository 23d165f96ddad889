# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one apply makes, that a second writes nothing, and what both cost, for one to three environments."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.declaration import declare
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.settings import Settings

from tests.integration.awx.conftest import SiteMaker
from tests.integration.awx.sites import (
    ALL_PLAYBOOKS,
    CONTROLLER,
    ENVIRONMENTS,
    IMAGE,
    PROJECT,
    SECRETS,
    WEBHOOK,
    Run,
    Site,
    names,
    stand_in,
)
from tests.unit.awx.converged import build
from tests.unit.awx.tables import settings, variables

# What the plan calls otherwise than AWX.
TYPES = {"workflow": "workflow_job_template", "workflow_node": "workflow_job_template_node"}
TYPES |= {"notification": "notification_template"}
# What is no object of its own.
PARTS = {"workflow_link", "organization_notifications", "grant"}


@dataclass
class Growth:
    """The requests and seconds of an apply that changes nothing."""

    environments: int
    requests: int
    seconds: float
    declared: int


def predicted(run: Run) -> set[tuple[str, str]]:
    items = [item["item"] for task in run.tasks for item in task.get("results", []) if item.get("changed")]
    return {(TYPES.get(item["kind"], item["kind"]), item["name"]) for item in items if item["kind"] not in PARTS}


def declared(run: Run) -> int:
    facts = [task["ansible_facts"] for task in run.tasks if "ansible_facts" in task]
    return int(next(each["awx_planned"]["declared"] for each in facts if "awx_planned" in each))


def test_apply_twice_with_one_to_three_environments(start: SiteMaker, capsys: pytest.CaptureFixture[str]) -> None:
    """One is made, more are there already: to make them takes long, and the growth is seen all the same."""
    data = {"awx_playbooks": ALL_PLAYBOOKS, "awx_notifications": [WEBHOOK]}
    grown = [_made(start(**data))]
    for count in (2, 3):
        site = start(build(declare(_settings(count))), **data)
        grown.append(_without_change(site, count))
    with capsys.disabled():
        for each in grown:
            print(
                f"\n  {each.environments} environments, {each.declared} objects: {each.requests} requests, "
                f"{each.seconds:.1f} s, {each.seconds / each.declared:.3f} s for each object"
            )
    first, second, third = (each.requests for each in grown)
    assert third - second == second - first, "each environment costs the same"


def _settings(count: int) -> Settings:
    """What the site's data come to."""
    project = {"name": "inference", "scm_type": "git", "scm_url": PROJECT, "scm_branch": "main"}
    image = {"name": "inference", "image": IMAGE, "pull": "missing"}
    rows = variables("vars")["awx_data"]["teams"]
    teams = {name: {**row, "name": variables("defaults")[f"awx_team_{name}"]} for name, row in rows.items()}
    return settings(
        project=project,
        execution_environment=image,
        teams=teams,
        environments=ENVIRONMENTS[:count],
        playbooks=list(ALL_PLAYBOOKS),
        notifications=[WEBHOOK],
        controller_host=CONTROLLER,
    )


def _made(site: Site) -> Growth:
    before, writes = names(site.awx), site.awx.writes
    check = site.run("--check")
    assert check.code == 0, check.failure
    assert site.awx.writes == writes, "--check wrote"
    apply = site.run("-vvv")
    assert apply.code == 0, apply.failure
    assert not [secret for secret in (*SECRETS.values(), "the-secret-of-the-hook") if secret in apply.text]
    assert predicted(check) == names(site.awx) - before
    # The task that knows the webhook's password shows nothing.
    assert [step for step in check.steps if step != "Create notification Chat"] == apply.steps
    return _without_change(site, 1)


def _without_change(site: Site, count: int) -> Growth:
    data = {"awx_environments": ENVIRONMENTS[:count]}
    writes, requests = site.awx.writes, site.awx.requests.total()
    begin = time.monotonic()
    again = site.run(**data)
    seconds = time.monotonic() - begin
    assert (again.code, again.changed) == (0, 0), again.failure
    assert site.awx.writes == writes, "a second apply wrote"
    asked = site.awx.requests.total() - requests
    check = site.run("--check", **data)
    assert (check.code, check.changed, site.awx.writes) == (0, 0, writes)
    return Growth(count, asked, seconds, declared(again))


def test_a_project_that_is_filled_by_hand(start: SiteMaker) -> None:
    site = start(
        stand_in(),
        awx_project_scm_type="manual",
        awx_project_local_path="inference",
        awx_playbooks=["list"],
        awx_environments=[{"name": "lab", "credentials": ["database"]}],
        awx_secrets={"lab": SECRETS},
    )
    assert site.run().code == 0
    again = site.run()
    assert (again.code, again.changed) == (0, 0), again.steps
