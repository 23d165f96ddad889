# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file that can say so names its licence."""

from __future__ import annotations

import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
HEAD_LINES = 20
# Files of these kinds hold no comments, or are generated or plain text.
WITHOUT = {".json", ".md", ".txt", ".mod", ".sum", ".in", ""}
NAMED = {".helmignore"}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (path := CHECKOUT / name).is_file()]


def head(path: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8").splitlines()[:HEAD_LINES])


def test_every_file_names_its_licence() -> None:
    files = [
        path for path in tracked() if path.suffix not in WITHOUT and path.name not in NAMED and path.stat().st_size
    ]
    assert len(files) > 100
    lacking = [str(path) for path in files if "SPDX-License-Identifier: GPL-3.0-or-later" not in head(path)]
    assert lacking == []


def test_every_module_names_the_licence_as_ansible_test_wants_it() -> None:
    modules = list((CHECKOUT / "plugins" / "modules").glob("*.py"))
    assert modules
    assert [path.name for path in modules if "GNU General Public License v3.0+" not in head(path)] == []
