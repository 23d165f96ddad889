# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model is taken back to an earlier revision, and is routed to only while it serves."""

from __future__ import annotations

import json

from tests.integration.main_path.sites import CHART, Site, server_env

# A pod that has its GPU for itself.
GPU = {"gpu": {"count": 1}, "strategy": {"surge": False}}
SOON = "vllm_ready_timeout=3"


def longest(site: Site, name: str) -> int:
    """How long a context may be that the model's server takes now."""
    (pod,) = [pod for pod in site.get("pods") if "deletionTimestamp" not in pod["metadata"]]
    found = [each for each in pod["spec"]["containers"][0]["args"] if each.startswith("--max-model-len=")]
    assert len(found) == 1, name
    return int(found[0].partition("=")[2])


def deploy(site: Site, length: int) -> str:
    model = site.model("m", {**GPU, "model": {"maxModelLen": length}})
    site.succeed("deploy")
    return model


def test_back_to_what_was_verified_last(site: Site) -> None:
    model = deploy(site, 1000)
    site.model("m", {**GPU, **server_env(LAB_VLLM_FAULT="zero-tokens"), "model": {"maxModelLen": 2000}})
    site.fail("deploy", "-e", SOON, "-e", "vllm_on_failure=leave")
    assert site.ask(model) == 404
    check = site.succeed("rollback", "--check")
    assert check.result(model, "See where")["target"] == 1
    assert (longest(site, model), site.ask(model)) == (2000, 404)
    play = site.succeed("rollback")
    assert play.result(model, "Take the release back")["target"] == 1
    assert (longest(site, model), site.ask(model)) == (1000, 200)
    assert site.history(model) == ["ready", "deploying", "ready"]
    assert site.succeed("rollback").changed == 0


def test_back_to_the_revision_before_and_to_a_number(site: Site) -> None:
    model = deploy(site, 1000)
    deploy(site, 2000)
    assert longest(site, model) == 2000
    site.succeed("rollback", "-e", "vllm_rollback_to=previous")
    assert (longest(site, model), site.ask(model)) == (1000, 200)
    assert site.history(model) == ["ready", "deploying", "ready", "deploying", "ready"]
    site.succeed("rollback", "-e", "vllm_rollback_to=2")
    assert (longest(site, model), site.ask(model)) == (2000, 200)
    assert site.succeed("rollback").changed == 0, "what was gone back to is verified itself"


def test_back_to_what_helm_has_forgotten(site: Site) -> None:
    model = deploy(site, 1000)
    folder = site.values / "values-m.yaml"
    for length in range(2000, 2003):
        flags = ["--values", str(folder), "--set", f"model.maxModelLen={length}", "--history-max", "2"]
        environment = ["--values", str(site.values / "values-development.yaml")]
        site.call("helm", "upgrade", "m", str(CHART), *flags, *environment)
    known = json.loads(site.call("helm", "history", "m", "--output", "json"))
    assert 1 not in [each["revision"] for each in known]
    play = site.succeed("rollback")
    assert play.result(model, "Take the release back")["restored"]
    assert (longest(site, model), site.ask(model)) == (1000, 200)


def test_a_rollback_that_leads_nowhere_changes_nothing(site: Site) -> None:
    model = site.model("m", GPU)
    site.serve(model)
    play = site.fail("rollback")
    assert "There is no revision verified to go back to: the history holds 1 (deployed)" in play.failure(model)
    assert "Nothing was changed" in play.failure(model)
    assert (site.rows(), site.ask(model)) == ({model: "ready"}, 200)


def test_what_a_person_disabled_stays_so(site: Site) -> None:
    model = deploy(site, 1000)
    deploy(site, 2000)
    site.person_disables = True
    site.succeed("disable")
    site.succeed("rollback", "-e", "vllm_rollback_to=previous")
    assert (longest(site, model), site.rows(), site.ask(model)) == (1000, {model: "disabled"}, 404)


def test_a_model_that_does_not_serve_though_it_is_what_was_verified(site: Site) -> None:
    model = deploy(site, 1000)
    site.call("kubectl", "scale", "deployment", "m-vllm-deployment", "--replicas=0")
    play = site.fail("rollback")
    assert play.result(model, "Wait until")["reason"] == "scaled_to_zero"
    assert (site.rows(), site.ask(model)) == ({model: "degraded"}, 404)
    assert "set to degraded" in play.failure(model)
