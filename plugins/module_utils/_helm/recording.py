# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records what a revision was that became ready, and gives up the oldest records for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.client import Helm
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.history import Revision
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import identity_of, stored_release
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.verified import Store

Json = dict[str, Any]


class Recording(NamedTuple):
    """The record of the newest revision, whether it is new, and the numbers of those that are given up."""

    record: Json
    is_new: bool
    forgotten: tuple[int, ...]


def recorded(known: Mapping[int, Json], number: int, identity: Json, about: Json, keep: int) -> Recording:
    """Decide what is to be recorded.

    Args:
        known: what is recorded so far, by revision.
        number: the revision that was ready.
        identity: what it is.
        about: who verified it, when, and the seconds of its phases; not a part of the identity.
        keep: how many records stay, this one among them.
    """
    before = known.get(number)
    if before and before.get("identity") == identity:
        return Recording(before, False, ())
    # A release that was removed and installed anew counts from one again: higher numbers are of an earlier one.
    stale = [other for other in known if other > number]
    older = sorted(other for other in known if other < number)
    surplus = older[: max(0, len(older) + 1 - keep)]
    record = {"revision": number, "identity": identity, **about}
    return Recording(record, True, tuple(sorted([*stale, *surplus])))


def record_newest(
    helm: Helm, store: Store, about: Json, keep: int, meant: int | None = None, *, check: bool
) -> dict[str, Any]:
    """Record the newest revision of a release, and return the module's result.

    Args:
        helm: the release.
        store: its verified revisions.
        about: as recorded has it.
        keep: how many records stay, at least one.
        meant: the number of the revision, or None for whatever is the newest.
        check: to say only what would be recorded.

    Raises:
        InferenceError: there is no deployed release, it is at another revision, or it cannot be said what runs.
    """
    if keep < 1:
        raise InvalidInputError(f"Invalid keep: {keep}", "one record at least has to stay", "Keep 1 or more.")
    newest = newest_of(helm)
    if check and meant is not None and newest.number < meant:
        return {
            "changed": True,
            "record": {"revision": meant},
            "forgotten": [],
            "diff": {"before": {}, "after": {meant: {}}},
        }
    refuse_others(helm, newest, meant)
    secret, known = store.stored(newest.number), store.records()
    found = recorded(known, newest.number, identity_of(stored_release(secret), store.pods()), about, keep)
    if found.is_new and not check:
        gone = dict.fromkeys(found.forgotten)
        store.write({newest.number: found.record, **gone}, {newest.number: str(secret["data"]["release"]), **gone})
    after = {newest.number: found.record} if found.is_new else {}
    return {
        "changed": found.is_new,
        "record": found.record,
        "forgotten": list(found.forgotten),
        "diff": {"before": {each: known[each] for each in found.forgotten}, "after": after},
    }


def newest_of(helm: Helm) -> Revision:
    """The newest revision; before the first one stands 0."""
    history = helm.history()
    return history[-1] if history else Revision(0, "not there")


def refuse_others(helm: Helm, newest: Revision, meant: int | None) -> None:
    """Refuse to record what is not deployed, or is not what was verified.

    Raises:
        InferenceError: says which.
    """
    what = f"Release {helm.name} in namespace {helm.namespace} cannot be recorded as verified"
    if newest.status != "deployed":
        raise InferenceError(what, f"it is {newest.status}", "Deploy it first.")
    if meant not in (None, newest.number):
        why = f"revision {meant} was verified, and the newest is {newest.number}: somebody else has changed it since"
        raise InferenceError(what, why, "Deploy it first.")
