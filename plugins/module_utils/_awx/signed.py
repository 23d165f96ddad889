# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An approval that somebody has signed, for who works without a controller. GnuPG's gpgv verifies it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._awx.approval import (
    SHORTEST_REASON,
    hours,
    refuse,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import short

# Runs a program; returns its exit code, output and errors.
Execute = Callable[[Sequence[str]], tuple[int, str, str]]

# What gpgv says of a good signature: its key, and when it was made.
VALID = re.compile(r"^\[GNUPG:\] VALIDSIG ([0-9A-F]{40}) \S+ (\d+)", re.MULTILINE)
WRITE = 'Write {"environment": …, "identities": {model: hash}, "reason": …}, and sign it with gpg --clear-sign.'


class Signed(NamedTuple):
    """A text that was signed: by which key, and when."""

    text: str
    key: str
    at: datetime


def read_signed(execute: Execute, gpgv: str, file: str, keyring: str) -> Signed:
    """Verify a signed file and return what it says.

    Args:
        execute: runs gpgv.
        gpgv: the program.
        file: a text with its signature in it.
        keyring: the keys of those who may approve.

    Raises:
        InferenceError: no key of the keyring has signed it, or it cannot be read.
    """
    for what, path in (("approval_file", file), ("approval_keyring", keyring)):
        if not Path(path).is_file():
            refuse(f"{what} {path} is no file", "Correct it.")
    code, text, told = execute(
        [gpgv, "--keyring", str(Path(keyring).resolve()), "--status-fd", "2", "--output", "-", file]
    )
    found = VALID.search(told)
    if code or not found:
        refuse(f"no key of {keyring} has signed {file}", "Have it signed by somebody who may approve.")
    return Signed(text, found[1], datetime.fromtimestamp(int(found[2]), UTC))


def judge_signed(signed: Signed, environment: str, model: str, identity: str, now: datetime, longest: timedelta) -> str:
    """Decide whether a signed text approves a change, and return its reason.

    Raises:
        InferenceError: it does not; says why.
    """
    try:
        said = json.loads(signed.text)
    except ValueError:
        said = None
    if not isinstance(said, Mapping) or not isinstance(said.get("identities"), Mapping):
        refuse("the approval file holds no approval", WRITE)
    if said.get("environment") != environment:
        refuse(f"the approval file is for {said.get('environment')}, and not for {environment}", WRITE)
    approved = said["identities"].get(model)
    if approved is None:
        refuse(f"the approval file does not name {model}", f"It needs the identity {identity}.")
    if approved != identity:
        refuse(
            f"what would be deployed of {model} ({short(identity)}) is not what was signed ({short(str(approved))})",
            "Look at what has changed, and have that signed.",
        )
    if now - signed.at > longest or signed.at > now + timedelta(minutes=5):
        refuse(f"the signature is {hours(now - signed.at)} old, and may be {hours(longest)}", "Have it signed again.")
    reason = said.get("reason")
    if not isinstance(reason, str) or len(reason.strip()) < SHORTEST_REASON:
        refuse("the approval file gives no reason", WRITE)
    return str(reason)
