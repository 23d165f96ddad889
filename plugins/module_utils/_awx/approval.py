# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has a second person approved what is about to be changed? Pure.

Whoever cannot be named is nobody, and what cannot be told counts as not approved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NoReturn

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import short

Json = Mapping[str, Any]

REFUSED = "The change is not approved"
# What an evidence job hands to later nodes, by model: the hash of what it has shown.
EVIDENCE = "inference_evidence"
# In characters.
SHORTEST_REASON = 10


class Person(NamedTuple):
    """Somebody, by the controller's own number."""

    number: int
    name: str


class Approval(NamedTuple):
    """One approval of a workflow's run; `by` is None where nobody can be named, `at` where it is still open."""

    name: str
    status: str
    timed_out: bool
    by: Person | None
    at: datetime | None


class Run(NamedTuple):
    """One run of a workflow.

    `launched_by` is None where no person began it, such as a schedule. `evidence` are the hashes that were shown before
    the approval, by model, and `shown_at` when.
    """

    number: int
    launched_by: Person | None
    approvals: Sequence[Approval]
    evidence: Mapping[str, str]
    shown_at: datetime | None


class Granted(NamedTuple):
    """Who asked, who approved, and when."""

    launched_by: str
    approved_by: str
    at: str


def judge_run(run: Run, model: str, identity: str, now: datetime, longest: timedelta) -> Granted:
    """Decide whether a workflow's run was approved.

    Args:
        run: the workflow's run that this job is of; approvals of other runs are none of its own.
        model: that is to be changed.
        identity: the hash of what would be deployed.
        now: the time.
        longest: how old an approval may be.

    Raises:
        InferenceError: it was not; says why.
    """
    if run.launched_by is None:
        refuse(
            "no person launched the workflow", "Launch it as yourself: a schedule or a hook cannot ask for approval."
        )
    if not run.approvals:
        refuse(f"workflow job {run.number} has no approval", "Launch the workflow, not the job template.")
    last = max((each_approved(each) for each in run.approvals), key=lambda each: each[1])
    by, at = last
    approvers = {each.by for each in run.approvals if each.by}
    if run.launched_by.number in {each.number for each in approvers}:
        refuse(f"{run.launched_by.name} has launched the workflow and approved it", "Have somebody else approve it.")
    if now - at > longest:
        refuse(f"the approval of {by.name} is {hours(now - at)} old, and may be {hours(longest)}", "Launch it again.")
    judge_evidence(run, model, identity, at)
    return Granted(run.launched_by.name, by.name, at.isoformat())


def each_approved(approval: Approval) -> tuple[Person, datetime]:
    """Who granted an approval, and when.

    Raises:
        InferenceError: nobody did.
    """
    if approval.timed_out:
        refuse(f"approval {approval.name} has timed out", "Launch the workflow again.")
    if approval.status != "successful":
        told = {"failed": "was denied", "pending": "is still open"}.get(approval.status, f"is {approval.status}")
        refuse(f"approval {approval.name} {told}", "Have it approved, or launch the workflow again.")
    if approval.by is None or approval.at is None:
        refuse(f"nobody can be named who granted approval {approval.name}", "Launch the workflow again.")
    return approval.by, approval.at


def judge_evidence(run: Run, model: str, identity: str, at: datetime) -> None:
    """See that the very thing that would be deployed was shown, before it was approved.

    Raises:
        InferenceError: it was not.
    """
    shown = run.evidence.get(model)
    if shown is None or run.shown_at is None:
        refuse(f"nothing was shown of {model} before the approval", "The workflow's first node has to be the evidence.")
    if run.shown_at > at:
        refuse(f"what would be deployed of {model} was shown after the approval", "Launch the workflow again.")
    if shown != identity:
        refuse(
            f"what would be deployed of {model} ({short(identity)}) is not what was approved ({short(shown)})",
            "Somebody has changed it since. Launch the workflow again.",
        )


def judge_variables(model: str, identity: str, approved: str, reason: str) -> None:
    """Decide whether the variables of a run outside of a controller approve it.

    Raises:
        InferenceError: they do not; says what they have to hold.
    """
    if not approved:
        refuse(
            f"approval_identity is not set for {model}",
            f"Look at what would be deployed (--check --diff), then set approval_identity={identity}.",
        )
    if approved != identity:
        refuse(
            f"what would be deployed of {model} ({short(identity)}) is not what was approved ({short(approved)})",
            "Look at what has changed, and approve that.",
        )
    if len(reason.strip()) < SHORTEST_REASON:
        refuse("approval_reason is not set", f"Say why, in {SHORTEST_REASON} characters or more.")


def refuse(why: str, remedy: str) -> NoReturn:
    raise InferenceError(REFUSED, why, remedy)


def hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.1f} h"
