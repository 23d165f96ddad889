# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients meet while a model is replaced."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from tests.integration.main_path.client import requesting
from tests.integration.main_path.sites import CHART, Json, Site, merged, server_env

GPU: Json = {"gpu": {"count": 1}}
ALONE: Json = {**GPU, "strategy": {"surge": False}}
SURGE: Json = {**GPU, "strategy": {"surge": True}}
# Such that requests are always under way.
BUSY = {"LAB_VLLM_TOKEN_SECONDS": "0.2"}
# The chart's own drain, which is what lets a pod's requests end when Kubernetes replaces it by itself.
DRAIN: Json = {"drain": {"preStopSleepSeconds": 2, "requestsSeconds": 20}}


def changed(values: Json) -> Json:
    return merged(values, server_env(LAB_NOTHING="1", **BUSY))


@pytest.mark.parametrize("values", [SURGE, {**GPU, "replicas": 2}], ids=["surge", "replicas"])
def test_with_a_pod_that_serves_at_each_moment_no_request_fails(site: Site, values: Json) -> None:
    site.write("values-development.yaml", DRAIN)
    model = site.model("one", merged(values, server_env(**BUSY)))
    site.serve(model)
    site.model("one", changed(values))
    with requesting(site, model) as client:
        play = site.succeed("deploy")
    assert play.result(model, "Compare the release")["operation"] == "upgrade"
    assert set(client.statuses) == {200}
    assert site.history(model) == ["ready"]
    assert site.succeed("deploy").changed == 0


def test_alone_on_its_gpu_only_the_announced_window_is_denied(site: Site) -> None:
    model = site.model("one", merged(ALONE, server_env(**BUSY)))
    site.serve(model)
    (before,) = site.get("pods")
    site.model("one", changed(ALONE))
    with requesting(site, model) as client:
        play = site.succeed("deploy")
    assert set(client.statuses) == {200, 404}
    began, ended = (at for status, at in site.moments(model)[1:])
    denied = [each for each in client.requests if each.status == 404]
    # One that was sent before may have reached the router after.
    assert began < min(each.until for each in denied)
    assert (max(each.at for each in denied) - ended).total_seconds() < 2
    routes = [result["route"] for task, result in play.results(model) if "Ask the router" in task]
    assert routes == ["denied", "served"]
    assert play.result(model, "Let the requests")["idle"] is True
    (after,) = site.get("pods")
    assert before["metadata"]["uid"] != after["metadata"]["uid"]
    assert datetime.fromisoformat(after["metadata"]["creationTimestamp"]) >= began.replace(microsecond=0)


def test_a_request_that_does_not_end_holds_up_nothing_for_ever(site: Site) -> None:
    slow = merged(ALONE, server_env(LAB_VLLM_TOKEN_SECONDS="90"))
    model = site.model("one", slow)
    site.install(model)
    site.wait_available(model)
    site.register(model)
    site.model("one", changed(ALONE))
    with ThreadPoolExecutor() as pool:
        pool.submit(site.ask, model, 120)
        play = site.succeed("deploy", "-e", "vllm_drain_timeout=1")
    found = play.result(model, "Let the requests")
    assert (found["idle"], found["requests"]) == (False, 1)
    assert "is not idle after" in found["warnings"][0]
    assert site.rows() == {model: "ready"}


def test_with_room_for_another_pod_it_surges_by_itself(site: Site) -> None:
    site.write("values-development.yaml", DRAIN)
    model = site.model("one", GPU)
    assert site.succeed("deploy").result(model, "fit beside")["decision"] == "install"
    site.model("one", changed(GPU))
    play = site.succeed("deploy")
    assert play.result(model, "fit beside")["decision"] == "surge"
    assert site.history(model) == ["ready"]
    for flags in ((), ("--check",)):
        assert site.succeed("deploy", *flags).changed == 0


def test_without_room_it_is_replaced_in_a_drain(site: Site) -> None:
    """One that surged before, which nobody wrote into its values."""
    quota = ["quota", "gpus", "--hard=requests.nvidia.com/gpu=1"]
    model = site.model("one", GPU)
    site.succeed("deploy")
    site.call("helm", "upgrade", "one", str(CHART), "--reuse-values", "--set", "strategy.surge=true")
    site.call("kubectl", "create", *quota)
    site.model("one", changed(GPU))
    play = site.succeed("deploy")
    found = play.result(model, "fit beside")
    assert (found["decision"], found["fits_beside"]) == ("recreate", 0)
    assert "quota gpus: requests.nvidia.com/gpu 0 left of 1" in found["msg"]
    assert site.history(model)[-2:] == ["deploying", "ready"]
    assert site.succeed("deploy").changed == 0


@pytest.mark.parametrize(
    "values", [{"gpu": {"count": 3}}, {"gpu": {"count": 2}, "replicas": 3}], ids=["gpus", "replicas"]
)
def test_without_room_at_all_it_is_refused_in_numbers(site: Site, values: Json) -> None:
    model = site.model("one", values)
    told = site.fail("deploy").failure(model)
    assert "The model cannot start. There is room for" in told
    assert "gpu-node-0: nvidia.com/gpu" in told
    assert "Nothing was changed" in told
    assert site.releases() == {}


def test_a_surge_that_the_values_want_and_that_has_no_room_is_refused(site: Site) -> None:
    model = site.model("one", SURGE)
    site.succeed("deploy")
    site.call("kubectl", "create", "quota", "gpus", "--hard=requests.nvidia.com/gpu=1")
    site.model("one", changed(SURGE))
    told = site.fail("deploy").failure(model)
    assert "there is no room for it" in told
    assert "quota gpus" in told
    assert site.history(model) == ["ready"]
