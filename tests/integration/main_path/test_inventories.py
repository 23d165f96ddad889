# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories that come with the collection, unchanged: the lab is named by environment variables alone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.awx.signing import sign
from tests.integration.main_path.sites import CHART, Site

INVENTORIES = sorted(path for path in (CHART.parents[1] / "inventories").iterdir() if path.is_dir())
STRICT = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1"}
MODEL = "gpt-oss-20b"


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda path: path.name)
def test_an_inventory_names_one_environment_and_runs_with_our_python(site: Site, inventory: Path) -> None:
    listed = site.ansible("ansible-inventory", "--list", "-i", str(inventory), **STRICT)
    assert listed.returncode == 0, listed.stderr
    hosts = json.loads(listed.stdout)["_meta"]["hostvars"]
    expected = "development" if inventory.name == "lab" else inventory.name
    assert {host["environment_name"] for host in hosts.values()} == {expected}
    assert {host["ansible_connection"] for host in hosts.values()} == {"local"}

    # Another Python is the first on the path, as where the collection is called by the path of its environment.
    gathered = site.ansible(
        "ansible", "all", "-i", str(inventory), "-m", "ansible.builtin.setup", "-a", "gather_subset=!all,!min,python",
        "--one-line", PATH=os.defpath, **STRICT,
    )  # fmt: skip
    assert gathered.returncode == 0, gathered.stdout
    for line in gathered.stdout.splitlines():
        facts = json.loads(line.partition(" => ")[2])["ansible_facts"]
        assert facts["ansible_python"]["executable"] == sys.executable


@pytest.fixture
def place(site: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    """What the inventory of an environment deploys, and its removal."""
    environment, namespace = request.param
    own = Site(site.lab, site.folder, namespace, environment)
    try:
        yield own
    finally:
        own.call("kubectl", "delete", "deployments,pods", "--all", "--force", "--grace-period=0", check=False)
        for release in own.releases():
            own.call("helm", "uninstall", release)
        own.execute("DELETE FROM model_registry_entries WHERE model_name = %s", MODEL)


def stated(_place: Site, identity: str) -> list[str]:
    return ["-e", json.dumps({"approval_identity": identity, "approval_reason": "reviewed by the team"})]


def signed(place: Site, identity: str) -> list[str]:
    said = {"environment": place.environment, "identities": {MODEL: identity}, "reason": "reviewed by the team"}
    signature = sign(place.folder, "bob", said)
    group = {place.environment: {"vars": {"environment_approval_keyring": str(signature.keyring)}}}
    (place.folder / "keyring.yml").write_text(json.dumps(group))
    return ["-i", str(place.folder / "keyring.yml"), "-e", f"approval_file={signature.file}"]


def nothing(_place: Site, _identity: str) -> list[str]:
    return []


APPROVALS = {"development": nothing, "staging": stated, "production": signed}
PLACES = [("development", "system"), ("staging", "staging"), ("production", "production")]


@pytest.mark.parametrize("place", PLACES, ids=lambda each: each[0], indirect=True)
def test_an_environment_is_deployed_with_its_inventory_and_what_it_wants_of_approvals(place: Site) -> None:
    inventory = CHART.parents[1] / "inventories" / place.environment
    shown = place.folder / "evidence.json"
    place.succeed("evidence", "-e", f"vllm_evidence_file={shown}", inventory=inventory)
    assert place.releases() == {}
    identity = json.loads(shown.read_text())["identity"]
    flags = APPROVALS[place.environment](place, identity)
    if flags:
        assert "The change is not approved" in place.fail("deploy", inventory=inventory).failure(MODEL)
    play = place.succeed("deploy", *flags, inventory=inventory)
    assert play.result(MODEL, "Ask the router")["route"] == "served"
    (row,) = place.execute(
        "SELECT deployment_environment, deployment_namespace FROM model_registry_entries WHERE model_name = %s", MODEL
    )
    assert row == {"deployment_environment": place.environment, "deployment_namespace": place.name}
    assert place.ask(MODEL) == 200
    (deployment,) = place.get("deployments")
    assert deployment["status"]["readyReplicas"] == (2 if place.environment == "production" else 1)
