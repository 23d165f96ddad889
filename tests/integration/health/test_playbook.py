# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook and the module as users run them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.health.fleet import Fleet
from tests.integration.health.scene import Scene
from tests.integration.registry.conftest import ansible, run_program
from tests.unit.chart.rendering import MINIMAL, Helm, find_helm, merge
from tests.unit.chart.test_health_check import HEALTH

pytestmark = pytest.mark.parametrize("registry", ["superset"], indirect=True)
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}


def play(scene: Scene, folder: Path, *flags: str, **variables: Any) -> dict[str, Any]:
    """The result of the playbook's check, for an inventory of `a`, whose host has another name, and `b`."""
    given = {
        "environment_name": "development",
        "registry_database_url": scene.registry.url,
        "health_endpoint_map": scene.endpoint_map,
        "health_timeout": 0.8,
        "health_interval": 20,
    }
    hosts = {"host-of-a": {"vllm_served_name": "a"}, "b": {}}
    inventory = folder / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"development": {"hosts": hosts, "vars": {**LOCAL, **given, **variables}}}))
    words = ["ansible-playbook", "ai_aas.inference.health", "-i", str(inventory), *flags]
    done = run_program(words, {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert scene.registry.url not in done.stdout
    tasks = [task for each in json.loads(done.stdout)["plays"] for task in each["tasks"]]
    found = [task["hosts"] for task in tasks if task["task"]["name"].endswith("Check the models of the environment")]
    result: dict[str, Any] = next(iter(found[0].values()))
    return result


def test_the_playbook(scene: Scene, fleet: Fleet, tmp_path: Path) -> None:
    scene.add("a", "b", "c", "d")
    fleet.behave({"a": "error"})
    first = play(scene, tmp_path)
    assert (first["checked"], first["failing"], first["changed"]) == (4, 1, False)
    scene.make_due()
    assert play(scene, tmp_path, "--check")["degraded"] == ["a"]
    assert scene.status("a") == "ready"
    assert play(scene, tmp_path)["degraded"] == ["a"]
    assert scene.status("a") == "degraded"


def test_a_limit_leaves_the_models_of_its_hosts(scene: Scene, fleet: Fleet, tmp_path: Path) -> None:
    scene.add("a", "b", "c", "d")
    assert play(scene, tmp_path, "--limit", "host-of-a")["checked"] == 1
    assert fleet.counts() == {"a": 1}


def test_ad_hoc_with_the_address_and_the_key_from_the_environment(scene: Scene, fleet: Fleet) -> None:
    scene.add("a")
    params = {"environment": "development", "endpoint_map": scene.endpoint_map}
    env = {"DATABASE_URL": scene.registry.url, "VLLM_API_KEY": "a-secret-key"}
    done = ansible("model_registry_health", params, "--check", "--diff", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"healthy": 1' in done.stdout
    assert "a-secret-key" not in done.stdout
    assert "administrator" not in done.stdout


def test_the_command_of_the_chart_s_cronjob(scene: Scene, fleet: Fleet) -> None:
    scene.add("a", "b")
    fleet.behave({"b": "error"})
    check = {**HEALTH["healthCheck"], "environment": "development", "options": {"endpoint_map": scene.endpoint_map}}
    values = merge(MINIMAL, {"model": {"servedNames": ["a", "alias"]}, "healthCheck": check})
    job = Helm(find_helm()).template(values).one("CronJob")
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    checked = run_program(container["command"], {"DATABASE_URL": scene.registry.url})
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert '"healthy": 1' in checked.stdout
    assert fleet.counts() == {"a": 1}
