# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup of endpoints, as a playbook calls it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import ADMIN_PASSWORD, Registry, Server, run_program

ENDPOINT = "demo.system.svc.cluster.local:8000"


@pytest.fixture
def either(server: Server) -> Registry:
    """An empty registry, for what does not depend on its layout."""
    server.execute("superset", "TRUNCATE model_registry_entries CASCADE")
    return Registry(server, "superset")


def looked_up(*names: object, env: dict[str, str], **options: object) -> tuple[Any, str]:
    """What the lookup returns, and everything that Ansible says."""
    query = "{{ query('ai_aas.inference.model_endpoint', *names, **options) }}"
    given = {"names": names, "options": {"environment": "development", **options}}
    task = ["-m", "ansible.builtin.debug", "-a", json.dumps({"msg": query}), "-e", json.dumps(given)]
    done = run_program(["ansible", "localhost", "-vvv", *task], env)
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    found = json.loads(done.stdout.partition("=>")[2])["msg"] if done.returncode == 0 else None
    return found, " ".join(text.split())


def test_endpoints_in_the_order_of_the_names(registry: Registry) -> None:
    for number, name in enumerate(("demo", "llama"), 1):
        registry.add("ready", model_name=name, deployment_endpoint=f"{name}.system.svc.cluster.local:{number}")
    registry.add("ready", deployment_environment="staging", revision=3, deployment_endpoint="elsewhere")
    found, _unused = looked_up("llama", "demo", "llama", env={"DATABASE_URL": registry.url})
    assert found == [
        f"{name}.system.svc.cluster.local:{number}" for name, number in (("llama", 2), ("demo", 1), ("llama", 2))
    ]
    found, _unused = looked_up("demo", env={}, database_url=registry.url, environment="staging")
    assert found == ["elsewhere"]
    assert looked_up(env={"DATABASE_URL": registry.url})[0] == []


def test_only_what_is_ready_counts(registry: Registry) -> None:
    registry.add("disabled")
    env = {"DATABASE_URL": registry.url}
    found, text = looked_up("demo", env=env)
    assert found is None
    assert "Model 'demo' has no endpoint to be used in environment 'development': its status is 'disabled'" in text
    assert "set any_status to true" in text
    assert looked_up("demo", env=env, any_status=True)[0] == ["old.system.svc.cluster.local:8000"]
    found, text = looked_up("demo", "other", env=env, any_status=True)
    assert found is None
    assert "Model 'other' has no endpoint to be used in environment 'development': it is not registered there" in text


def test_what_the_registry_holds_is_no_template(registry: Registry, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    hostile = "{{ lookup('ansible.builtin.pipe', 'touch " + str(proof) + "') }}"
    registry.add("ready", deployment_endpoint=hostile)
    assert looked_up("demo", env={"DATABASE_URL": registry.url})[0] == [hostile]
    assert not proof.exists()


def test_login_options(either: Registry) -> None:
    """They have precedence over the environment's DATABASE_URL."""
    either.add("ready", deployment_endpoint=ENDPOINT)
    login = {"login_host": "127.0.0.1", "login_port": either.server.port, "login_db": either.layout}
    login |= {"login_user": "postgres", "login_password": ADMIN_PASSWORD}
    env = {"DATABASE_URL": "postgresql://u:p@nowhere.invalid/x"}
    assert looked_up("demo", env=env, **login)[0] == [ENDPOINT]
    found, text = looked_up("demo", env=env, **login | {"login_password": "s3cret"})
    assert found is None
    assert f"127.0.0.1:{either.server.port}/{either.layout}: authentication failed" in text


@pytest.mark.parametrize("name", [7, ["demo"], None])
def test_names_are_strings(either: Registry, name: object) -> None:
    found, text = looked_up(name, env={"DATABASE_URL": either.url})
    assert found is None
    assert f"Invalid model name: {name}: It must be a string." in text


def test_without_psycopg2_an_installation_hint(either: Registry, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['psycopg2'] = None\n")
    found, text = looked_up("demo", env={"DATABASE_URL": either.url, "PYTHONPATH": str(tmp_path)})
    assert found is None
    assert f"Install it there: {sys.executable} -m pip install psycopg2-binary" in text
