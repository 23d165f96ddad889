# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients meet while a model is replaced."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from tests.integration.main_path.client import requesting
from tests.integration.main_path.sites import Json, Site, merged, server_env

GPU: Json = {"gpu": {"count": 1}}
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
    model = site.model("one", merged(GPU, server_env(**BUSY)))
    site.serve(model)
    (before,) = site.get("pods")
    site.model("one", changed(GPU))
    with requesting(site, model) as client:
        play = site.succeed("deploy")
    assert set(client.statuses) == {200, 404}
    began, ended = (at for status, at in site.moments(model)[1:])
    denied = [each.at for each in client.requests if each.status == 404]
    assert began < min(denied)
    assert (max(denied) - ended).total_seconds() < 2
    assert play.result(model, "See that the router denies")["route"] == "denied"
    assert play.result(model, "Let the requests")["idle"] is True
    (after,) = site.get("pods")
    assert before["metadata"]["uid"] != after["metadata"]["uid"]
    assert datetime.fromisoformat(after["metadata"]["creationTimestamp"]) >= began.replace(microsecond=0)


def test_a_request_that_does_not_end_holds_up_nothing_for_ever(site: Site) -> None:
    slow = merged(GPU, server_env(LAB_VLLM_TOKEN_SECONDS="30"))
    model = site.model("one", slow)
    site.install(model)
    site.wait_available(model)
    site.register(model)
    site.model("one", changed(GPU))
    with ThreadPoolExecutor() as pool:
        pool.submit(site.ask, model)
        play = site.succeed("deploy", "-e", "vllm_drain_timeout=1")
    found = play.result(model, "Let the requests")
    assert (found["idle"], found["requests"]) == (False, 1)
    assert "is not idle after" in found["warnings"][0]
    assert site.rows() == {model: "ready"}
