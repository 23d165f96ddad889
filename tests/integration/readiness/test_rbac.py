# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account that may do what docs/readiness.md says gets everything, and one that may do less is told what."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.integration.readiness.accounts import Accounts
from tests.integration.readiness.deployments import Deployments, Json, container, ready
from tests.lab.paths import REPOSITORY

GUIDE = REPOSITORY / "docs" / "readiness.md"
KEY = "sk-lab"
GPUS = {"limits": {"nvidia.com/gpu": "2"}}


def documented() -> dict[tuple[str, str], list[Json]]:
    """The rules in the guide, by kind and name."""
    text = GUIDE.read_text(encoding="utf-8").partition("## What the account may do")[2]
    found = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    return {(each["kind"], each["metadata"]["name"]): each["rules"] for each in found}


def single(rules: Sequence[Json]) -> list[Json]:
    """The same rules with one resource and one verb each."""
    return [
        {**rule, "resources": [resource], "verbs": [verb]}
        for rule in rules
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


ROLE = single(documented()["Role", "vllm-ready"])
SECRET = single(documented()["Role", "vllm-ready-key"])
EVERYWHERE = single(documented()["ClusterRole", "vllm-ready"])


@pytest.fixture(scope="module")
def accounts(deployments: Deployments) -> Iterator[Accounts]:
    found = Accounts(deployments.api, deployments.kubeconfig, deployments.namespace)
    yield found
    found.remove()


@pytest.fixture(scope="module")
def releases(deployments: Deployments) -> Deployments:
    """One in each situation, named for it."""
    path = f"{deployments.pods.path}/secrets"
    deployments.api.request("POST", path, {"metadata": {"name": "vllm-api-key"}, "stringData": {"api-key": KEY}})
    deployments.create("serving")
    deployments.create("locked", container(f"--api-key={KEY}"))
    deployments.create("crashing", container(env={"LAB_VLLM_FAULT": "cuda-oom"}))
    volume = {"name": "v", "secret": {"secretName": "not-there"}}
    deployments.create(
        "mounting", container(volumeMounts=[{"name": "v", "mountPath": "/v"}]), pod={"volumes": [volume]}
    )
    deployments.create("crowded", container(resources=GPUS), replicas=3)
    deployments.create("oversized", container(resources={"limits": {"nvidia.com/gpu": "99"}}))
    for name in ("serving", "locked"):
        deployments.wait_available(name)
    deployments.wait("crashing", lambda pods: pods and "restartCount" in str(pods) and "lastState" in str(pods))
    return deployments


class Case(NamedTuple):
    """What is taken away (nothing: None), the release, and what the module says then."""

    without: tuple[str, str] | None
    release: str
    reason: str | None
    words: tuple[str, ...] = ()
    everywhere: bool = False


FULL = (
    Case(None, "serving", None),
    Case(None, "crashing", "cuda_out_of_memory", ("CUDA out of memory. Tried to allocate",)),
    Case(None, "mounting", "config_missing", ('secret "not-there" not found',)),
    Case(None, "crowded", "unschedulable", ("nvidia.com/gpu is held by", "/crowded-"), everywhere=True),
    Case(
        None, "oversized", "unschedulable", ("can never be scheduled", "no node of 3 has more than 2"), everywhere=True
    ),
)
LESS = (
    Case(("deployments", "list"), "serving", "forbidden", ('cannot list resource "deployments"',)),
    Case(("replicasets", "list"), "serving", "forbidden", ('cannot list resource "replicasets"',)),
    Case(("pods", "list"), "serving", "forbidden", ('cannot list resource "pods"',)),
    Case(("deployments", "watch"), "serving", None),
    Case(("replicasets", "watch"), "serving", None),
    Case(("pods", "watch"), "serving", None),
    Case(("pods/portforward", "get"), "serving", "forbidden", ("get", "pods/portforward")),
    Case(("pods/portforward", "create"), "serving", "forbidden", ("create", "pods/portforward")),
    Case(("events", "list"), "mounting", "starting", ('cannot list resource "events"',)),
    Case(("pods/log", "get"), "crashing", "crash", ('cannot get resource "pods/log"',)),
    Case(("nodes", "list"), "oversized", "unschedulable", ('cannot list resource "nodes"',), everywhere=True),
    Case(("pods", "list everywhere"), "crowded", "unschedulable", ("alone", "/crowded-"), everywhere=True),
)


def granted(case: Case) -> tuple[list[Json], list[Json]]:
    """What the account of a case may do in its namespace and everywhere."""
    inside = [rule for rule in ROLE if (rule["resources"][0], rule["verbs"][0]) != case.without]
    outside = [rule for rule in EVERYWHERE if case.everywhere and is_kept(rule, case.without)]
    assert len(inside) + len(outside) == len(ROLE) + len(EVERYWHERE) * case.everywhere - bool(case.without)
    return inside, outside


def is_kept(rule: Json, without: tuple[str, str] | None) -> bool:
    resource = rule["resources"][0]
    return without not in (
        (resource, f"{rule['verbs'][0]} everywhere"),
        ("nodes", "list") if resource == "nodes" else (),
    )


def outcome(releases: Deployments, accounts: Accounts, case: Case, folder: Path) -> tuple[Json, str]:
    """What the module returns to such an account, and what it says."""
    name = f"a-{uuid.uuid4().hex[:8]}"
    accounts.create(name, *granted(case))
    login = accounts.login(name, folder)
    params = releases.parameters(case.release, kubeconfig=login, timeout=10.0, fail_fast="suspect")
    # A container that crashes runs now and then.
    result = ready(params, once=case.release not in ("serving", "crashing"))
    return result, str(result.get("failed") or result["msg"])


@pytest.mark.parametrize("case", FULL, ids=lambda case: case.release)
def test_what_is_documented_is_enough(case: Case, releases: Deployments, accounts: Accounts, tmp_path: Path) -> None:
    result, told = outcome(releases, accounts, case, tmp_path)
    assert result["reason"] == case.reason, told
    assert [word for word in case.words if word not in told] == [], told


@pytest.mark.parametrize("case", LESS, ids=lambda case: "without " + " ".join(case.without or ()))
def test_what_is_missing_is_said(case: Case, releases: Deployments, accounts: Accounts, tmp_path: Path) -> None:
    result, told = outcome(releases, accounts, case, tmp_path)
    assert result["reason"] == case.reason, told
    assert [word for word in case.words if word not in told] == [], told
    if case.reason == "forbidden":
        assert result["severity"] == "permanent"
        assert "docs/readiness.md has the Role" in told


def test_each_verb_is_taken_away_once() -> None:
    """A rule that is added to the guide needs a case."""
    taken = {case.without for case in LESS}
    given = {(rule["resources"][0], rule["verbs"][0]) for rule in ROLE} | {
        ("nodes", "list"),
        ("pods", "list everywhere"),
    }
    assert taken == given


@pytest.mark.parametrize("may_read", [True, False])
def test_the_key_of_a_server(may_read: bool, releases: Deployments, accounts: Accounts, tmp_path: Path) -> None:
    name = f"k-{uuid.uuid4().hex[:8]}"
    accounts.create(name, [*ROLE, *(SECRET if may_read else ())])
    secret = {"name": "vllm-api-key", "key": "api-key"}
    login = accounts.login(name, tmp_path)
    result = releases.ready("locked", kubeconfig=login, api_key_secret=secret)
    if may_read:
        assert result["ready"], result
    else:
        assert 'cannot get resource "secrets"' in result["failed"]
        assert "vllm-api-key" in result["failed"]
