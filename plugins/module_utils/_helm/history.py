# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""To which of a release's revisions is it to be taken back? Pure decisions on its history."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError

PREVIOUS, VERIFIED = "previous", "verified"
# What Helm says of a revision that was deployed once.
WAS_DEPLOYED = ("superseded", "deployed")


@dataclass(frozen=True)
class Revision:
    """One line of a release's history. `updated` is Helm's own text, `chart` its name and version."""

    number: int
    status: str
    updated: str = ""
    chart: str = ""
    description: str = ""


def target_of(history: Sequence[Revision], to: str, verified: Collection[int]) -> Revision:
    """Choose the revision to go back to.

    Args:
        history: of the release, the oldest first.
        to: a revision's number, `previous` (the last one before the newest that was deployed), or `verified` (the last
            one of which a record says that it was ready; it may be the newest).
        verified: the numbers of those.

    Raises:
        InvalidInputError: `to` is none of these.
        InferenceError: the history has no such revision; the message lists those that it has.
    """
    if to == PREVIOUS:
        found = [each for each in history[:-1] if each.status in WAS_DEPLOYED]
    elif to == VERIFIED:
        found = [each for each in history if each.number in verified and each.status in WAS_DEPLOYED]
    elif to.isascii() and to.isdigit():
        found = [each for each in history if each.number == int(to)]
    else:
        raise InvalidInputError(
            f"Invalid to: {to[:80]!r}",
            f"it is neither a revision's number nor {PREVIOUS} or {VERIFIED}",
            "Correct it.",
        )
    if found:
        return found[-1]
    known = ", ".join(f"{each.number} ({each.status})" for each in history)
    verified_ones = ", ".join(map(str, sorted(verified))) or "none"
    raise InferenceError(
        f"There is no revision {to} to go back to",
        f"the history holds {known or 'nothing'}; verified: {verified_ones}",
        "Name one of these, or deploy.",
    )
