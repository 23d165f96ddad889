# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' own judge of rules and metrics."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.lab import build


class Verdict(NamedTuple):
    """What promtool said."""

    accepted: bool
    text: str


def promtool(*arguments: str | Path, text: str = "") -> Verdict:
    """Run promtool: PROMTOOL_BINARY, else the PATH's, else the lab's build."""
    folder = str(build.binaries(build.PROMTOOL))
    binary = os.environ.get("PROMTOOL_BINARY") or shutil.which("promtool") or shutil.which("promtool", path=folder)
    if not binary:
        raise FileNotFoundError(
            "No promtool: set PROMTOOL_BINARY, put it on the PATH, or run `python -m tests.lab build`"
        )
    done = subprocess.run((binary, *arguments), input=text, capture_output=True, text=True, timeout=60, check=False)
    return Verdict(done.returncode == 0, done.stdout + done.stderr)
