# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy that failed is repaired by the next one, and work that Helm's own comparison misses is seen."""

from __future__ import annotations

import shutil

from tests.integration.main_path.sites import CHART, Site

KEY = {"apiKey": {"existingSecret": {"name": "vllm-key"}}}
# The API server refuses the Deployment: there is no such volume.
NO_VOLUME = {"extraVolumeMounts": [{"name": "nowhere", "mountPath": "/nowhere"}]}


def test_the_identical_command_succeeds_once_the_missing_secret_is_there(site: Site) -> None:
    model = site.model("keyed", KEY, vllm_api_key="open-sesame")
    failed = site.fail("deploy")
    assert failed.result(model, "Wait until")["reason"] == "config_missing"
    assert 'secret "vllm-key" not found' in failed.failure(model)
    assert "Nothing was registered." in failed.failure(model)
    assert site.rows() == {}

    site.call("kubectl", "create", "secret", "generic", "vllm-key", "--from-literal=api-key=open-sesame")
    site.succeed("deploy", ROUTER_URL="")  # the lab's router sends no key on
    assert site.rows() == {model: "ready"}
    assert site.releases()["keyed"]["revision"] == "1", "nothing was left for Helm to do"


def test_a_release_that_helm_failed_is_repaired(site: Site) -> None:
    """Either its values were refused, or Helm gave up on what came later: then the same values are applied again."""
    refused = site.model("refused", NO_VOLUME)
    failed = site.fail("deploy")
    assert "nowhere" in failed.failure(refused)
    assert "Nothing was registered." in failed.failure(refused)
    assert site.rows() == {}
    late = site.model("late")
    site.install(late)
    site.model("late", NO_VOLUME)
    site.install(late, check=False)
    site.call("helm", "rollback", "late", "--wait", "--timeout=1ms", check=False)
    assert {each["status"] for each in site.releases().values()} == {"failed"}

    site.model("refused")
    site.model("late")
    play = site.succeed("deploy")
    assert "its status is failed" in play.result(refused, "Compare the release")["why"]
    assert play.result(late, "Compare the release")["why"] == ["its status is failed"]
    assert {each["status"] for each in site.releases().values()} == {"deployed"}
    assert [site.ask(refused), site.ask(late)] == [200, 200]
    assert site.succeed("deploy").changed == 0


def test_a_template_changed_under_the_same_version_is_upgraded_once(site: Site) -> None:
    chart = site.folder / "chart"
    shutil.copytree(CHART, chart)
    model = site.model("templated", vllm_chart=str(chart))
    site.serve(model)

    template = next((chart / "templates").glob("service.yaml*"))
    template.write_text(template.read_text().replace("metadata:", "metadata:\n  annotations: {changed: here}", 1))
    play = site.succeed("deploy")
    assert play.result(model, "Compare the release")["why"] == ["Service templated-vllm-deployment differs"]
    assert play.changed > 0
    assert site.get("services")[0]["metadata"]["annotations"]["changed"] == "here"
    assert site.succeed("deploy").changed == 0
