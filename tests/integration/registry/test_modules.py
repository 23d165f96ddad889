# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as Ansible runs them: exit codes, check mode, differences, warnings and no password anywhere."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.ai_aas.inference.plugins.modules import (
    model_registry_entry,
    model_registry_info,
    model_registry_schema,
)

from tests.lab.process import free_ports

from .conftest import Registry, Server, ansible, in_process, playbook

DEMO = {"model_name": "demo", "environment": "development"}
NEW = "demo.system.svc.cluster.local:8000"
AS_JSON = {"ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/ai_aas.inference.registry:
      connect_timeout: 10
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    demo: {model_name: demo, environment: development, endpoint: demo.system.svc.cluster.local:8000}
  tasks:
    - name: Make the table
      ai_aas.inference.model_registry_schema:
    - name: Predict
      ai_aas.inference.model_registry_entry: "{{ demo }}"
      check_mode: true
    - name: Register
      ai_aas.inference.model_registry_entry: "{{ demo }}"
    - name: Register again
      ai_aas.inference.model_registry_entry: "{{ demo }}"
    - name: Disable
      ai_aas.inference.model_registry_entry: "{{ demo | combine({'state': 'disabled'}) }}"
    - name: List
      ai_aas.inference.model_registry_info:
"""


def as_json(module: str, params: dict[str, Any], *flags: str, env: dict[str, str]) -> dict[str, Any]:
    run = ansible(module, params, *flags, env=AS_JSON | env)
    result: dict[str, Any] = json.loads(run.stdout)["plays"][0]["tasks"][0]["hosts"]["localhost"]
    assert (run.returncode != 0) is result.get("failed", False), run.stderr
    return result


def granted(registry: Registry, role: Any, password: str) -> str:
    """The URL of a role with this password that may change the registry."""
    name = role("user", password)
    registry.execute(f'GRANT SELECT, INSERT, UPDATE ON model_registry_entries TO "{name}"')
    return registry.server.url(registry.layout, name, password)


def test_registers_and_lists(scratch: Registry) -> None:
    (play,) = json.loads(playbook(PLAYBOOK, "--diff", env=AS_JSON | {"DATABASE_URL": scratch.url}).stdout)["plays"]
    results = {task["task"]["name"]: task["hosts"]["localhost"] for task in play["tasks"]}
    changed = [name for name, result in results.items() if result["changed"]]
    assert changed == ["Make the table", "Predict", "Register", "Disable"]
    assert results["Predict"]["diff"] == results["Register"]["diff"]
    assert results["Register"]["diff"]["after"]["endpoint"] == NEW
    assert results["List"]["entries"] == [results["Disable"]["entry"]]
    assert results["Disable"]["previous"] == results["Register"]["entry"]


@pytest.mark.parametrize("registry", ["superset"], indirect=True)
def test_wrong_endpoint_says_what_is_wrong(registry: Registry) -> None:
    failed = as_json("model_registry_entry", {**DEMO, "endpoint": "gpt-oss-20b"}, env={"DATABASE_URL": registry.url})
    assert failed["msg"] == (
        "Invalid endpoint format: gpt-oss-20b: Endpoint must include port "
        "(e.g., service.namespace.svc.cluster.local:8000). "
        "Write it as <service-name>.<namespace>.svc.cluster.local:<port>."
    )
    assert registry.versions() == []


@pytest.mark.parametrize("registry", ["superset"], indirect=True)
@pytest.mark.parametrize("password", ["s3cr:t/p@ss%41 word"])
def test_no_password_at_highest_verbosity(registry: Registry, role: Any, password: str) -> None:
    url = granted(registry, role, password)
    closed = free_ports(["nobody"])["nobody"]
    cache = f"redis://:{quote(password, safe='')}@127.0.0.1:{closed}"
    env = {"DATABASE_URL": url, "REDIS_URL": cache}
    login = {"login_host": "127.0.0.1", "login_port": closed, "login_user": "user", "login_password": password}
    runs = [
        ansible("model_registry_entry", {**DEMO, "endpoint": NEW}, "-vvvv", "--diff", env=env),
        ansible("model_registry_info", login, "-vvvv"),
    ]
    assert [run.returncode for run in runs] == [0, 2]
    assert "up to 2 minutes" in runs[0].stderr + runs[0].stdout
    for run in runs:
        text = run.stdout + run.stderr
        assert '"database_url"' in text
        assert_without(text, password)


@pytest.mark.parametrize("registry", ["superset"], indirect=True)
@pytest.mark.parametrize("password", ["s3cr:t/p@ss%41 word", "s3cr?t#&=+'\"\\", "s3cr%et", "s3cr/1:5432"])
def test_no_password_in_results(registry: Registry, role: Any, password: str) -> None:
    url = granted(registry, role, password)
    closed = free_ports(["nobody"])["nobody"]
    raw = f"postgresql://user:{password}@127.0.0.1:{closed}/lab"
    for module, params in (
        (
            model_registry_entry,
            {**DEMO, "endpoint": NEW, "database_url": url, "metadata": {"note": f"it is {password}"}},
        ),
        (model_registry_entry, {**DEMO, "endpoint": NEW, "database_url": Server(closed).url("lab", "user", password)}),
        (model_registry_entry, {**DEMO, "endpoint": raw, "database_url": url}),
        (model_registry_info, {"database_url": raw}),
        (model_registry_info, {"database_url": f"host=127.0.0.1 port={closed} password='{password}"}),
        (model_registry_schema, {"database_url": raw}),
    ):
        assert_without(json.dumps(in_process(module, params)), password)


def assert_without(text: str, password: str) -> None:
    for secret in (password, quote(password, safe=""), "s3cr"):
        assert secret not in text, text[max(0, text.index(secret) - 200) :][:400]


@pytest.mark.parametrize("registry", ["superset"], indirect=True)
@pytest.mark.parametrize("password", ["ready", "development", "8000", "e", "1"])
@pytest.mark.parametrize("way", ["url", "login"])
def test_password_like_a_word_of_the_result(registry: Registry, role: Any, password: str, way: str) -> None:
    url = granted(registry, role, password)
    login = {
        "login_host": "127.0.0.1",
        "login_port": registry.server.port,
        "login_user": "user",
        "login_password": password,
        "login_db": registry.layout,
    }
    given = login if way == "login" else {"database_url": url}
    made = in_process(model_registry_entry, {**DEMO, "endpoint": NEW, **given})
    (row,) = registry.info()["entries"]
    assert made["entry"] == row
    assert made["entry"]["status"] == "ready"
    assert made["actions"] == ["insert"]
    arguments = made["invocation"]["module_args"]
    hidden = arguments["database_url"] if way == "url" else arguments["login_password"]
    assert hidden == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
