# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of values: what the roles merge is what Helm merges, and merging twice changes nothing."""

from __future__ import annotations

import json

import yaml

from tests.integration.main_path.sites import CHART, NO_DRAIN, Json, Site, merged


def rendered(site: Site, release: str, *files: str) -> list[Json]:
    """What Helm itself makes of values files."""
    flags = [word for file in files for word in ("--values", str(site.values / file))]
    return list(yaml.safe_load_all(site.call("helm", "template", release, str(CHART), "--no-hooks", *flags)))


def test_nested_layers_are_merged_as_helm_merges_files(site: Site) -> None:
    model_layer = {
        "tolerations": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}],
        "podLabels": {"team": "search", "tier": "gold"},
        "resources": {"requests": {"cpu": "200m"}},
        "probes": {"liveness": {"periodSeconds": 7}},
    }
    environment_layer = {
        "tolerations": [{"key": "c", "operator": "Exists"}],
        "podLabels": {"tier": "silver"},
        "resources": {"requests": {"memory": None}},
        "probes": {"liveness": {"timeoutSeconds": 3}},
    }
    given = {"podLabels": {"stage": "one"}, "securityContext": None}
    model = site.model("layered", model_layer, vllm_values=given)
    site.write("values-development.yaml", merged(NO_DRAIN, environment_layer))
    site.write("given.yaml", given)
    site.succeed("deploy")

    files = ("values-layered.yaml", "values-development.yaml", "given.yaml")
    manifest = list(yaml.safe_load_all(site.call("helm", "get", "manifest", "layered")))
    assert manifest == rendered(site, "layered", *files)
    # Not merely alike: the layers meet in these places.
    (pod,) = site.get("pods")
    assert pod["metadata"]["labels"].items() >= {"team": "search", "tier": "silver", "stage": "one"}.items()
    keys = [each["key"] for each in pod["spec"]["tolerations"]]
    assert "c" in keys
    assert not {"a", "b", "nvidia.com/gpu"} & {*keys}
    values = json.loads(site.call("helm", "get", "values", "layered", "--all", "--output=json"))
    assert values["resources"]["requests"] == {"cpu": "200m"}, "null deletes"
    assert values["probes"]["liveness"].items() >= {"periodSeconds": 7, "timeoutSeconds": 3}.items()

    again = site.succeed("deploy")
    assert again.changed == 0, again.result(model, "Compare the release")


def test_what_the_users_folder_lacks_comes_from_beside_the_chart(site: Site) -> None:
    """And a layer of nothing but comments is an empty one."""
    own = site.folder / "own"
    own.mkdir()
    (own / "values-development.yaml").write_text("# Nothing yet.\n")
    shipped = site.model("shipped", vllm_values_dir=str(CHART), vllm_values_name="unsloth-gpt-oss-20b")
    site.hosts[shipped]["vllm_served_name"] = "gpt-oss-20b"
    empty = site.model("empty", vllm_values_dir=str(own), vllm_values_name="unsloth-gpt-oss-20b")
    site.hosts[empty]["vllm_served_name"] = "gpt-oss-20b"
    site.write_inventory()
    play = site.succeed("deploy", "--check")

    model_layer, environment_layer = (
        yaml.safe_load((CHART / f"values-{name}.yaml").read_text()) for name in ("unsloth-gpt-oss-20b", "development")
    )
    values = {host: play.result(host, "Compare the release")["release_values"] for host in (shipped, empty)}
    assert values[shipped] == merged(model_layer, environment_layer)
    assert values[empty] == model_layer
