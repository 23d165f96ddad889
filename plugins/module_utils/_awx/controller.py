# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a controller (AWX) about a workflow's run. What it does not answer is not approved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.urls import open_url
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.approval import Run
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.runs import run_from
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError

Json = dict[str, Any]

UNSEEN = "The approval cannot be seen"
SECONDS = 15
MAX_BYTES = 4 * 1024 * 1024
# A workflow of this collection has fewer than ten nodes.
MAX_PAGES = 10


class Controller:
    """One controller, with a token that may read the workflow.

    Args:
        url: where it is, without the path of its API.
        token: an OAuth2 token of the scope `read`.
        validate_certs: whether its certificate is verified.
    """

    def __init__(self, url: str, token: str, *, validate_certs: bool = True) -> None:
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self.validate_certs = validate_certs

    def run(self, number: int) -> Run:
        """The run of a workflow.

        Raises:
            InferenceError: it cannot be read; says which right is missing, or what the controller answered.
        """
        root = f"/api/v2/workflow_jobs/{number}/"
        workflow = self.get(root)
        approvals, jobs = [], []
        for node in self.every(f"{root}workflow_nodes/"):
            job = (node.get("summary_fields") or {}).get("job") or {}
            if job.get("type") == "workflow_approval":
                approvals.append(self.get(f"/api/v2/workflow_approvals/{job['id']}/"))
            elif job.get("type") == "job" and job.get("status") == "successful":
                jobs.append(self.get(f"/api/v2/jobs/{job['id']}/"))
        return run_from(workflow, approvals, jobs)

    def every(self, path: str) -> list[Json]:
        """The items of a list, from all of its pages."""
        found: list[Json] = []
        onward: str | None = path
        for _unused in range(MAX_PAGES):
            if not onward:
                return found
            page = self.get(onward)
            found += page.get("results") or []
            onward = page.get("next")
        raise InferenceError(UNSEEN, f"{path} has more than {MAX_PAGES} pages", "Ask for it with a smaller workflow.")

    def get(self, path: str) -> Json:
        """One document."""
        try:
            with open_url(
                self.url + path,
                headers=self.headers,
                timeout=SECONDS,
                validate_certs=self.validate_certs,
                follow_redirects="none",
            ) as response:
                document = json.loads(response.read(MAX_BYTES))
        except (OSError, ValueError) as error:
            raise InferenceError(UNSEEN, *explained(self.url, path, error)) from error
        if not isinstance(document, Mapping):
            raise InferenceError(UNSEEN, f"{self.url}{path} answers with something else than an object", "")
        return dict(document)


def explained(url: str, path: str, error: Exception) -> tuple[str, str]:
    """Why a controller did not answer, and what to do. An error of HTTP is one of OSError with a code."""
    code = getattr(error, "code", None)
    if code == 401:
        return f"{url} does not know the token", "Give a token that has not expired (CONTROLLER_OAUTH_TOKEN)."
    if code in (403, 404):
        return (
            f"{url}{path} answers with {code}",
            "The token's user needs the role Read on the workflow and on its job templates; an auditor has it.",
        )
    if code is not None:
        return f"{url}{path} answers with {code}", "Look at the controller."
    if isinstance(error, ValueError):
        return f"{url}{path} does not answer with JSON", "Correct CONTROLLER_HOST."
    reason = getattr(error, "reason", None) or error
    return f"{url} cannot be reached: {reason}", "Nothing is changed without it. Try again once it answers."
