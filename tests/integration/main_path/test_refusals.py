# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be deployed says why, early, and nothing of it is registered."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.integration.main_path.sites import CHART, LOCAL, Play, Site
from tests.lab.process import free_ports

# Llama 3.1 8B on one L4.
PROFILE = yaml.safe_load((CHART / "profile-llama-3.1-8b.yaml").read_text(encoding="utf-8"))
CAUSES = {
    "misnamed": r"The values do not serve the model under the name elsewhere: model.servedNames is \S+-misnamed\.",
    "layerless": r"No values file values-nothing.yaml or values-development.yaml in \S+/values or \S+. "
    r"Set vllm_values_name",
    "nameless": r"do not serve the model under the name \S+-nameless",
    "mistyped": r"Helm refuses to deploy release mistyped .*modle.* Nothing was changed",
    "portless": r"Invalid endpoint format: gpt-oss-20b: Endpoint must include port .* Nothing was changed",
    "huge": r"The model cannot start\. There is room for 0 of 1 pods, .* 16 nvidia\.com/gpu\. .*"
    r"gpu-node-1: nvidia\.com/gpu \d free of 2.* set vllm_check_capacity=false.* Nothing was changed",
    "hopeful": r"reason unschedulable: .* it requests nvidia.com/gpu: 16, and no node of \d has more than 2 of it\."
    r".* Nothing was registered",
    "oversized": r"Model \S+-oversized does not fit its GPU\. The model takes an estimated \S+ GiB of each GPU: "
    r"weights 14\.96, KV cache of one sequence of 100000 tokens 12\.21, .* set model\.maxModelLen to \d+ or less, ",
    "homeless": r"environment_name is not set\. Set it for the hosts of an environment: development, staging or",
}


@dataclass(frozen=True)
class Outcome:
    site: Site
    play: Play
    good: str

    def host(self, short: str) -> str:
        return f"{self.site.name}-{short}"


@pytest.fixture(scope="module")
def outcome(shared_site: Site) -> Outcome:
    """One deploy of models that each have a mistake of their own, and of one that has none."""
    site = shared_site
    site.model("misnamed", vllm_served_name="elsewhere")
    site.model("layerless", vllm_values_name="nothing")
    site.model("nameless", {"model": None})
    site.model("mistyped", {"modle": {"name": "x"}})
    site.model("portless", vllm_endpoint="gpt-oss-20b")
    site.model("huge", {"gpu": {"count": 16}})
    site.model("hopeful", {"gpu": {"count": 16}}, vllm_check_capacity=False)
    site.model("oversized", {"gpu": {"count": 1}, "model": {"maxModelLen": 100000}}, vllm_model_profile=PROFILE)
    homeless = site.model("homeless")
    good = site.model("good")
    groups: dict[str, dict[str, Any]] = {
        "development": {"hosts": {name: host for name, host in site.hosts.items() if name != homeless}},
        "somewhere": {"hosts": {homeless: {**site.hosts[homeless], **LOCAL}}},
    }
    groups["development"]["vars"] = {"environment_name": "development", **LOCAL}
    site.inventory.write_text(yaml.safe_dump(groups))
    return Outcome(site, site.fail("deploy"), good)


@pytest.mark.parametrize("short", CAUSES)
def test_a_mistake_is_told(outcome: Outcome, short: str) -> None:
    assert outcome.play.stats(outcome.host(short))["failures"] == 1
    assert re.search(CAUSES[short], outcome.play.failure(outcome.host(short))), outcome.play.explain()


def test_only_what_is_right_is_deployed_and_registered(outcome: Outcome) -> None:
    """One model's mistake does not keep another from being served."""
    assert outcome.site.rows() == {outcome.good: "ready"}
    assert set(outcome.site.releases()) == {"good", "hopeful"}, "room that is not looked for is known by being deployed"
    assert outcome.site.ask(outcome.good) == 200


def test_what_never_fits_is_told_at_once(outcome: Outcome) -> None:
    waited = outcome.play.result(outcome.host("hopeful"), "Wait until")
    assert waited["seconds"] < 20
    assert not waited["ready"]


def test_a_name_that_the_server_does_not_serve(outcome: Outcome) -> None:
    play = outcome.site.fail("verify", "--limit", outcome.good, "-e", "vllm_served_name=other")
    result = play.result(outcome.good, "Wait until")
    assert (result["reason"], result["served_models"]) == ("wrong_name", [outcome.good])
    assert f"It serves: {outcome.good}" in result["msg"]


def test_an_unreachable_database_is_told_first_and_its_password_never(site: Site) -> None:
    model = site.model("stored", registry_database_url="{{ database_of_the_group }}")
    port = free_ports(["postgres"])["postgres"]
    url = f"postgresql://registry:s3cr3t-w0rd@127.0.0.1:{port}/model_registry"
    variables = site.folder / "vars.json"
    variables.write_text(json.dumps({"database_of_the_group": url}))
    command = ["ansible-playbook", "ai_aas.inference.deploy", "-i", str(site.inventory), "-e", f"@{variables}", "-vvvv"]
    # As ansible-core before 2.20 does: a module's arguments are shown with its result.
    ended = site.ansible(*command, ANSIBLE_INJECT_INVOCATION="1")
    assert '"module_args"' in ended.stdout
    assert ended.returncode == 2
    assert f"Failed to connect to database: 127.0.0.1:{port}/model_registry: connection refused" in ended.stdout
    assert "s3cr3t-w0rd" not in ended.stdout + ended.stderr
    assert site.releases() == {}
    assert model in ended.stdout


def test_an_unreachable_cluster_is_told(site: Site) -> None:
    model = site.model("lost")
    kubeconfig = yaml.safe_load(site.lab.kubeconfig.read_text())
    server = kubeconfig["clusters"][0]["cluster"]
    port = free_ports(["api"])["api"]
    server["server"] = urlsplit(server["server"])._replace(netloc=f"127.0.0.1:{port}").geturl()
    other = site.folder / "kubeconfig"
    other.write_text(yaml.safe_dump(kubeconfig))
    play = site.fail("deploy", KUBECONFIG=str(other))
    assert "Release lost in namespace" in play.failure(model)
    assert "refused" in play.failure(model)
    assert "Check that the kubeconfig names a cluster that answers" in play.failure(model)
    assert site.rows() == {}
