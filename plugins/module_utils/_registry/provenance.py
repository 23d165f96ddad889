# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who makes a change, why, and in which job: what the history keeps beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import refuse
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import check_json
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.secrecy import hidden, secrets_of

LIMITS = {"actor": 255, "reason": 2000}
MAX_JOB = 10_000


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
    secrets = secrets_of(params)
    job = ""
    if params["job"]:
        # Before it is searched too: it may be too deep for that.
        check_json("job", params["job"])
        job = check_json("job", hidden(params["job"], secrets))
    if len(job) > MAX_JOB:
        refuse("job", "", f"As JSON it must have at most {MAX_JOB} characters, and has {len(job)}")
    return Provenance(hidden(params["actor"] or account(), secrets), hidden(params["reason"] or "", secrets), job)


def account() -> str:
    """The account of the operating system that runs this, for want of a better name."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
