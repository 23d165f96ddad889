# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry as an inventory: its hosts, groups and variables, its cache, and what it says when it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql

from tests.lab.process import free_ports

from .conftest import ADMIN_PASSWORD, Registry, Server, playbook, run_program

ENDPOINT = "demo-vllm-deployment.system.svc.cluster.local:8000"
# A failure as it shows to whoever wants to see everything.
VERBOSE = {"ANSIBLE_DISPLAY_TRACEBACK": "always", "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1"}


class Untrusted(str):
    """A text that Ansible does not take for a template, whatever it holds."""

    __slots__ = ()


def untrusted(value: dict[str, Any]) -> dict[str, Any] | Untrusted:
    return Untrusted(value["__ansible_unsafe"]) if set(value) == {"__ansible_unsafe"} else value


def trusted_texts(value: object) -> list[str]:
    """The texts in it that Ansible takes for templates."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in trusted_texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in trusted_texts(part)]
    return [value] if isinstance(value, str) and not isinstance(value, Untrusted) else []


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Path]:
    """Writes an inventory's file."""

    def write(**options: object) -> Path:
        path = tmp_path / "any.model_registry.yml"
        # Every JSON is YAML.
        path.write_text(json.dumps({"plugin": "ai_aas.inference.model_registry", **options}))
        return path

    return write


@pytest.fixture
def either(server: Server) -> Registry:
    """An empty registry, for what does not depend on its layout."""
    server.execute("superset", "TRUNCATE model_registry_entries CASCADE")
    return Registry(server, "superset")


def shown(path: Path, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    return run_program(["ansible-inventory", "-i", str(path), "--list", *flags], env)


def listed(path: Path, *flags: str, **env: str) -> dict[str, Any]:
    """What ansible-inventory prints, which must not fail."""
    done = shown(path, *flags, **{"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1", **env})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    inventory: dict[str, Any] = json.loads(done.stdout, object_hook=untrusted)
    return inventory


def variables(inventory: dict[str, Any], host: str) -> dict[str, Any]:
    found: dict[str, Any] = inventory["_meta"]["hostvars"][host]
    return found


def hosts(inventory: dict[str, Any]) -> set[str]:
    return set(inventory["_meta"]["hostvars"])


def add(registry: Registry, names: Iterable[str], **columns: object) -> None:
    for name in names:
        registry.add("ready", **{"model_name": name, "deployment_endpoint": ENDPOINT, **columns})


def fill(registry: Registry) -> None:
    """Three entries, of which two have the same name and one holds next to nothing."""
    add(registry, ["demo"])
    registry.add("disabled", deployment_environment="production", revision=2)
    registry.add(
        None, model_name="bare", deployment_environment="staging", deployment_endpoint=None, deployment_namespace=""
    )


def test_hosts_groups_and_variables(registry: Registry, source: Callable[..., Path]) -> None:
    fill(registry)
    inventory = listed(source(), DATABASE_URL=registry.url)
    groups = {name: set(group["hosts"]) for name, group in inventory.items() if "hosts" in group}
    assert groups == {
        "development": {"demo@development"},
        "production": {"demo@production"},
        "staging": {"bare@staging"},
        "status_ready": {"demo@development"},
        "status_disabled": {"demo@production"},
    }
    entries = {(entry["model_name"], entry["environment"]): entry for entry in registry.info()["entries"]}
    assert variables(inventory, "demo@development") == {
        "vllm_served_name": "demo",
        "environment_name": "development",
        "vllm_namespace": "system",
        "vllm_endpoint": ENDPOINT,
        "vllm_release": "demo",
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "registry_entry": entries["demo", "development"],
    }
    assert trusted_texts(variables(inventory, "demo@development")) == ["{{ ansible_playbook_python }}"]
    assert "vllm_release" not in variables(inventory, "demo@production")
    assert not {"vllm_endpoint", "vllm_namespace"} & variables(inventory, "bare@staging").keys()
    assert variables(inventory, "bare@staging")["registry_entry"] == entries["bare", "staging"]


def test_filters(registry: Registry, source: Callable[..., Path]) -> None:
    fill(registry)
    env = {"DATABASE_URL": registry.url}
    assert hosts(listed(source(environment="production"), **env)) == {"demo"}
    assert hosts(listed(source(status="ready"), **env)) == {"demo@development"}
    assert listed(source(environment="staging", status="ready"), **env) == {
        "_meta": {"hostvars": {}, "profile": "inventory_legacy"},
        "all": {"children": ["ungrouped"]},
    }


def test_constructed(registry: Registry, source: Callable[..., Path]) -> None:
    fill(registry)
    options = {
        "compose": {"routed_to": "vllm_endpoint | default('nowhere')", "label": "vllm_release ~ '!'"},
        "groups": {"routed": "registry_entry.status == 'ready'"},
        "keyed_groups": [{"key": "vllm_namespace", "prefix": "namespace"}],
    }
    inventory = listed(source(**options), DATABASE_URL=registry.url)
    assert variables(inventory, "demo@development")["routed_to"] == ENDPOINT
    assert variables(inventory, "bare@staging")["routed_to"] == "nowhere"
    assert variables(inventory, "demo@development")["label"] == "demo!"
    # What cannot be composed is left out, unless the file is strict.
    assert "label" not in variables(inventory, "bare@staging")
    assert inventory["routed"]["hosts"] == ["demo@development"]
    assert set(inventory["namespace_system"]["hosts"]) == {"demo@development", "demo@production"}
    strict = shown(source(strict=True, **options), DATABASE_URL=registry.url, **VERBOSE)
    assert strict.returncode != 0
    assert "Could not set label for host demo@production" in strict.stderr


def test_playbook_runs_on_the_controller(registry: Registry, source: Callable[..., Path]) -> None:
    """With the Python of Ansible, which has our libraries; and our modules take what the inventory gives."""
    add(registry, ["demo", "llama"])
    play = """
- hosts: development:&status_ready
  gather_facts: false
  tasks:
    - ai_aas.inference.model_registry_info:
        model_name: "{{ vllm_served_name }}"
        environment: "{{ environment_name }}"
      register: found
    - ansible.builtin.assert:
        that:
          - found.entries == [registry_entry]
          - ansible_python_interpreter == ansible_playbook_python
          - vllm_endpoint is ai_aas.inference.service_endpoint
          - (vllm_endpoint | ai_aas.inference.parse_service_endpoint).namespace == vllm_namespace
"""
    done = playbook(play, "-i", str(source(environment="development")), env={"DATABASE_URL": registry.url})
    assert done.stdout.count("All assertions passed") == 2


def test_what_the_registry_holds_is_never_a_template(
    registry: Registry, source: Callable[..., Path], tmp_path: Path
) -> None:
    """Neither read from the database nor from a cache."""
    proof = tmp_path / "proof"
    hostile = "{{ lookup('ansible.builtin.pipe', 'touch " + str(proof) + "') }}"
    add(
        registry,
        [hostile],
        deployment_endpoint=hostile,
        deployment_namespace=hostile,
        metadata=json.dumps({"deep": [hostile], hostile: 1}),
    )
    path = source(
        cache=True,
        cache_plugin="ansible.builtin.jsonfile",
        cache_connection=str(tmp_path / "cache"),
        compose={"composed": "vllm_endpoint", "longer": "'- ' ~ registry_entry.metadata.deep[0]"},
        keyed_groups=[{"key": "vllm_namespace"}],
    )
    play = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        dest: "{{ file }}"
        content: "{{ read | to_json }}"
      vars:
        read:
          name: "{{ inventory_hostname }}"
          values: "{{ [vllm_served_name, vllm_endpoint, vllm_namespace, composed, longer] }}"
          entry: "{{ registry_entry }}"
    - ansible.builtin.debug:
        var: hostvars[inventory_hostname]
"""
    for number in (1, 2):
        file = tmp_path / f"read{number}.json"
        playbook(play, "-i", str(path), "-e", f"file={file}", env={"DATABASE_URL": registry.url})
        read = json.loads(file.read_text())
        assert read["name"] == f"{hostile}@development"
        assert read["values"] == [hostile, hostile, hostile, hostile, f"- {hostile}"]
        assert read["entry"]["metadata"] == {"deep": [hostile], hostile: 1}
    assert not proof.exists()


def test_cache(registry: Registry, source: Callable[..., Path], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    options = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(cache)}
    env = {"DATABASE_URL": registry.url}
    add(registry, ["old"])
    first = listed(source(**options), **env)
    assert hosts(first) == {"old@development"}
    add(registry, ["new"], revision=2)
    assert listed(source(**options), **env) == first
    both = {"old@development", "new@development"}
    # What is asked for differently is another thing to remember.
    assert hosts(listed(source(status="ready", **options), **env)) == both
    assert hosts(listed(source(**options), "--flush-cache", **env)) == both
    assert hosts(listed(source(**options), **env)) == both
    kept = [path for path in cache.iterdir() if path.is_file()]
    assert len(kept) == 2
    assert not [path for path in kept if ADMIN_PASSWORD in path.name + path.read_text()]


def test_cache_of_one_database_is_not_taken_for_another(
    server: Server, scratch: Registry, source: Callable[..., Path], tmp_path: Path
) -> None:
    for name in ("superset", "foreign"):
        server.execute(name, "TRUNCATE model_registry_entries CASCADE")
        add(Registry(server, name), [f"in-{name}"])
    path = source(
        cache=True, cache_plugin="ansible.builtin.jsonfile", cache_connection=str(tmp_path / "cache"), status="ready"
    )
    for name in ("superset", "foreign", "superset"):
        assert hosts(listed(path, DATABASE_URL=server.url(name))) == {f"in-{name}@development"}
    failed = shown(path, DATABASE_URL=scratch.url, **VERBOSE)
    assert "The registry has no table model_registry_entries" in failed.stderr


def test_login_options(either: Registry, source: Callable[..., Path]) -> None:
    """They have precedence over the environment's DATABASE_URL, and exclude the option."""
    add(either, ["demo"])
    login = {
        "login_host": "127.0.0.1",
        "login_port": either.server.port,
        "login_user": "postgres",
        "login_password": ADMIN_PASSWORD,
        "login_db": either.layout,
    }
    elsewhere = "postgresql://u:p@nowhere.invalid/x"
    assert hosts(listed(source(**login), DATABASE_URL=elsewhere)) == {"demo@development"}
    both = shown(source(database_url=either.url, **login), "-vvvv", **VERBOSE)
    assert "database_url and login_* exclude each other" in both.stderr
    assert ADMIN_PASSWORD not in both.stdout + both.stderr


def test_password_from_a_template_is_none_itself(
    either: Registry, source: Callable[..., Path], role: Callable[[str, str], str]
) -> None:
    password = "{{ 6 * 7 }}"
    add(either, ["demo"])
    reader = role("reader", password)
    either.execute(
        sql.SQL("GRANT USAGE ON SCHEMA public TO {0}; GRANT SELECT ON model_registry_entries TO {0}").format(
            sql.Identifier(reader)
        )
    )
    path = source(
        login_host="127.0.0.1",
        login_port=either.server.port,
        login_user=reader,
        login_password="{{ lookup('ansible.builtin.env', 'REGISTRY_PASSWORD') }}",
        login_db=either.layout,
    )
    assert hosts(listed(path, REGISTRY_PASSWORD=password)) == {"demo@development"}


def test_password_in_a_vault(either: Registry, source: Callable[..., Path], tmp_path: Path) -> None:
    add(either, ["demo"])
    key = tmp_path / "key"
    key.write_text("key of the vault")
    vault = ["--vault-password-file", str(key)]
    encrypted = run_program(["ansible-vault", "encrypt_string", *vault, "--name", "database_url", either.url], {})
    assert encrypted.returncode == 0, encrypted.stderr
    path = source()
    path.write_text(f"plugin: ai_aas.inference.model_registry\n{encrypted.stdout}\n")
    assert hosts(listed(path, *vault)) == {"demo@development"}


def refused(registry: Registry) -> tuple[str, str]:
    port = free_ports(["nobody"])["nobody"]
    return Server(port).url("lab", password="s3cret"), f"127.0.0.1:{port}/lab: connection refused. Check that"


def wrong_password(registry: Registry) -> tuple[str, str]:
    url = registry.server.url(registry.layout, password="s3cret")
    return url, f"127.0.0.1:{registry.server.port}/{registry.layout}: authentication failed. Check user and password"


def unreadable(registry: Registry) -> tuple[str, str]:
    return "postgresql://u:s3cret@and@db/lab", "database_url (or DATABASE_URL) is no connection string"


def none_given(registry: Registry) -> tuple[str, str]:
    return "", "Failed to connect to database: none is given"


@pytest.mark.parametrize("case", [refused, wrong_password, unreadable, none_given])
@pytest.mark.parametrize("given", ["in the file", "in the environment"])
def test_failure(
    either: Registry,
    source: Callable[..., Path],
    case: Callable[[Registry], tuple[str, str]],
    given: str,
) -> None:
    url, message = case(either)
    in_file = url and given == "in the file"
    path = source(database_url=url) if in_file else source()
    env = {"DATABASE_URL": url} if url and not in_file else {}
    plain = shown(path, **env)
    assert message in " ".join(plain.stderr.split())
    assert "Traceback" not in plain.stderr
    for done in (plain, shown(path, "-vvvv", **VERBOSE, **env)):
        assert "s3cret" not in done.stdout + done.stderr


def test_without_psycopg2_an_installation_hint(either: Registry, source: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['psycopg2'] = None\n")
    done = shown(source(), DATABASE_URL=either.url, PYTHONPATH=str(tmp_path))
    text = " ".join(done.stderr.split())
    assert f"Install it there: {sys.executable} -m pip install psycopg2-binary" in text
    assert "Traceback" not in text


def test_file_name(either: Registry, source: Callable[..., Path], tmp_path: Path) -> None:
    """The end of its name says whose file it is."""
    add(either, ["demo"])
    path = source()
    other = path.rename(tmp_path / "model_registry.yaml")
    assert hosts(listed(other, DATABASE_URL=either.url)) == {"demo@development"}
    other = other.rename(tmp_path / "hosts.yml")
    done = shown(other, DATABASE_URL=either.url, **VERBOSE)
    assert done.returncode != 0
    assert "could not be verified by inventory plugin" in " ".join(done.stderr.split())
