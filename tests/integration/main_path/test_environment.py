# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The namespaces of an environment are made, and whoever deploys there is allowed what the playbooks do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import SharedLab
from tests.integration.main_path.conftest import open_site
from tests.integration.main_path.sites import Json, Site
from tests.integration.readiness.waiting import rewritten

FULL: Json = {
    "environment_quota": {"requests.nvidia.com/gpu": "2"},
    "environment_limits": [{"type": "Container", "defaultRequest": {"cpu": "50m"}}],
    "environment_isolated": True,
    "environment_pod_security": "baseline",
    "environment_readers": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "auditors"}],
    "environment_secrets": [{"name": "hub-token", "from_namespace": "default", "from_name": "hub-source"}],
}
KINDS = "resourcequotas,limitranges,networkpolicies,rolebindings"


@pytest.fixture
def site(lab: SharedLab, watched_registry: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for own in open_site(lab, tmp_path_factory, "env"):
        try:
            yield own
        finally:
            names = ["clusterrolebinding/ai-aas-inference-capacity-development", f"priorityclass/{own.name}"]
            own.call("kubectl", "delete", "--ignore-not-found", *names)
            own.call("kubectl", "--namespace=default", "delete", "secret", "hub-source", "--ignore-not-found")


def found(site: Site) -> set[str]:
    return {f"{each['kind']} {each['metadata']['name']}" for each in site.get(KINDS)}


def test_an_environment_is_made_once_and_follows_what_is_declared(site: Site) -> None:
    classes = [{"name": site.name, "value": 1000}]
    site.model("one", None, **FULL, environment_priority_classes=classes)
    refused = site.fail("environment")
    assert "There is no Secret hub-source in namespace default" in refused.failure(min(site.hosts))
    site.call(
        "kubectl", "--namespace=default", "create", "secret", "generic", "hub-source", "--from-literal=token=s3cret"
    )
    preview = site.succeed("environment", "--check", "--diff")
    assert preview.changed > 0
    assert site.call("kubectl", "get", "namespace", site.name, "--ignore-not-found") == ""
    made = site.succeed("environment", "--diff")
    assert made.changed > 0
    assert "s3cret" not in str(made.output)
    assert "czNjcmV0" not in str(made.output), "nor encoded"
    assert found(site) == {
        *("ResourceQuota models", "LimitRange models", "NetworkPolicy models-isolated", "RoleBinding model-readers")
    }
    (secret,) = [each for each in site.get("secrets") if each["metadata"]["name"] == "hub-token"]
    assert secret["data"] == {"token": "czNjcmV0"}
    assert site.call("kubectl", "get", "priorityclass", site.name, "--output=jsonpath={.value}") == "1000"
    assert site.succeed("environment").changed == 0

    site.hosts.clear()
    site.model("one", environment_readers=FULL["environment_readers"])
    assert site.succeed("environment").changed > 0
    assert found(site) == {"RoleBinding model-readers"}


def test_who_deploys_may_do_what_the_playbooks_do(site: Site, tmp_path: Path) -> None:
    site.person_disables = True
    account = {"kind": "ServiceAccount", "name": "deployer", "namespace": site.name}
    site.model("one", environment_deployers=[account])
    site.succeed("environment")
    site.call("kubectl", "create", "serviceaccount", "deployer")
    token = site.call("kubectl", "create", "token", "deployer").strip()
    kubeconfig = rewritten(site.lab.env["KUBECONFIG"], tmp_path / "kubeconfig", "", {"token": token})
    (model,) = site.hosts
    site.hosts[model] |= {"environment_kubeconfig": str(kubeconfig), "vllm_values": {"gpu": {"count": 1}}}
    site.write_inventory()
    deployed = site.succeed("deploy")
    assert deployed.result(model, "See whether the new pods fit")["decision"] == "install"
    assert site.succeed("drift", "--limit", model).changed == 0
    site.succeed("rollback", "-e", "vllm_rollback_to=1")
    site.succeed("retire")
    assert site.releases() == {}
    denied = site.call(
        "kubectl", f"--kubeconfig={kubeconfig}", "auth", "can-i", "get", "secrets", "-n=default", check=False
    )
    assert denied.strip() == "no"
