# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as its user calls it: `python -m tests.lab <verb>`, for one name and one environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import config, paths, state

_SECONDS = 180


@dataclass(frozen=True)
class LabCli:
    """One lab. `environ` is added to this process's environment, `prefix` is put before the command."""

    name: str
    environ: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()

    @property
    def full_environ(self) -> dict[str, str]:
        return {**os.environ, **self.environ, "LAB_NAME": self.name}

    @property
    def state_dir(self) -> Path:
        return paths.state_dir(self.full_environ)

    def popen(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-m", "tests.lab", *words],
            cwd=paths.REPOSITORY,
            env=self.full_environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = self.popen(*words)
        try:
            stdout, stderr = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)

    def up(self) -> config.Lab:
        result = self.call("up")
        assert result.returncode == 0, f"`up` of lab {self.name} failed:\n{result.stderr}"
        return self.running()

    def running(self) -> config.Lab:
        found = config.load(self.state_dir)
        assert found is not None, f"lab {self.name} has no lab.json in {self.state_dir}"
        return found

    def down(self) -> None:
        """Take the lab down; whatever survives that is ended by its records, so that a failed test leaves nothing."""
        try:
            result = self.call("down")
            assert result.returncode == 0, f"`down` of lab {self.name} failed:\n{result.stderr}"
            assert not state.marked(self.state_dir), "`down` left processes of the lab behind"
        finally:
            state.end_all(self.state_dir, grace=0)
