# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module itself, as its documents show it, and by accounts that may not look."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from ansible_collections.ai_aas.inference.plugins.modules import gpu_capacity_info

from tests.integration.capacity.world import DEVICE, Json, World, gpus
from tests.integration.main_path.sites import BIN, CHART, JSON_OUTPUT, run

# From the least to all that it needs.
RIGHTS = ("nodes", "pods", "resourcequotas", "limitranges")


def results(world: World, folder: Path, tasks: list[Json], *flags: str, **env: str) -> list[Json]:
    """Run tasks as a user does, in a folder beside the charts; what the tasks of this module returned."""
    (folder / "charts").symlink_to(CHART.parent)
    (folder / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    every = {**os.environ, **world.lab.env, **JSON_OUTPUT, **env}
    ended = run([str(BIN / "ansible-playbook"), "play.yml", *flags], every, folder)
    assert ended.stdout.startswith("{"), ended.stdout + ended.stderr
    (play,) = json.loads(ended.stdout)["plays"]
    found = [each["hosts"]["localhost"] for each in play["tasks"]]
    return [each for each in found if each["action"].endswith("gpu_capacity_info")]


def ask(**options: object) -> Json:
    return {"ai_aas.inference.gpu_capacity_info": options, "ignore_errors": True}


@pytest.mark.parametrize("flags", [(), ("--check",)])
def test_the_examples_of_its_documents_run(world: World, tmp_path: Path, flags: tuple[str, ...]) -> None:
    gpu = "nvidia.com/gpu"
    fleet, pod, planned, rendered = results(world, tmp_path, yaml.safe_load(gpu_capacity_info.EXAMPLES), *flags)
    assert (fleet["totals"][gpu]["allocatable"], {each["resource"] for each in fleet["devices"]}) == (4, {gpu})
    assert (pod["needed"], pod["decision"]) == ({gpu: "2", "pods": "1"}, "install")
    assert {key: planned["needed"][key] for key in ("cpu", "memory", gpu)} == {"cpu": "4", "memory": "16Gi", gpu: "1"}
    assert planned["decision"] == "install"
    for key in ("needed", "nodes", "decision", "msg", "replicas"):
        assert rendered[key] == planned[key]
    assert not any(each["changed"] or each.get("failed") for each in (fleet, pod, planned, rendered))


def test_what_it_is_asked_wrongly(world: World, tmp_path: Path) -> None:
    spec = {"containers": [{"name": "c"}]}
    asked = [
        ask(pod_spec=spec),
        ask(pod_spec=spec, manifest="a: 1", namespace=world.name),
        ask(manifest="kind: Service", namespace=world.name),
        ask(pod_spec={}, namespace=world.name),
    ]
    told = [each["msg"] for each in results(world, tmp_path, asked)]
    assert told == [
        "missing parameter(s) required by 'pod_spec': namespace",
        "parameters are mutually exclusive: workload|manifest|pod_spec|resource",
        "Cannot tell from the manifest what is to start: it has no Deployment or StatefulSet. "
        "Give pod_spec and replicas.",
        "Invalid pod spec: it has no containers. Give the spec of a pod, as a workload has it at spec.template.spec.",
    ]


def test_what_is_free(world: World, tmp_path: Path) -> None:
    world.make("one", world.spec(gpus(1)), "new")
    world.kubectl("cordon", world.name)
    found = results(world, tmp_path, [ask(resource=DEVICE)])[0]
    numbers = {"allocatable": 2, "used": 1, "free": 0}
    row = {"node": world.name, "resource": DEVICE, **numbers, "why": "it is cordoned"}
    assert [each for each in found["devices"] if each["node"] == world.name] == [row]


def test_an_account_that_may_not_look_is_told_what_it_lacks(world: World, tmp_path: Path) -> None:
    config = yaml.safe_load(world.kubectl("config", "view", "--raw", "--minify", "--flatten"))
    config["users"][0]["user"] = {"token": world.kubectl("create", "token", "default", "-n", world.name)}
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    found = []
    for right in RIGHTS:
        (tmp_path / right).mkdir()
        question = ask(pod_spec=world.spec(gpus(1)), namespace=world.name)
        found += results(world, tmp_path / right, [question], KUBECONFIG=str(tmp_path / "config"))
        world.allow(right)
    account = f"system:serviceaccount:{world.name}:default"
    for right, result in zip(RIGHTS[:3], found, strict=False):
        assert (result["failed"], result["reason"]) == (True, "forbidden")
        assert f'User "{account}" cannot list resource "{right}"' in result["msg"]
        assert f"Allow it to list {right}" in result["msg"]
    assert (found[3]["decision"], found[3]["not_counted"]) == (
        "install",
        ["limit ranges, which this account may not list"],
    )
