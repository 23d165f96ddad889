# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab that all integration tests share: one for each checkout, apart from the developer's own.

Two workers of xdist may share it (`make integration`): each file goes to one of them, and those whose
models take the lab's few GPUs all go to the same one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.integration.lab_cli import LabCli
from tests.lab.__main__ import search_path, variables
from tests.lab.config import Lab
from tests.lab.paths import default_name

WITH_GPUS = [
    f"tests/integration/main_path/test_{name}.py"
    for name in ("deploy", "download", "drain", "environment", "kills", "lock", "refusals", "rescue", "rollback")
]
_CLI = LabCli(os.environ.get("LAB_NAME") or f"{default_name()}-test")


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Tests of a file run in the same worker, and so do all those with GPUs."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "gpus" if file in WITH_GPUS else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first."""
    items.sort(key=lambda item: item.nodeid.partition("::")[0] not in WITH_GPUS)


@dataclass(frozen=True)
class SharedLab:
    """`env` holds KUBECONFIG, DATABASE_URL, REDIS_URL, ROUTER_URL (of development) and PATH."""

    config: Lab
    env: dict[str, str]
    state_dir: Path
    kubeconfig: Path

    def router_url(self, environment: str) -> str:
        return self.config.router_url(environment)


@pytest.fixture(scope="session")
def lab() -> SharedLab:
    """A healthy lab, brought up or found running."""
    running = _CLI.up()
    search = os.pathsep.join([*search_path(), os.environ["PATH"]])
    env = variables(running, "development") | {"PATH": search}
    return SharedLab(running, env, Path(running.state_dir), Path(running.kubeconfig))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take the shared lab down, unless LAB_KEEP=1. Under xdist only the last one out does it."""
    is_worker = hasattr(session.config, "workerinput")
    if not is_worker and os.environ.get("LAB_KEEP") != "1" and _CLI.state_dir.exists():
        _CLI.down()
