# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model is taken away without a client that meets a server which is gone, and leaves what is its owner's."""

from __future__ import annotations

from tests.integration.main_path.client import requesting
from tests.integration.main_path.sites import Site, server_env


def left(site: Site) -> set[str]:
    """What is in the namespace, but for what Kubernetes puts into each."""
    kinds = "deployments,services,pods,configmaps,secrets,persistentvolumeclaims,leases"
    names = {f"{each['kind']} {each['metadata']['name']}" for each in site.get(kinds)}
    return names - {"ConfigMap kube-root-ca.crt"}


def claim(site: Site, name: str) -> None:
    resources = '{"requests": {"storage": "1Gi"}}'
    body = f'{{"accessModes": ["ReadWriteOnce"], "resources": {resources}}}'
    manifest = site.folder / f"{name}.yml"
    manifest.write_text(f"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}}}\nspec: {body}\n")
    site.call("kubectl", "apply", "--filename", str(manifest))


def test_a_model_is_retired_and_only_denied_meanwhile(site: Site) -> None:
    site.person_disables = True
    model = site.model("one", server_env(LAB_VLLM_TOKEN_SECONDS="0.2"))
    site.succeed("deploy")
    claim(site, "weights")
    claim(site, "scratch")
    site.call("kubectl", "create", "secret", "generic", "token", "--from-literal=a=b")
    assert site.succeed("retire", "--check").changed > 0
    assert site.ask(model) == 200
    with requesting(site, model) as client:
        site.succeed("retire", "-e", '{"vllm_retire_claim_names": ["scratch"]}')
    assert set(client.statuses) == {200, 404}
    assert left(site) == {"PersistentVolumeClaim weights", "Secret token"}
    assert site.rows() == {model: "disabled"}
    assert site.succeed("retire").changed == 0
    site.succeed("retire", "-e", "registry_purge=true")
    assert site.rows() == {}


def test_without_a_router_a_retired_model_is_waited_for(site: Site) -> None:
    site.person_disables = True
    model = site.model("one")
    site.serve(model)
    ttl = ("-e", "environment_route_ttl=-2")
    play = site.succeed("retire", *ttl, ROUTER_URL="")
    assert play.result(model, "Wait for as long as a router")["elapsed"] >= 3
    assert site.get("pods") == []
    again = site.succeed("retire", *ttl, ROUTER_URL="")
    assert again.result(model, "Wait for as long as a router").get("skipped")
