# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who makes a change, why, and in which job: what the history keeps beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import refuse
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import check_json
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.secrecy import hide, passwords

LIMITS = {"actor": 255, "reason": 2000}
MAX_JOB = 10_000
SHORTEST_SECRET = 4


class Provenance(NamedTuple):
    """Where a change comes from. `job` is JSON, or empty."""

    actor: str
    reason: str
    job: str


def provenance_from(params: Mapping[str, Any]) -> Provenance:
    """Read a module's parameters. Passwords that they hold by mistake are hidden.

    Raises:
        InvalidInputError: a value cannot be stored; names the option and the rule.
    """
    for option, limit in LIMITS.items():
        text = params[option] or ""
        if len(text) > limit:
            refuse(option, text, f"It must have at most {limit} characters, and has {len(text)}")
        if not all(character.isprintable() or character in "\n\t" for character in text):
            refuse(option, text, "It must not hold control characters or invisible ones")
    # A shorter one tells nothing where it stands among other letters, and would spoil every text.
    secrets = [text for text in (*passwords(params), params["login_password"] or "") if len(text) >= SHORTEST_SECRET]
    job = check_json("job", hidden(params["job"], secrets)) if params["job"] else ""
    if len(job) > MAX_JOB:
        refuse("job", "", f"As JSON it must have at most {MAX_JOB} characters, and has {len(job)}")
    return Provenance(hide(params["actor"] or account(), secrets), hide(params["reason"] or "", secrets), job)


def hidden(value: Any, secrets: Sequence[str]) -> Any:
    """A value of JSON without passwords in its texts."""
    if isinstance(value, Mapping):
        return {hide(str(key), secrets): hidden(part, secrets) for key, part in value.items()}
    if isinstance(value, list):
        return [hidden(part, secrets) for part in value]
    return hide(value, secrets) if isinstance(value, str) else value


def account() -> str:
    """The account of the operating system that runs this, for want of a better name."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
