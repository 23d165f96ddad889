# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab that all integration tests share: one for each checkout, apart from the developer's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.lab_cli import LabCli
from tests.lab.__main__ import search_path, variables
from tests.lab.config import Lab
from tests.lab.paths import default_name

_CLI = LabCli(os.environ.get("LAB_NAME") or f"{default_name()}-test")


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
