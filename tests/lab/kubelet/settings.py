# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the environment and the command line tell the kubelet."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[3]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")


class Settings(NamedTuple):
    """Fixed for a kubelet's life."""

    state_dir: Path
    pull_seconds: float = 0.1
    backoff_seconds: float = 1.0
    vllm_command: tuple[str, ...] | None = None
    process_env: Mapping[str, str] = {}
    """What every process gets beside its container's own environment."""

    @property
    def server_command(self) -> tuple[str, ...]:
        """What comes before a vLLM container's arguments. Without `site` Python starts in half the time."""
        return self.vllm_command or (sys.executable, "-S", "-m", "tests.lab.vllm_server", "serve")

    @property
    def server_env(self) -> dict[str, str]:
        """What the stand-in needs to be found."""
        return {} if self.vllm_command else {"PYTHONPATH": str(REPOSITORY)}


def read_settings(state_dir: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment."""
    environ = os.environ if environ is None else environ
    kept = {name: value for name, value in environ.items() if name in KEPT or name.startswith(("LAB_VLLM_", "AI_AAS_"))}
    command = shlex.split(environ.get("LAB_VLLM_COMMAND", ""))
    # A real vLLM was installed by somebody whose environment it needs; a stand-in needs nothing.
    return Settings(
        state_dir,
        float(environ.get("LAB_PULL_SECONDS", "0.1")),
        float(environ.get("LAB_BACKOFF_SECONDS", "1")),
        tuple(command) or None,
        dict(environ) if command else kept,
    )
