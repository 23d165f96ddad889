# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator does with a model that is deployed: disable, enable, list, register, deregister, verify."""

from __future__ import annotations

import json

from tests.integration.main_path.sites import Site, server_env


def test_what_a_person_disables_stays_disabled_until_a_person_enables_it(site: Site) -> None:
    site.person_disables = True
    model = site.model("one")
    site.serve(model)
    assert site.ask(model) == 200
    play = site.succeed("disable")
    assert play.result(model, "Ask the router")["route"] == "denied"
    assert (site.rows(), site.ask(model)) == ({model: "disabled"}, 404)
    assert site.succeed("disable").changed == 0

    site.model("one", server_env(LAB_VLLM_TOKEN_SECONDS="0.001"))
    play = site.succeed("deploy")
    assert play.result(model, "Ask the router")["route"] == "denied"
    assert site.history(model) == ["ready", "disabled"]
    assert site.ask(model) == 404
    assert site.releases()["one"]["revision"] == "2", "what is disabled is deployed all the same"

    play = site.succeed("enable")
    assert play.result(model, "Ask the router")["route"] == "served"
    assert (site.rows(), site.ask(model)) == ({model: "ready"}, 200)


def test_only_what_generates_is_enabled(site: Site) -> None:
    site.person_disables = True
    broken = site.model("broken", server_env(LAB_VLLM_FAULT="error-500"))
    gone = site.model("gone")
    site.serve(broken, status="disabled")
    site.register(gone, "disabled")
    play = site.fail("enable", "-e", "vllm_ready_timeout=2")
    assert play.result(broken, "Wait until")["reason"] == "server_error"
    assert play.result(gone, "Wait until")["reason"] == "not_found"
    assert site.rows() == {broken: "disabled", gone: "disabled"}


def test_a_served_model_is_registered_listed_and_deregistered(site: Site) -> None:
    site.person_disables = True
    served, gone = site.model("served"), site.model("gone")
    site.install(served)
    site.wait_available(served)
    assert site.ask(served) == 404
    site.fail("register")
    assert site.rows() == {served: "ready"}
    assert site.ask(served) == 200

    listed = site.ansible("ansible-playbook", "ai_aas.inference.list", "-i", str(site.inventory), ANSIBLE_NOCOLOR="1")
    assert listed.returncode == 0, listed.stdout
    heading = next(line for line in listed.stdout.splitlines() if "Model Name" in line)
    row = next(line for line in listed.stdout.splitlines() if served in line and "|" in line)
    cells = dict(zip(*([cell.strip(' ",') for cell in line.split("|")] for line in (heading, row)), strict=True))
    assert cells.items() >= {"Status": "ready", "Environment": "development", "Endpoint": site.endpoint(served)}.items()

    play = site.succeed("deregister")
    assert play.changed == 1, "only one of them is there"
    assert (site.rows(), site.ask(served)) == ({served: "disabled"}, 404)
    assert site.history(gone) == []


def test_without_a_router_the_route_is_skipped_and_the_result_says_so(site: Site) -> None:
    model = site.model("unrouted")
    site.serve(model)
    play = site.succeed("verify", ROUTER_URL="")
    result = play.result(model, "Ask the router")
    assert result["skipped"]
    assert "the route was not verified" in result["msg"]


def test_the_history_says_who_disabled_a_model_and_why(site: Site) -> None:
    """As AWX hands it to a job, and as a person says it."""
    site.person_disables = True
    model = site.model("blamed")
    site.register(model)
    given = {"awx_user_name": "alice", "awx_job_id": 12, "awx_workflow_job_id": 7, "reason": "incident 1234"}
    site.succeed("disable", "-e", json.dumps(given), ROUTER_URL="")
    (last,) = site.execute(
        "SELECT operation, actor, reason, job, after FROM model_registry_history WHERE model_name = %s "
        "ORDER BY id DESC LIMIT 1",
        model,
    )
    assert last.pop("after")["deployment_status"] == "disabled"
    job = {"awx_job_id": 12, "awx_workflow_job_id": 7}
    assert last == {"operation": "update", "actor": "alice", "reason": "incident 1234", "job": job}
