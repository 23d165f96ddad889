# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules on the command line, as the README shows them: dry run, JSON, one line."""

from __future__ import annotations

import json
from subprocess import CompletedProcess

from tests.integration.main_path.sites import JSON_OUTPUT, Site


def entry(site: Site, arguments: str, *flags: str, **env: str) -> CompletedProcess[str]:
    """Manage the entry `<site>-adhoc` ad hoc."""
    every = f"model_name={site.name}-adhoc environment=development {arguments}"
    module = "ai_aas.inference.model_registry_entry"
    quiet = {"ANSIBLE_LOCALHOST_WARNING": "0", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0"}
    return site.ansible(
        "ansible", "localhost", "-m", module, "-a", every, *flags, **{**quiet, "ANSIBLE_NOCOLOR": "1", **env}
    )


def test_a_dry_run_then_json_then_one_line(site: Site) -> None:
    model, endpoint = f"{site.name}-adhoc", f"adhoc.{site.name}.svc.cluster.local:8000"
    dry = entry(site, f"endpoint={endpoint}", "--check", "--diff")
    assert dry.returncode == 0
    assert "localhost | CHANGED" in dry.stdout
    assert f'+    "endpoint": "{endpoint}"' in dry.stdout
    assert site.rows() == {}

    as_json = entry(site, f"endpoint={endpoint}", ANSIBLE_LOAD_CALLBACK_PLUGINS="1", **JSON_OUTPUT)
    (task,) = json.loads(as_json.stdout)["plays"][0]["tasks"]
    result = task["hosts"]["localhost"]
    assert (result["changed"], result["entry"]["status"], result["actions"][0]) == (True, "ready", "insert")
    assert site.rows() == {model: "ready"}

    quiet = entry(site, f"endpoint={endpoint}", "--one-line")
    (line,) = quiet.stdout.splitlines()
    assert line.startswith("localhost | SUCCESS => {")
    assert json.loads(line.partition(" => ")[2])["changed"] is False


def test_a_mistake_ends_with_its_cause_and_an_exit_code(site: Site) -> None:
    ended = entry(site, "endpoint=adhoc:8000", "--one-line")
    assert ended.returncode == 2
    assert "Invalid endpoint format: adhoc:8000" in ended.stdout
    assert site.rows() == {}
