# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Production from a workflow of AWX: evidence, an approval by somebody else, then what was shown; by ansible-runner."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.awx.workflow_run import Answers
from tests.integration.main_path.sites import Json, Site, run, server_env

THIN = Path(__file__).parents[3] / "extensions" / "awx-project" / "playbooks"
TOKEN = "a-token-that-may-read"
# What AWX gives to each job.
GIVEN = {"awx_workflow_job_id": 7, "awx_job_id": 13, "awx_user_name": "alice", "awx_job_template_name": "job"}
REASON = "release 1.2 was reviewed"


@dataclass
class Job:
    """How a job ended. `artifacts` is what it hands to later nodes, `shown` all that AWX shows of it."""

    code: int
    artifacts: Json = field(repr=False)
    shown: str = field(repr=False)


@dataclass
class Jobs:
    """Runs jobs as AWX does: ansible-runner, with what credentials inject and the survey's answers."""

    site: Site
    controller: Answers
    count: int = 0

    def run(self, playbook: str, model: str) -> Job:
        self.count += 1
        folder = self.site.folder / f"job-{self.count}"
        (folder / "env").mkdir(parents=True)
        (folder / "project").symlink_to(THIN)
        answers = {"vllm_model": model, "reason": REASON}
        (folder / "env" / "extravars").write_text(json.dumps({**GIVEN, **answers}))
        (folder / "env" / "envvars").write_text(json.dumps(self._injected()))
        program = str(Path(sys.executable).with_name("ansible-runner"))
        words = [program, "run", str(folder), "-p", f"{playbook}.yml", "-i", "id"]
        ended = run([*words, "--inventory", str(self.site.inventory)], self.site.env, self.site.folder)
        files = sorted((folder / "artifacts" / "id" / "job_events").glob("*.json"))
        events = [json.loads(file.read_text()) for file in files]
        handed = [each["event_data"].get("artifact_data", {}) for each in events if "event_data" in each]
        shown = (folder / "artifacts" / "id" / "stdout").read_text() + json.dumps(events)
        return Job(ended.returncode, handed[-1], shown)

    def _injected(self) -> dict[str, str]:
        names = ("DATABASE_URL", "REDIS_URL", "KUBECONFIG", "ROUTER_URL", "PATH", "XDG_STATE_HOME")
        asked = {"CONTROLLER_HOST": self.controller.url, "CONTROLLER_OAUTH_TOKEN": TOKEN}
        return {**{name: self.site.env[name] for name in names}, **asked}


@pytest.fixture
def jobs(site: Site) -> Iterator[Jobs]:
    controller = Answers()
    try:
        site.environment = "production"
        yield Jobs(site, controller)
    finally:
        controller.close()


def flat(text: str) -> str:
    """Messages as they read, however they are wrapped."""
    return " ".join(text.split())


def test_what_was_shown_is_deployed_once_somebody_else_has_approved_it(jobs: Jobs) -> None:
    site, controller = jobs.site, jobs.controller
    model = site.model("one")
    evidence = jobs.run("evidence", model)
    assert evidence.code == 0, evidence.shown
    assert site.releases() == {}
    assert site.rows() == {}
    assert evidence.artifacts.keys() == {"inference_evidence"}
    assert f"install release one in namespace {site.name}" in evidence.shown
    assert REASON in evidence.shown

    now = datetime.now(UTC)
    controller.show(evidence.artifacts, now - timedelta(minutes=2))
    controller.approve(now - timedelta(minutes=1), 1, "alice")
    refused = jobs.run("deploy", model)
    assert refused.code == 2
    assert "alice has launched the workflow and approved it" in flat(refused.shown)
    assert site.rows() == {}

    controller.approve(now - timedelta(minutes=1))
    deployed = jobs.run("deploy", model)
    assert deployed.code == 0, deployed.shown
    assert site.rows() == {model: "ready"}
    (last,) = site.execute(
        "SELECT actor, reason, job FROM model_registry_history WHERE model_name = %s ORDER BY id DESC LIMIT 1", model
    )
    assert (last["actor"], last["reason"]) == ("alice", REASON)
    assert last["job"].items() >= {"approved_how": "workflow", "approved_by": "bob", "awx_workflow_job_id": 7}.items()
    assert controller.tokens == {f"Bearer {TOKEN}"}

    site.model("one", server_env(LAB_NOTHING="1"))
    changed = jobs.run("deploy", model)
    assert "is not what was approved" in flat(changed.shown)
    assert site.releases()["one"]["revision"] == "1"
    password = site.env["DATABASE_URL"].split(":")[2].split("@")[0]
    for job in (evidence, refused, deployed, changed):
        assert TOKEN not in job.shown
        assert password not in job.shown


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"vllm_model": "nothing-like-it"}, "The inventory has no model nothing-like-it"),
        ({"vllm_model": "all"}, "The inventory has no model all"),
        ({"environment": "staging"}, "environment cannot be set for one run"),
        ({"environment_name": "staging"}, "environment_name cannot be set for one run"),
        ({"environment_approval": "none"}, "environment_approval cannot be set for one run"),
    ],
)
def test_the_inventory_alone_says_what_there_is(site: Site, variables: dict[str, Any], told: str) -> None:
    site.model("one")
    assert told in site.fail("list", "-e", json.dumps(variables)).failure("localhost")


@pytest.mark.parametrize("verb", ["evidence", "disable"])
def test_a_limit_is_no_way_around_that(site: Site, verb: str) -> None:
    site.environment = "production"
    model = site.model("one")
    told = site.fail(verb, "--limit", model, "-e", "environment_approval=none").failure(model)
    assert "environment_approval cannot be set for one run" in told


def test_in_production_it_takes_a_reason_to_disable_and_no_second_person(site: Site) -> None:
    site.person_disables, site.environment = True, "production"
    model = site.model("one")
    site.register(model)
    assert "this would register whatever runs" in site.fail("register").failure(model)
    assert "No reason is given" in site.fail("disable").failure(model)
    assert site.rows() == {model: "ready"}
    site.fail("disable", "-e", "reason=short")
    site.succeed("disable", "-e", f"reason='{REASON}'", ROUTER_URL="")
    assert site.rows() == {model: "disabled"}
