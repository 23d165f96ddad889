# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many models in one run: those that are right are left alone, and one that fails is in nobody's way."""

from __future__ import annotations

from tests.integration.main_path.sites import Play, Site, server_env

MOST_TASKS = 3


def tasks(play: Play, host: str) -> list[str]:
    """What was done of a host, but for what is done once for all of them."""
    once = ("Compare all sides of the models", "Show which models were right")
    return [name for name, _unused in play.results(host) if not any(each in name for each in once)]


def test_only_models_that_differ_are_deployed_and_one_that_fails_is_in_nobodys_way(site: Site) -> None:
    right, changed = site.model("right"), site.model("changed")
    site.succeed("deploy")
    broken = site.model("broken", server_env(LAB_VLLM_FAULT="crash"), vllm_ready_timeout=30)
    lost = site.model("lost", vllm_values_name="nothing")
    site.model("changed", server_env(LAB_NOTHING="1"))
    play = site.fail("deploy")
    summary = play.result(min(right, changed), "Show which models were right")["msg"]
    assert summary == {"right": [right], "deployed": [changed], "failed": [broken, lost]}
    assert len(tasks(play, right)) <= MOST_TASKS, tasks(play, right)
    assert play.result(changed, "Compare the release")["operation"] == "upgrade"
    assert "No values file values-nothing.yaml" in play.failure(lost)
    assert play.stats(right)["changed"] == 0
    assert site.rows() == {right: "ready", changed: "ready"}

    again = site.succeed("deploy", "--limit", f"{right},{changed}")
    assert (again.changed, again.code) == (0, 0)
    for model in (right, changed):
        assert len(tasks(again, model)) <= MOST_TASKS, tasks(again, model)


def test_a_limit_deploys_one_model_of_many(site: Site) -> None:
    one, other = site.model("one"), site.model("other")
    site.succeed("deploy", "--limit", one)
    assert site.rows() == {one: "ready"}
    site.succeed("deploy", "--extra-vars", f"vllm_model={other}")
    assert site.rows() == {one: "ready", other: "ready"}
