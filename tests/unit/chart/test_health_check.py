# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CronJob that checks the model's health."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.chart.network import Peer, allows
from tests.unit.chart.rendering import MINIMAL, ChartError, Helm, Manifest, merge, rendered
from tests.unit.chart.test_network_policy import SERVER

HEALTH: dict[str, Any] = {
    "healthCheck": {
        "enabled": True,
        "image": "registry.example.com/inference-ee:1.2.3",
        "environment": "staging",
        "database": {"existingSecret": {"name": "registry"}},
    }
}


def cronjob(helm: Helm, **more: Any) -> Manifest:
    """The CronJob for these values below `healthCheck`."""
    return helm.template(merge(merge(MINIMAL, HEALTH), {"healthCheck": more})).one("CronJob")


def container(job: Manifest) -> Manifest:
    (found,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    known: Manifest = found
    return known


def options(job: Manifest) -> Any:
    """What the module is told."""
    program, host, module, arguments = container(job)["command"]
    assert (program, host) == ("ansible", "localhost")
    assert module == "--module-name=ai_aas.inference.model_registry_health"
    return json.loads(arguments.removeprefix("--args="))


def test_none_unless_asked_for(helm: Helm) -> None:
    assert helm.template().all("CronJob") == []


def test_it_checks_the_release_s_own_model(helm: Helm) -> None:
    told = options(cronjob(helm))
    assert told == {"environment": "staging", "interval": 60, "models": MINIMAL["model"]["servedNames"][:1]}


def test_all_models_and_further_options(helm: Helm) -> None:
    more = {"failures": 3, "control": "http://router.router:8080/healthz"}
    told = options(cronjob(helm, allModels=True, intervalSeconds=120, options=more))
    assert told == {"environment": "staging", "interval": 120, **more}


def test_never_two_at_once_nor_for_ever(helm: Helm) -> None:
    spec = cronjob(helm, schedule="*/2 * * * *", intervalSeconds=120, timeoutSeconds=90)["spec"]
    assert (spec["schedule"], spec["concurrencyPolicy"], spec["startingDeadlineSeconds"]) == (
        "*/2 * * * *",
        "Forbid",
        120,
    )
    job = spec["jobTemplate"]["spec"]
    assert (job["backoffLimit"], job["activeDeadlineSeconds"]) == (0, 90)


def test_secrets_are_given_by_reference(helm: Helm) -> None:
    values = merge(merge(MINIMAL, HEALTH), {"apiKey": {"existingSecret": {"name": "held"}}})
    values = merge(values, {"healthCheck": {"cache": {"existingSecret": {"name": "cache"}}}})
    variables = {each["name"]: each for each in container(helm.template(values).one("CronJob"))["env"]}
    references = {name: each["valueFrom"]["secretKeyRef"] for name, each in variables.items() if "valueFrom" in each}
    assert references == {
        "DATABASE_URL": {"name": "registry", "key": "DATABASE_URL"},
        "REDIS_URL": {"name": "cache", "key": "REDIS_URL"},
        "VLLM_API_KEY": {"name": "held", "key": "api-key"},
    }
    assert "REDIS_URL" not in {each["name"] for each in container(cronjob(helm))["env"]}


def test_it_is_no_pod_that_serves_and_holds_no_token(helm: Helm) -> None:
    template = cronjob(helm)["spec"]["jobTemplate"]["spec"]["template"]
    assert "app.kubernetes.io/instance" not in template["metadata"]["labels"]
    assert template["spec"]["automountServiceAccountToken"] is False
    assert not [name for sizes in container(cronjob(helm))["resources"].values() for name in sizes if "gpu" in name]


def test_it_reaches_the_models_of_its_namespace(helm: Helm) -> None:
    rendering = rendered(helm, networkPolicy__enabled=True, **HEALTH)
    labels = rendering.one("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    found = rendering.all("NetworkPolicy")
    assert allows(found, Peer("system", labels), SERVER, 8000)
    assert allows(found, Peer("system", {**labels, "app.kubernetes.io/part-of": "other"}), SERVER, 8000)
    assert not allows(found, Peer("other", labels), SERVER, 8000)


@pytest.mark.parametrize("release", ["a", "r" * 44, "r" * 47])
def test_its_name_leaves_room_for_the_names_of_its_jobs(helm: Helm, release: str) -> None:
    name = helm.template(merge(MINIMAL, HEALTH), release=release).one("CronJob")["metadata"]["name"]
    assert len(name) <= 52
    assert name.endswith("-health")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"image": ""}, "healthCheck.image is empty"),
        ({"environment": ""}, "healthCheck.environment is empty"),
        ({"database": {"existingSecret": {"name": ""}}}, "healthCheck.database.existingSecret.name is empty"),
        ({"environment": "lab"}, "/healthCheck/environment"),
        ({"schedule": "each minute"}, "/healthCheck/schedule"),
        ({"intervalSeconds": 1}, "/healthCheck/intervalSeconds"),
        ({"interval": 60}, "'interval' not allowed"),
        ({"database": {"url": "postgres://"}}, "'url' not allowed"),
    ],
)
def test_mistakes(helm: Helm, more: dict[str, Any], told: str) -> None:
    with pytest.raises(ChartError) as refused:
        cronjob(helm, **more)
    assert told in str(refused.value)
