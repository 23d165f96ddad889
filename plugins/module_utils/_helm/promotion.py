# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""May what was verified in one environment go into the next? Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

Json = Mapping[str, Any]

# From where each environment takes its models: production takes nothing but what staging has verified.
SOURCES = {"staging": "development", "production": "staging"}
# What has to be the same, in the words of people. How many replicas there are, and where, is an environment's own.
COMPARED = {
    "chart": "chart",
    "chart_version": "chart's version",
    "chart_digest": "chart's content",
    "model": "model",
    "model_revision": "model's revision",
    "image_digest": "image",
    "served_names": "served names",
    "serving_hash": "values that decide what the model answers",
}
# Those that say something to people.
SHOWN = ("chart", "chart_version", "model", "model_revision", "image_digest", "served_names")

_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def source_of(environment: str) -> str:
    """The environment that is promoted from.

    Raises:
        InvalidInputError: there is none.
    """
    if environment not in SOURCES:
        raise InvalidInputError(
            f"Nothing is promoted to {environment}",
            f"models begin there, and go on to {' and '.join(SOURCES)}",
            "Use deploy.",
        )
    return SOURCES[environment]


def differences(verified: Json, wanted: Json) -> list[str]:
    """Where what would be deployed is not what was verified, a phrase each."""
    return [told(name, verified.get(name), wanted.get(name)) for name in COMPARED if differs(name, verified, wanted)]


def differs(name: str, verified: Json, wanted: Json) -> bool:
    return verified.get(name) != wanted.get(name)


def told(name: str, verified: object, wanted: object) -> str:
    """One difference. Digests of values say nothing to anybody."""
    if name not in SHOWN:
        return f"the {COMPARED[name]} would be another"
    return f"the {COMPARED[name]} would be {wanted or 'not pinned'}, and {verified or 'no pinned one'} was verified"


def unpinned(identity: Json) -> list[str]:
    """What of a deployment could become something else afterwards, a phrase each."""
    revision, digest = str(identity.get("model_revision") or ""), str(identity.get("image_digest") or "")
    found = []
    if not _COMMIT.fullmatch(revision):
        found.append(f"model.revision is {revision or 'empty'}, and not a commit of 40 hexadecimal digits")
    if not _DIGEST.fullmatch(digest):
        found.append("image.digest is not set: a tag can be moved")
    return found
