# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a release back to an earlier revision, also to one that Helm has forgotten."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.client import Helm, Release
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.history import Revision, target_of
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import forgotten_release, values_hash
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.plan import keeps_serving, objects_of
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.verified import Store

DEPLOYED = "deployed"


def roll_back(helm: Helm, store: Store, to: str, *, check: bool) -> dict[str, Any]:
    """Go back to a revision, and return the module's result.

    Args:
        helm: the release.
        store: its verified revisions.
        to: as target_of has it.
        check: to say only what would be done.

    Raises:
        InferenceError: there is no such release or revision, or Helm refuses.
    """
    history, verified = history_of(helm), store.records()
    target, newest = target_of(with_forgotten(history, verified), to, verified), history[-1]
    is_forgotten = target not in history
    after = None if is_forgotten else helm.status(target.number)
    before = helm.status()
    if is_same(before, after):
        return result_of(newest.number, newest.number, target.number)
    if not check:
        if is_forgotten:
            put_back(store, target.number)
        helm.rollback(target.number)
    return {
        **result_of(newest.number, newest.number + 1, target.number),
        "changed": True,
        "keeps_serving": keeps_serving(objects_of(before), objects_of(after)),
        "restored": is_forgotten,
        "diff": {"before": shown(before), "after": shown(after)},
    }


def history_of(helm: Helm) -> list[Revision]:
    """The revisions of a release.

    Raises:
        InferenceError: there are none.
    """
    history = helm.history()
    if history:
        return history
    what = f"There is no release {helm.name} in namespace {helm.namespace}"
    raise InferenceError(what, remedy="Deploy it, or correct its name.")


def with_forgotten(history: Sequence[Revision], verified: Collection[int]) -> list[Revision]:
    """The history with the verified revisions before it, which Helm has forgotten."""
    forgotten = [number for number in sorted(verified) if number < history[0].number]
    return [*(Revision(number, "superseded") for number in forgotten), *history]


def put_back(store: Store, number: int) -> None:
    """Put a revision back into Helm's history.

    Raises:
        InferenceError: its copy is gone.
    """
    copy = store.copies().get(number)
    if copy is None:
        raise InferenceError(
            f"Revision {number} is no longer in Helm's history, and Secret {store.name} has no copy of it",
            remedy="Deploy from the values and the chart that it had; the ConfigMap of that name says which.",
        )
    store.put_back(number, forgotten_release(copy))


def is_same(newest: Release | None, target: Release | None) -> bool:
    """Whether a rollback would change nothing."""
    return bool(
        newest
        and target
        and newest.status == DEPLOYED
        and (newest.values, newest.manifest) == (target.values, target.manifest)
    )


def result_of(previous: int, revision: int, target: int) -> dict[str, Any]:
    found = {"previous": previous, "revision": revision, "target": target}
    return {"changed": False, **found, "restored": False, "keeps_serving": True}


def shown(release: Release | None) -> str:
    """What a diff shows of a revision."""
    return f"values: {values_hash(release.values)}\n" if release else ""
