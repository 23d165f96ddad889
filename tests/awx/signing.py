# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs a change as somebody who approves it does, with a key that is made for it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Signature(NamedTuple):
    """The signed text, and the exported public key of who signed it."""

    file: Path
    keyring: Path


def sign(folder: Path, name: str, said: Mapping[str, Any]) -> Signature:
    """Have somebody of this name sign it."""
    home, plain = folder / name, folder / f"{name}.json"
    found = Signature(folder / f"{name}.asc", folder / f"{name}.gpg")
    home.mkdir(mode=0o700)
    plain.write_text(json.dumps(said) + "\n")
    gpg = ["gpg", "--batch", "--quiet", "--homedir", str(home), "--pinentry-mode", "loopback", "--passphrase", ""]
    try:
        for words in (
            ["--quick-generate-key", name, "ed25519", "sign", "never"],
            ["--export", "--output", str(found.keyring)],
            ["--output", str(found.file), "--clear-sign", str(plain)],
        ):
            subprocess.run([*gpg, *words], check=True)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=True)
    return found
