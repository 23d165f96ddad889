# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wait costs where it runs: the peak memory of its process, for one release and for fifty of them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.integration.readiness.deployments import MODEL, Deployments, container, parameters
from tests.integration.readiness.measured import Measured, finish, measured, waiting

MEGABYTES_FOR_ONE = 100
MEGABYTES_FOR_MANY = 150
MANY = 50
PATIENCE = 90.0
KINDS = ("wait", "module")


@pytest.mark.parametrize("kind", KINDS)
def test_one_release(deployments: Deployments, release: str, kind: str) -> None:
    """From its creation on, so that all of its life is followed."""
    with waiting(deployments.parameters(release, fail_fast="never"), kind) as process:
        deployments.create(release)
        found = finish(process)
    check(found, kind, MEGABYTES_FOR_ONE)


@pytest.fixture
def many(deployments: Deployments) -> Iterator[list[str]]:
    """The names of releases that a test makes; what it made is deleted."""
    names = [f"many-{number}" for number in range(MANY)]
    yield names
    for name in names:
        deployments.delete(name)


def test_many_releases_in_one_process(deployments: Deployments, many: list[str]) -> None:
    """While they come up, and once more by the module when all are there."""
    loading = random.Random(0)  # noqa: S311
    releases = [{"model": MODEL, "release": name, "namespace": deployments.namespace} for name in many]
    given = parameters(releases=releases, kubeconfig=deployments.kubeconfig, timeout=PATIENCE, fail_fast="never")
    with waiting(given) as process:
        for name in many:
            deployments.create(name, container(env={"LAB_VLLM_LOAD_SECONDS": str(loading.uniform(1, 6))}))
        found = finish(process)
    assert len({each["seconds"] for each in found.result["releases"]}) > 1
    check(found, f"{MANY} releases", MEGABYTES_FOR_MANY)
    check(measured(given, "module"), f"{MANY} releases, module", MEGABYTES_FOR_MANY)


def check(found: Measured, what: str, most: float) -> None:
    print(f"{what}: {found}")
    assert found.result["ready"], found.result
    assert found.megabytes <= most
    assert found.stderr == ""
