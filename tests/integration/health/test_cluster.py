# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models in a cluster, checked from outside of it by port-forward, and a frozen one that is restarted."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.health.scene import Scene
from tests.integration.readiness.conftest import deployments, release
from tests.integration.readiness.deployments import MODEL, Deployments, container
from tests.integration.readiness.waiting import eventually

__all__ = ["deployments", "release"]
pytestmark = pytest.mark.parametrize("registry", ["superset"], indirect=True)


@pytest.fixture
def served(scene: Scene, deployments: Deployments, release: str) -> Iterator[Scene]:
    """The model `a` behind a Service, and an entry that leads to it."""
    deployments.create(release)
    deployments.wait_available(release)
    services = f"{deployments.pods.path}/services"
    spec = {"selector": {"app.kubernetes.io/instance": release}, "ports": [{"name": "http", "port": 8000}]}
    deployments.api.request("POST", services, {"metadata": {"name": release}, "spec": spec})
    place = f"{release}.{deployments.namespace}.svc.cluster.local:8000"
    scene.add(MODEL, deployment_endpoint=place, deployment_namespace=deployments.namespace)
    eventually(lambda: scene.check(**outside(deployments))["healthy"] == 1)
    yield scene
    deployments.api.request("DELETE", f"{services}/{release}")


def outside(deployments: Deployments, **given: Any) -> dict[str, Any]:
    where = {"transport": "port_forward", "kubeconfig": deployments.kubeconfig, "timeout": 2.0}
    return {**where, "quorum": 1.0, **given}


def uids(deployments: Deployments, release: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in deployments.pods_of(release)}


def test_by_port_forward(served: Scene, deployments: Deployments, release: str) -> None:
    deployments.misbehave(release, "frozen")
    first = served.check(**outside(deployments))
    assert first["failures"][0]["reason"] == "not_generating"
    assert served.check(**outside(deployments))["degraded"] == [MODEL]
    deployments.misbehave(release, "overloaded")
    assert served.check(**outside(deployments))["busy"] == 1
    deployments.misbehave(release, None)
    served.check(**outside(deployments))
    assert served.check(**outside(deployments))["restored"] == [MODEL]


def test_a_service_without_a_ready_pod_fails_and_one_that_is_not_there_does_not(
    served: Scene, deployments: Deployments, release: str
) -> None:
    served.add("b", deployment_endpoint=f"nobody.{deployments.namespace}.svc.cluster.local:8000")
    deployments.patch(release, {"replicas": 0})
    eventually(lambda: not deployments.pods_of(release))

    def reasons() -> tuple[Any, Any]:
        result = served.check(failures=1000, **outside(deployments))
        return [each["reason"] for each in result["failures"]], result["unchecked"]["reasons"]

    eventually(lambda: reasons() == (["not_serving"], {"unresolved": 1}))


def test_a_cluster_that_cannot_be_reached_says_nothing_of_its_models(
    served: Scene, deployments: Deployments, tmp_path: Path
) -> None:
    config = yaml.safe_load(Path(deployments.kubeconfig).read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    elsewhere = tmp_path / "kubeconfig"
    elsewhere.write_text(yaml.safe_dump(config), encoding="utf-8")
    result = served.check(**outside(deployments, kubeconfig=str(elsewhere)))
    assert result["unchecked"]["reasons"] == {"kubernetes": 1}


def test_a_frozen_pod_is_restarted_once(served: Scene, deployments: Deployments, release: str) -> None:
    (pod,) = deployments.pods_of(release)
    deployments.misbehave(release, "frozen")
    given = outside(deployments, remediate="restart", remediate_period=60.0)
    assert served.check(**given)["restarted"] == []
    young = served.check(**given)
    assert (young["degraded"], young["restarted"]) == ([MODEL], [])
    assert "one in 60 s is the limit" in young["warnings"][0]
    given["remediate_period"] = 1.0
    name = f"{deployments.namespace}/{pod['metadata']['name']}"
    predicted = served.check(check=True, **given)
    assert (predicted["restarted"], predicted["changed"]) == ([name], True)
    assert uids(deployments, release) == {pod["metadata"]["uid"]}
    assert served.check(**given)["restarted"] == [name]
    eventually(lambda: uids(deployments, release) and pod["metadata"]["uid"] not in uids(deployments, release))
    eventually(lambda: MODEL in served.check(**outside(deployments))["restored"])


def test_of_two_replicas_none_is_restarted_while_the_other_is_not_ready(
    served: Scene, deployments: Deployments, release: str
) -> None:
    deployments.patch(release, {"replicas": 2})
    deployments.wait_available(release)
    deployments.misbehave(release, "frozen", slice(0, 1))
    deployments.misbehave(release, "stops-listening", slice(1, 2))
    eventually(lambda: deployments.get(release)["status"].get("readyReplicas") == 1)
    before = uids(deployments, release)
    given = outside(deployments, remediate="restart", remediate_period=1.0, failures=1)
    eventually(lambda: served.check(**given)["failures"][0]["reason"] == "not_generating")
    result = served.check(**given)
    assert (result["restarted"], before) == ([], uids(deployments, release))
    assert "another pod of it is not Ready" in result["warnings"][0]


def test_of_two_frozen_replicas_one_is_restarted(served: Scene, deployments: Deployments, release: str) -> None:
    deployments.patch(release, {"replicas": 2})
    deployments.wait_available(release)
    before = uids(deployments, release)
    deployments.misbehave(release, "frozen")
    result = served.check(**outside(deployments, remediate="restart", remediate_period=1.0, failures=1))
    assert len(result["restarted"]) == 1
    eventually(lambda: len(uids(deployments, release) & before) == 1)


def test_a_key_from_a_secret_of_the_namespace(scene: Scene, deployments: Deployments, release: str) -> None:
    deployments.create(release, container(env={"VLLM_API_KEY": "secret-key", "LAB_VLLM_LOAD_SECONDS": "0.3"}))
    deployments.wait_available(release)
    services = f"{deployments.pods.path}/services"
    spec = {"selector": {"app.kubernetes.io/instance": release}, "ports": [{"name": "http", "port": 8000}]}
    deployments.api.request("POST", services, {"metadata": {"name": release}, "spec": spec})
    secret = {"metadata": {"name": release}, "data": {"key": base64.b64encode(b"secret-key").decode()}}
    deployments.api.request("POST", f"{deployments.pods.path}/secrets", secret)
    place = f"{release}.{deployments.namespace}.svc.cluster.local:8000"
    scene.add(MODEL, deployment_endpoint=place, deployment_namespace=deployments.namespace)
    eventually(lambda: scene.check(**outside(deployments))["unchecked"]["reasons"] == {"unauthorised": 1})
    known = {"api_key_secret": {"name": release, "key": "key"}}
    assert scene.check(**outside(deployments, **known))["healthy"] == 1
    missing = scene.check(**outside(deployments, api_key_secret={"name": "nobody", "key": "key"}))
    assert missing["unchecked"]["reasons"] == {"api_key": 1}
    for kind in ("services", "secrets"):
        deployments.api.request("DELETE", f"{deployments.pods.path}/{kind}/{release}")
