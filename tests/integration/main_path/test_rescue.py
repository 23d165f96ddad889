# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever fails, no entry stays ready whose workload does not serve, and none that serves stays drained."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.main_path.sites import Site, server_env

# A pod that has its GPU for itself.
GPU = {"gpu": {"count": 1}, "strategy": {"surge": False}}
SOON = "vllm_ready_timeout=3"


def test_an_entry_whose_workload_no_longer_serves_is_withdrawn(site: Site) -> None:
    """Nothing is to be deployed, and yet something is wrong."""
    shorts: dict[str, Any] = {
        "deleted": {},
        "scaled": {},
        "failing": server_env(LAB_VLLM_FAULT="error-500"),
        "well": {},
    }
    models = {short: site.model(short, values) for short, values in shorts.items()}
    site.serve(*models.values())
    site.call("kubectl", "delete", "deployment", "deleted-vllm-deployment")
    site.call("kubectl", "scale", "deployment", "scaled-vllm-deployment", "--replicas=0")
    play = site.fail("deploy", "-e", SOON)
    assert site.rows() == {model: "ready" if short == "well" else "degraded" for short, model in models.items()}
    for short, model in models.items():
        assert site.ask(model) == (200 if short == "well" else 404)
    assert play.result(models["deleted"], "Wait until")["reason"] == "not_found"
    assert play.result(models["scaled"], "Wait until")["reason"] == "scaled_to_zero"
    assert play.result(models["failing"], "Wait until")["reason"] == "server_error"
    assert "set to degraded" in play.failure(models["failing"])


def test_an_entry_whose_release_is_gone_is_not_ready_while_it_is_installed(site: Site) -> None:
    model = site.model("gone", server_env(LAB_VLLM_FAULT="bad-model-path"))
    site.call("kubectl", "create", "namespace", site.name)
    site.register(model)
    play = site.fail("deploy", "-e", SOON)
    assert play.result(model, "Compare the release")["why"] == ["there is no such release"]
    assert site.history(model) == ["ready", "deploying"]
    assert site.ask(model) == 404
    assert "stays deploying" in play.failure(model)


def test_an_upgrade_that_fails_is_taken_back_and_routed_again(site: Site) -> None:
    """With a GPU the old pod ends first; without, it serves on beside the new one."""
    values = {"alone": GPU, "beside": {}}
    models = [site.model(short, each) for short, each in values.items()]
    site.serve(*models)
    for short, each in values.items():
        site.model(short, {**each, **server_env(LAB_VLLM_FAULT="bad-model-path")})
    play = site.fail("deploy", "-e", SOON)
    for model, short in zip(models, values, strict=True):
        assert site.history(model) == (["ready", "deploying", "ready"] if short == "alone" else ["ready"])
        assert site.ask(model) == 200
        told = play.failure(model)
        assert "reason model_not_found" in told
        assert "taken back to what revision 1 was" in told
        assert "serves and is routed to again." in told
    for name, release in site.releases().items():
        assert (release["status"], release["revision"]) == ("deployed", "3"), name

    for short, each in values.items():
        site.model(short, each)
    assert site.succeed("deploy").changed == 2 * len(models), "the revision is recorded as verified, nothing else"
    assert site.succeed("deploy").changed == 0


@pytest.mark.parametrize("fault", ["bad-model-path", "error-500"])
def test_an_upgrade_beside_the_old_pod_that_is_left_as_it_is(site: Site, fault: str) -> None:
    """Whether the new pod takes the place of the old one is Kubernetes' choice, by its probes."""
    model = site.model("beside")
    site.serve(model)
    site.model("beside", server_env(LAB_VLLM_FAULT=fault))
    play = site.fail("deploy", "-e", SOON, "-e", "vllm_on_failure=leave")
    serves = fault == "bad-model-path"
    assert site.rows() == {model: "ready" if serves else "degraded"}
    assert site.ask(model) == (200 if serves else 404)
    assert ("The router still serves the model" if serves else "set to degraded") in play.failure(model)


def test_an_upgrade_that_fails_can_be_left_as_it_is(site: Site) -> None:
    model = site.model("left", GPU)
    site.serve(model)
    site.model("left", {**GPU, **server_env(LAB_VLLM_FAULT="bad-model-path")})
    play = site.fail("deploy", "-e", SOON, "-e", "vllm_on_failure=leave")
    assert site.history(model) == ["ready", "deploying"]
    assert site.ask(model) == 404
    assert "stays deploying, out of routing, until a deploy or a rollback succeeds" in play.failure(model)

    site.model("left", GPU)
    site.succeed("deploy")
    assert site.history(model) == ["ready", "deploying", "ready"]
    assert site.ask(model) == 200


@pytest.mark.parametrize("choice", ["leave", "remove"])
def test_a_first_installation_that_fails(choice: str, site: Site) -> None:
    model = site.model("first", server_env(LAB_VLLM_FAULT="bad-model-path"))
    play = site.fail("deploy", "-e", SOON, "-e", f"vllm_on_first_failure={choice}")
    assert "reason model_not_found" in play.failure(model)
    assert ("The installation was removed" in play.failure(model)) == (choice == "remove")
    assert list(site.releases()) == (["first"] if choice == "leave" else [])
    assert site.rows() == {}


def test_an_upgrade_that_fails_and_cannot_be_taken_back(site: Site) -> None:
    """The revision before was not deployed well either, and none was ever verified."""
    model = site.model("lost", GPU)
    site.install(model)
    site.model("lost", {**GPU, "extraVolumeMounts": [{"name": "nowhere", "mountPath": "/nowhere"}]})
    site.install(model, check=False)
    assert site.releases()["lost"]["status"] == "failed"
    site.model("lost", {**GPU, **server_env(LAB_VLLM_FAULT="bad-model-path")})
    play = site.fail("deploy", "-e", SOON)
    assert "It could not be taken back: There is no revision verified to go back to" in play.failure(model)
    assert site.rows() == {}


def test_an_upgrade_that_helm_refuses_leaves_the_model_routed(site: Site) -> None:
    model = site.model("kept", GPU)
    site.serve(model)
    (before,) = site.get("pods")
    site.model("kept", {**GPU, "extraVolumeMounts": [{"name": "nowhere", "mountPath": "/nowhere"}]})
    play = site.fail("deploy")
    assert "nowhere" in play.failure(model)
    assert "serves and is routed to again" in play.failure(model)
    assert site.history(model) == ["ready", "deploying", "ready"]
    assert site.ask(model) == 200
    (after,) = site.get("pods")
    assert before["metadata"]["uid"] == after["metadata"]["uid"]


def test_a_key_that_the_server_does_not_take_proves_nothing_against_it(site: Site) -> None:
    model = site.model("locked", {"apiKey": {"existingSecret": {"name": "vllm-key"}}}, vllm_api_key="wrong")
    site.call("kubectl", "create", "namespace", site.name)
    site.call("kubectl", "create", "secret", "generic", "vllm-key", "--from-literal=api-key=right")
    site.serve(model)
    play = site.fail("deploy")
    assert play.result(model, "Wait until")["reason"] == "unauthorised"
    assert site.rows() == {model: "ready"}


def test_a_route_that_is_not_seen_is_told_and_leaves_the_model_registered(site: Site) -> None:
    model = site.model("one")
    site.serve(model)
    elsewhere = site.lab.router_url("staging")
    play = site.fail("deploy", "-e", "environment_route_timeout=1", ROUTER_URL=elsewhere)
    assert play.result(model, "Ask the router")["reason"] == "denied"
    assert "only its record, its registration or its route is missing" in play.failure(model)
    assert site.rows() == {model: "ready"}
