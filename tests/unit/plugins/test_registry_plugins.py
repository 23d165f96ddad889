# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lookup and the inventory make of an entry, and what they say without a database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible_collections.ai_aas.inference.plugins.inventory.model_registry import release_of, variables_of
from ansible_collections.ai_aas.inference.plugins.lookup.model_endpoint import endpoint_of
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import connection_arguments
from ansible_collections.ai_aas.inference.plugins.plugin_utils.errors import failing_as
from ansible_collections.ai_aas.inference.plugins.plugin_utils.registry import fingerprint, read_entries

ENDPOINT = "demo-vllm-deployment.system.svc.cluster.local:8000"
ENTRY = {
    "model_name": "demo",
    "environment": "staging",
    "endpoint": ENDPOINT,
    "namespace": "system",
    "status": "ready",
}
REQUEST: dict[str, Any] = {name: option.get("default") for name, option in connection_arguments().items()}


@pytest.mark.parametrize("path", ["inventory/model_registry", "lookup/model_endpoint"])
def test_a_plugin_has_the_connection_options_of_the_modules(path: str) -> None:
    kind, name = path.split("/")
    full_name = f"ai_aas.inference.{name}"
    program = str(Path(sys.executable).with_name("ansible-doc"))
    done = subprocess.run(
        [program, "-t", kind, "--json", full_name], capture_output=True, text=True, timeout=60, check=True
    )
    options = json.loads(done.stdout)[full_name]["doc"]["options"]
    assert options["database_url"]["env"] == [{"name": "DATABASE_URL"}]
    for option, argument in connection_arguments().items():
        assert options[option]["type"] == argument["type"]
        assert options[option].get("default") == argument.get("default")
        assert options[option].get("choices") == argument.get("choices")


@pytest.mark.parametrize(("status", "any_status"), [("ready", False), ("ready", True), ("failed", True), (None, True)])
def test_endpoint_of(status: str | None, any_status: bool) -> None:
    assert endpoint_of(ENTRY | {"status": status}, "demo", "staging", any_status) == ENDPOINT


@pytest.mark.parametrize(
    ("change", "any_status", "cause"),
    [
        ({"status": "failed"}, False, "its status is 'failed', so it is not routed to"),
        ({"status": None}, False, "its status is 'none'"),
        ({"status": "\x1b[2J"}, False, r"its status is '\x1b[2J'"),
        ({"endpoint": None}, False, "its entry holds no endpoint"),
        ({"endpoint": None, "status": None}, True, "its entry holds no endpoint"),
        (None, False, "it is not registered there"),
        (None, True, "it is not registered there"),
    ],
)
def test_no_endpoint_to_be_used(change: dict[str, Any] | None, any_status: bool, cause: str) -> None:
    entry = None if change is None else ENTRY | change
    with pytest.raises(InferenceError) as caught:
        endpoint_of(entry, "demo", "staging", any_status)
    assert caught.value.message.startswith("Model 'demo' has no endpoint to be used in environment 'staging': ")
    assert cause in caught.value.message


@pytest.mark.parametrize(
    ("endpoint", "release"),
    [
        (ENDPOINT, "demo"),
        ("a-vllm-deployment-vllm-deployment.b.svc.cluster.local:1", "a-vllm-deployment"),
        ("demo.system.svc.cluster.local:8000", None),
        ("-vllm-deployment.system.svc.cluster.local:8000", None),
        ("demo-vllm-deployment", None),
        ("", None),
        (None, None),
    ],
)
def test_release_of(endpoint: str | None, release: str | None) -> None:
    assert release_of(endpoint) == release


def test_variables() -> None:
    assert variables_of(ENTRY) == {
        "vllm_served_name": "demo",
        "environment_name": "staging",
        "vllm_namespace": "system",
        "vllm_endpoint": ENDPOINT,
        "vllm_release": "demo",
        "registry_entry": ENTRY,
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }


def test_what_an_entry_lacks_is_not_defined() -> None:
    for nothing in (None, ""):
        variables = variables_of(ENTRY | {"endpoint": nothing, "namespace": nothing})
        assert not {"vllm_namespace", "vllm_endpoint", "vllm_release"} & set(variables)
    assert variables_of(ENTRY | {"namespace": None})["vllm_namespace"] == "system"


def test_requests_are_told_apart_but_not_by_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)

    def of(url: str, **rest: str | None) -> str:
        return fingerprint(REQUEST | {"database_url": url, "status": None, **rest})

    one = of("postgresql://u:s3cret@db/lab")
    assert one == of("postgresql://u:other@db/lab")
    login = {"login_host": "db", "login_user": "u", "login_db": "lab", "status": None}
    assert fingerprint(REQUEST | login | {"login_password": "s3cret"}) == fingerprint(REQUEST | login)
    others = [
        of("postgresql://v:s3cret@db/lab"),
        of("postgresql://u:s3cret@db2/lab"),
        of("postgresql://u:s3cret@db/lab2"),
        of("postgresql://u:s3cret@db/lab?options=-csearch_path%3Dother"),
        of("postgresql://u:s3cret@db/lab", status="ready"),
        of("postgresql://u:s3cret@db/lab", status="failed"),
    ]
    assert len({one, *others}) == 7


def test_without_psycopg2_an_installation_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    for call in (read_entries, fingerprint):
        with pytest.raises(InferenceError, match=f"Install it there: {sys.executable} -m pip install psycopg2-binary"):
            call(REQUEST)


def test_an_unforeseen_error_does_not_tell_its_text() -> None:
    with pytest.raises(AnsibleLookupError) as caught, failing_as(AnsibleLookupError):
        raise KeyError("s3cret")
    assert "Unforeseen KeyError" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_an_error_of_ansible_stays_what_it_is() -> None:
    with pytest.raises(AnsibleError, match="cache file") as caught, failing_as(AnsibleLookupError):
        raise AnsibleError("cache file is corrupt")
    assert not isinstance(caught.value, AnsibleLookupError)
