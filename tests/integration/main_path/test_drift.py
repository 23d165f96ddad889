# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared, deployed, running, registered and routed is compared, and what mends a difference mends it."""

from __future__ import annotations

import json
from pathlib import Path

import redis

from tests.integration.main_path.sites import Json, Play, Site, server_env

OVERWRITE = "vllm_overwrite_manual_edits=true"


def judged(play: Play, site: Site) -> dict[str, Json]:
    """What was said of each of the site's models."""
    host = min(site.hosts)
    return {each["model_name"]: each for each in play.result(host, "Compare all sides")["models"]}


def told(model: Json) -> set[str]:
    return {each["what"] for each in model["differences"]}


def test_what_was_deployed_agrees_and_each_edit_is_told_and_mended(site: Site, tmp_path: Path) -> None:
    models = {short: site.model(short) for short in ("calm", "edited", "scaled")}
    site.succeed("deploy")
    limit = ("--limit", ",".join(models.values()))
    calm = site.succeed("drift", *limit)
    assert calm.changed == 0
    assert [model["differences"] for model in judged(calm, site).values()] == [[], [], []]

    site.call("kubectl", "set", "env", "deployment/edited-vllm-deployment", "ADDED=1")
    site.call("kubectl", "scale", "deployment/scaled-vllm-deployment", "--replicas=0")
    site.call("kubectl", "delete", "service", "scaled-vllm-deployment")
    file = tmp_path / "drift.prom"
    found = site.fail("drift", *limit, "-e", f"drift_metrics_file={file}")
    by_model = judged(found, site)
    assert told(by_model[models["calm"]]) == set()
    assert told(by_model[models["edited"]]) >= {
        "Deployment edited-vllm-deployment: spec.template.spec.containers[vllm].env[ADDED] was added by kubectl-set"
    }
    assert told(by_model[models["scaled"]]) >= {
        "Service scaled-vllm-deployment is missing",
        "Deployment scaled-vllm-deployment: spec.replicas is 0, not 1",
        "it is routed to, and no pod is ready",
    }
    assert f'ai_aas_model_drift{{model="{models["edited"]}",environment="development"}} 1.0' in file.read_text()
    assert f'ai_aas_model_drift{{model="{models["calm"]}",environment="development"}} 0.0' in file.read_text()

    mends = {each["mend"] for each in by_model[models["scaled"]]["differences"]}
    assert f"ai_aas.inference.deploy --limit {models['scaled']} -e {OVERWRITE}" in mends
    site.succeed("deploy", "--limit", models["scaled"], "-e", OVERWRITE)
    assert told(judged(site.play("drift", *limit), site)[models["scaled"]]) == set()


def test_what_a_deploy_would_do_is_told_without_rendering(site: Site) -> None:
    """The very verdict that a deploy comes to."""
    models = {short: site.model(short) for short in ("same", "valued", "nulled", "absent", "failed")}
    site.install(*(models[short] for short in ("same", "valued", "nulled")))
    site.call("helm", "upgrade", "--install", "failed", "no-such-chart", check=False)
    site.model("valued", server_env(LAB_NOTHING="1"))
    site.model("nulled", {"resources": {"limits": None}})
    verdicts = judged(site.fail("drift", ROUTER_URL=""), site)
    plans = site.play("deploy", "--check", ROUTER_URL="")
    for short, model in models.items():
        operation = plans.result(model, "Compare the release")["operation"]
        declared = {
            each["what"] for each in verdicts[model]["differences"] if each["between"] == "declared and running"
        }
        assert (operation != "none") == bool(declared), (short, declared)
    assert told(verdicts[models["valued"]]) >= {"value extraEnv differs"}
    assert told(verdicts[models["nulled"]]) >= {"value resources.limits differs"}
    assert told(verdicts[models["absent"]]) >= {"there is no such release", "it is not registered"}


def test_registry_cache_and_strangers_are_compared(site: Site) -> None:
    moved, cached = site.model("moved"), site.model("cached")
    site.succeed("deploy")
    site.execute("UPDATE model_registry_entries SET deployment_endpoint = 'x.y.svc.cluster.local:1' "
                 "WHERE model_name = %s", moved)  # fmt: skip
    with redis.Redis.from_url(site.lab.env["REDIS_URL"]) as cache:
        cache.set(f"model_registry:development:{cached}", json.dumps({"endpoint": "old:1"}))
    stranger = site.model("stranger")
    site.serve(stranger)
    del site.hosts[stranger]
    site.write_inventory()
    site.execute("INSERT INTO model_registry_entries (model_name, revision, deployment_target, deployment_endpoint,"
                 " deployment_environment, deployment_namespace, deployment_status) VALUES (%s, 1, 'self_hosted', %s,"
                 " 'development', %s, 'ready')", f"{site.name}-ghost", f"ghost.{site.name}.svc.cluster.local:8000",
                 site.name)  # fmt: skip
    play = site.fail("drift")
    by_model = judged(play, site)
    assert told(by_model[moved]) >= {f"its endpoint is x.y.svc.cluster.local:1, not {site.endpoint(moved)}"}
    assert told(by_model[cached]) == {"the router's cache has another route to it"}
    undeclared = {
        (each["model_name"], each["what"])
        for each in play.result(min(site.hosts), "Compare all sides")["undeclared"]
        if each["model_name"].startswith(site.name) or each.get("namespace") == site.name
    }
    assert undeclared == {
        (stranger, "it is registered as ready"),
        ("stranger", f"release stranger runs in namespace {site.name}"),
        (f"{site.name}-ghost", "it is registered as ready, and there is no Service at its endpoint"),
    }
    site.succeed("register")
    assert [model["differences"] for model in judged(site.play("drift"), site).values()] == [[], []]
    assert site.play("drift", "--limit", moved).code == 0, "what a limit leaves out is no stranger"
