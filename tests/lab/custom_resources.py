# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Custom resource definitions of other projects, from the Go modules that crds/go.mod pins and crds/go.sum hashes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.lab import build
from tests.lab.errors import LabError
from tests.lab.paths import MODULE_DIR

_FOLDER = MODULE_DIR.with_name("crds")
_SECONDS = 300
# The files of each module, by the names that end them.
_FILES = {
    "github.com/kedacore/keda/v2": ("config/crd/bases", ("scaledobjects",)),
    "github.com/prometheus-operator/prometheus-operator": (
        "example/prometheus-operator-crd",
        ("podmonitors", "prometheusrules", "servicemonitors"),
    ),
    "sigs.k8s.io/gateway-api": ("config/crd/standard", ("httproutes",)),
}


def definitions(report: build.Report) -> list[Path]:
    """Return the files of the definitions, downloaded if they are not there."""
    files = []
    for module, folder in _download(report).items():
        place, names = _FILES[module]
        files += [next((folder / place).glob(f"*_{name}.yaml")) for name in names]
    return files


def _download(report: build.Report) -> dict[str, Path]:
    """Go compares each module with its hash, and keeps it in its own cache."""
    go, settings = build.toolchain(report)
    done = subprocess.run(
        [go, "mod", "download", "-json", *_FILES],
        cwd=_FOLDER,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise LabError(f"The modules that {_FOLDER}/go.mod names cannot be had.\n{done.stdout}{done.stderr}")
    # One JSON document after another.
    documents = json.loads("[" + done.stdout.replace("}\n{", "},{") + "]")
    return {document["Path"]: Path(document["Dir"]) for document in documents}
