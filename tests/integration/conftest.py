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

from tests.integration.lab_cli import LabCli
from tests.lab.__main__ import search_path, variables
from tests.lab.config import Lab
from tests.lab.paths import default_name

WITH_GPUS = [
    f"main_path/test_{name}"
    for name in ("deploy", "download", "drain", "environment", "kills", "lock", "refusals", "rescue", "rollback")
]
_CLI = LabCli(os.environ.get("LAB_NAME") or f"{default_name()}-test")


# Before xdist looks at the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests have to run in the same worker. The longest group begins first."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            name = str(item.path.relative_to(here).with_suffix(""))
            item.add_marker(pytest.mark.xdist_group("gpus" if name in WITH_GPUS else name))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") != pytest.mark.xdist_group("gpus").mark)


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
