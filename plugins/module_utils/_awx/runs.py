# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller tells of a workflow's run: who launched it, who approved it, and what was shown before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._awx.approval import EVIDENCE, Approval, Person, Run

Json = Mapping[str, Any]

# Of a job that has not ended: after every approval.
NEVER = datetime.max.replace(tzinfo=UTC)


def run_from(workflow: Json, approvals: Iterable[Json], jobs: Iterable[Json]) -> Run:
    """A workflow's run.

    Args:
        workflow: the workflow job.
        approvals: the workflow approvals among its nodes.
        jobs: the other jobs among them that have ended well, with their artifacts.
    """
    evidence: dict[str, str] = {}
    shown: list[datetime] = []
    for job in jobs:
        found = (job.get("artifacts") or {}).get(EVIDENCE)
        if isinstance(found, Mapping):
            evidence |= {str(model): str(identity) for model, identity in found.items()}
            shown.append(moment(job.get("finished")) or NEVER)
    return Run(
        int(workflow["id"]),
        launcher(workflow),
        tuple(approval_from(each) for each in approvals),
        evidence,
        max(shown) if shown else None,
    )


def launcher(workflow: Json) -> Person | None:
    """Who launched it, if a person did."""
    found = workflow.get("launched_by") or {}
    return Person(int(found["id"]), str(found["name"])) if found.get("type") == "user" and found.get("id") else None


def approval_from(document: Json) -> Approval:
    """One approval."""
    by = (document.get("summary_fields") or {}).get("approved_or_denied_by") or {}
    return Approval(
        str(document.get("name", "")),
        str(document.get("status", "")),
        bool(document.get("timed_out")),
        Person(int(by["id"]), str(by["username"])) if by.get("id") and by.get("username") else None,
        moment(document.get("finished")),
    )


def moment(text: object) -> datetime | None:
    """A time as the controller writes it; None where there is none."""
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None
