# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab keeps its builds and its state, and how a lab is named."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
from collections.abc import Mapping
from pathlib import Path

from tests.lab.errors import LabError

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE_DIR = Path(__file__).resolve().parent / "controlplane"
MANIFESTS = Path(__file__).resolve().parent / "manifests"

_PROJECT = "ai_aas.inference"


def cache_root(environ: Mapping[str, str] | None = None) -> Path:
    """Builds live here: large, shared by all labs, safe to delete."""
    return _root(os.environ if environ is None else environ, own="AI_AAS_CACHE", xdg="XDG_CACHE_HOME", default=".cache")


def state_root(environ: Mapping[str, str] | None = None) -> Path:
    """Running labs live here."""
    return _root(
        os.environ if environ is None else environ, own="AI_AAS_STATE", xdg="XDG_STATE_HOME", default=".local/state"
    )


def default_name(checkout: Path = REPOSITORY) -> str:
    """A name of this checkout's own: its folder, and a hash of its path so that two checkouts never meet."""
    digest = hashlib.sha256(str(checkout).encode()).hexdigest()[:8]
    folder = re.sub(r"[^a-z0-9-]+", "-", checkout.name.lower()).strip("-")[:24]
    return f"{folder or 'lab'}-{digest}"


def lab_name(environ: Mapping[str, str] | None = None) -> str:
    name = (os.environ if environ is None else environ).get("LAB_NAME") or default_name()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        raise LabError(f"LAB_NAME is {name!r}. Use up to 63 letters, digits, dots, dashes and underscores.")
    return name


def state_dir(environ: Mapping[str, str] | None = None) -> Path:
    return state_root(environ) / "labs" / lab_name(environ)


def make_private(path: Path) -> None:
    """A folder for this user alone, since keys and passwords lie in it."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(
            f"Cannot make {path}: {error.strerror}. Point AI_AAS_CACHE and AI_AAS_STATE at folders you may write to."
        ) from error


def _root(environ: Mapping[str, str], *, own: str, xdg: str, default: str) -> Path:
    if value := environ.get(own):
        return Path(value).absolute()
    if value := environ.get(xdg):
        return Path(value).absolute() / _PROJECT
    home = environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    return Path(home).absolute() / default / _PROJECT
