# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test's sanity tests on a real copy of this checkout, as it stands now.

ansible-test wants the path ansible_collections/NAMESPACE/NAME and refuses a link to it. It drops the environment,
so what pip was told there is handed over as a file, and it would download a bootstrap of pip that Python holds itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
BOOTSTRAP = "import ensurepip\nensurepip.bootstrap(default_pip=True)\n"
# ansible-core 2.19 asks for the first, 2.21 for the second.
BOOTSTRAP_NAMES = ("get_pip_24_2.py", "get_pip_25_2.py")
SECONDS = 1200


def copy_to(target: Path) -> None:
    """Copy what git tracks or would track, and make a repository of it: ansible-test asks git what to test."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=CHECKOUT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, target / name)
    subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)
    subprocess.run(["git", "add", "--all"], cwd=target, check=True)


def prepare_home(home: Path) -> None:
    """Give ansible-test a home with pip's settings and the bootstrap that it would download."""
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True)
    for name in BOOTSTRAP_NAMES:
        (cache / name).write_text(BOOTSTRAP)
    settings = {key[4:].lower().replace("_", "-"): value for key, value in os.environ.items() if key.startswith("PIP_")}
    lines = ["[global]", *(f"{key} = {value}" for key, value in sorted(settings.items()))]
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text("\n".join(lines) + "\n")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="sanity.") as place:
        target = Path(place, "ansible_collections", "ai_aas", "inference")
        home = Path(place, "home")
        target.mkdir(parents=True)
        copy_to(target)
        prepare_home(home)
        program = Path(sys.executable).parent / "ansible-test"
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        command = [
            str(program),
            "sanity",
            "--local",
            "--requirements",
            "--python",
            python,
            "--color",
            "no",
            *sys.argv[1:],
        ]
        path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "HOME": str(home), "PATH": path}
        return subprocess.run(command, cwd=target, env=environment, timeout=SECONDS, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
