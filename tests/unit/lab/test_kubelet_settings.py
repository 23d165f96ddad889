# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kubelet takes from its environment."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.lab.kubelet.settings import read_settings


def test_a_stand_in_gets_no_more_than_it_needs() -> None:
    environ = {"PATH": "/bin", "DATABASE_URL": "secret", "LAB_VLLM_LOAD_SECONDS": "1", "LAB_BACKOFF_SECONDS": "3"}
    found = read_settings(Path("/state"), environ)
    assert found.process_env == {"PATH": "/bin", "LAB_VLLM_LOAD_SECONDS": "1"}
    assert (found.backoff_seconds, found.pull_seconds) == (3, 0.1)
    assert found.server_command == (sys.executable, "-S", "-m", "tests.lab.vllm_server", "serve")
    assert set(found.server_env) == {"PYTHONPATH"}


def test_a_real_vllm_gets_its_installers_environment() -> None:
    environ = {"PATH": "/bin", "HF_HOME": "/models", "LAB_VLLM_COMMAND": "/opt/v/bin/vllm serve"}
    found = read_settings(Path("/state"), environ)
    assert found.process_env == environ
    assert found.server_command == ("/opt/v/bin/vllm", "serve")
    assert found.server_env == {}
