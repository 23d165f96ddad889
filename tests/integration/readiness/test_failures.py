# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of failures: each is provoked in the lab, and is reported with its cause, soon, and never as ready."""

from __future__ import annotations

import importlib
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import HEALS

from tests.integration.readiness import cluster_failures, pod_failures, server_failures
from tests.integration.readiness.deployments import Deployments
from tests.integration.readiness.failures import Case, Report, Sighting, Stage, check, provoke
from tests.integration.readiness.scene import Scene, Sign, available, ended, server

if TYPE_CHECKING:
    from tests.integration.conftest import SharedLab

CASES = (*cluster_failures.CASES, *pod_failures.CASES, *server_failures.CASES)
MOST_SECONDS = 3.0
MOST_FOR_ALL = 400
# What the module imports late; a case is not to pay for all.
SLOW_TO_IMPORT = ("kubernetes.config", "kubernetes.stream.ws_client", "kubernetes.utils.quantity")


@pytest.fixture(scope="module")
def stage(
    deployments: Deployments, lab: SharedLab, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Stage[Report]]:
    """Provokes all failures whose tests were chosen, some of them at the same time."""

    def act(case: Case) -> Report:
        with Scene(deployments, tmp_path_factory.mktemp("case"), lab.state_dir) as scene:
            return provoke(case, scene)

    for name in SLOW_TO_IMPORT:
        importlib.import_module(name)
    chosen = {item.name for item in request.session.items}
    with Stage(act) as running:
        for case in CASES:
            if f"test_failure[{case.name}]" in chosen:
                running.begin(case.name, case)
        yield running


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_failure(case: Case, stage: Stage[Report]) -> None:
    check(case, stage.begin(case.name, case).result(MOST_FOR_ALL))


@pytest.fixture
def scene(deployments: Deployments, lab: SharedLab, tmp_path: Path) -> Iterator[Scene]:
    with Scene(deployments, tmp_path, lab.state_dir) as made:
        yield made


def test_a_budget_that_is_used_up_ends_the_wait(scene: Scene) -> None:
    scene.deploy(server(load=60))
    result = scene.deployments.ready(scene.release, budgets={"loaded": 1.5})
    assert (result["ready"], result["reason"], result["severity"]) == (False, "loading", HEALS)
    assert "(budget of loaded)" in result["failed"]
    assert "The phase loaded has used up its 1.5 s" in result["failed"]
    assert result["phases"].keys() == {"scheduled", "pulled", "started"}


@pytest.mark.parametrize(
    ("fault", "sign", "fail_fast"),
    [("bad-flag", ended, "never"), ("zero-tokens", available, "permanent")],
    ids=["permanent-under-never", "suspect-under-permanent"],
)
def test_what_may_not_end_a_wait_leaves_that_to_the_timeout(
    scene: Scene, fault: str, sign: Sign, fail_fast: str
) -> None:
    scene.deploy(server(fault))
    with Sighting(sign, scene) as sighting:
        assert sighting.wait()
    result = scene.deployments.ready(scene.release, fail_fast=fail_fast, timeout=2)
    assert not result["ready"]
    assert "(timeout)" in result["failed"]
    assert result["seconds"] >= 2


@pytest.mark.parametrize("exists", [False, True])
def test_a_key_that_is_not_there_is_named(scene: Scene, exists: bool) -> None:
    scene.deploy()
    if exists:
        scene.create("secrets", scene.release, stringData={"other": "x"})
    result = scene.deployments.ready(scene.release, api_key_secret={"name": scene.release, "key": "api-key"})
    assert not result.get("ready")
    assert scene.release in result["failed"]
    assert ("api-key" if exists else "not found") in result["failed"]


def test_all_are_reported_soon(stage: Stage[Report], capsys: pytest.CaptureFixture[str]) -> None:
    futures = [(case, stage.begin(case.name, case)) for case in CASES]
    # What came of a case without a report is its own test's matter.
    reports = [(case, future.result()) for case, future in futures if not future.exception(MOST_FOR_ALL)]
    ending = [report.late for case, report in reports if case.severity != HEALS and report.late is not None]
    p95, most = statistics.quantiles(ending, n=20)[-1], max(ending)
    with capsys.disabled():
        print()
        for case, report in reports:
            late = "never seen" if report.late is None else f"{report.late:.2f} s"
            print(f"  {case.name:<36}{report.reason or 'ready':<26}{case.severity:<11}{late}")
        print(f"{len(ending)} of {len(CASES)} end the wait: p95 {p95:.2f} s, most {most:.2f} s after the API showed it")
    assert p95 <= MOST_SECONDS
