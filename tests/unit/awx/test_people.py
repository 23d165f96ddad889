# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the members of each team see and may do, once all is made. The stand-in judges by the roles that they hold."""

from __future__ import annotations

from typing import Any

import pytest

from tests.awx.server import Awx
from tests.unit.awx.converged import number
from tests.unit.awx.scene import converged

KINDS = ("job_templates", "workflow_job_templates", "credentials", "inventories", "projects")


@pytest.fixture
def awx() -> Awx:
    own = converged()
    for team, user in (("Operators", "olga"), ("Approvers", "anna"), ("Auditors", "ada"), ("", "nobody")):
        person = own.add_user(user, f"{user}'s")
        if team:
            own.store.members[number(own, "teams", team)].add(person["id"])
    return own


def call(awx: Awx, user: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    answer = awx.answer(method, f"/api/v2/{path}", body, f"{user}'s")
    assert answer is not None
    return answer


def seen(awx: Awx, user: str, kind: str) -> set[str]:
    found = call(awx, user, "GET", f"{kind}/?page_size=200")[1]["results"]
    return {each["name"] for each in found}


def test_operators_launch_workflows_and_what_changes_nothing(awx: Awx) -> None:
    assert {"deploy-staging", "promote-staging", "rollback-staging"} <= seen(awx, "olga", "workflow_job_templates")
    staging = {name for name in seen(awx, "olga", "job_templates") if name.endswith("-staging")}
    assert staging == {f"job-{name}-staging" for name in ("evidence", "verify", "list", "drift", "status", "slo")}
    assert [seen(awx, "olga", kind) for kind in ("credentials", "inventories", "projects")] == [set(), set(), set()]


def test_approvers_see_the_evidence_and_what_they_approve(awx: Awx) -> None:
    assert seen(awx, "anna", "workflow_job_templates") == {"deploy-staging", "promote-staging"}
    assert seen(awx, "anna", "job_templates") == {"job-evidence-staging"}
    assert [seen(awx, "anna", kind) for kind in ("credentials", "inventories", "projects")] == [set(), set(), set()]


def test_who_belongs_to_no_team_sees_nothing(awx: Awx) -> None:
    assert [seen(awx, "nobody", kind) for kind in KINDS] == [set()] * len(KINDS)


@pytest.mark.parametrize("user", ["olga", "anna", "ada", "nobody"])
def test_nobody_of_them_changes_or_reads_a_secret(awx: Awx, user: str) -> None:
    for kind in KINDS:
        item = awx.store.all(kind)[0]
        before, path = dict(item), f"{kind}/{item['id']}/"
        assert call(awx, user, "PATCH", path, {"description": "mine"})[0] == 403
        assert call(awx, user, "DELETE", path)[0] == 403
        assert dict(item) == before
    credential = awx.store.all("credentials")[0]
    status, shown = call(awx, user, "GET", f"credentials/{credential['id']}/")
    assert status == (200 if user == "ada" else 403)
    # That there is a secret, and not what it is.
    assert set(shown.get("inputs", {}).values()) == ({"$encrypted$"} if user == "ada" else set())
