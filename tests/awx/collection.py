# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put awx.awx into the virtual environment where the `ansible` package comes without it, as 14.5 does."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

SOURCE = "ansible==12.3.0"
COLLECTION = "ansible_collections/awx/awx/"


def add_to(packages: Path) -> None:
    """Take the collection out of the last `ansible` package that has it, unless it is there."""
    if (packages / COLLECTION / "MANIFEST.json").exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*words, "--disable-pip-version-check", "--dest", folder, SOURCE], check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            wheel.extractall(packages, [name for name in wheel.namelist() if name.startswith(COLLECTION)])


if __name__ == "__main__":
    add_to(Path(sysconfig.get_path("purelib")))
