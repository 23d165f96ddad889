# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is removed on request: what is ours and no longer declared, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.declaration import declare
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.plan import prune

from tests.awx.server import Awx
from tests.unit.awx.converged import ask, number, read
from tests.unit.awx.scene import CHAT, DECLARED, ROWS, converged
from tests.unit.awx.tables import settings


@pytest.fixture
def awx() -> Awx:
    return converged()


class TestPrune:
    def pruned(self, awx: Awx, **changes: Any) -> list[tuple[str, str]]:
        now = settings(**{"environments": ROWS, "notifications": [CHAT], **changes})
        return [(step["kind"], step["name"]) for step in prune(declare(now), read(awx), now.mark)]

    def test_nothing_to_remove(self, awx: Awx) -> None:
        assert self.pruned(awx) == []

    def test_an_environment(self, awx: Awx) -> None:
        removed = self.pruned(awx, environments=ROWS[:1])
        gone = {(each.kind, each.name) for each in DECLARED if each.name.endswith("staging")}
        assert set(removed) - {each for each in removed if each[0] == "grant"} == {
            each for each in gone if each[0] not in ("label", "workflow_node", "workflow_link")
        }
        kinds = [kind for kind, _name in removed]
        assert kinds == sorted(kinds, key=kinds.index), "each kind at one go"
        assert kinds.index("job_template") < kinds.index("inventory") < kinds.index("credential")

    def test_a_step_of_a_workflow(self, awx: Awx) -> None:
        rows = [ROWS[0], {"name": "staging"}]
        removed = self.pruned(awx, environments=rows)
        assert [name for kind, name in removed if kind == "workflow_node"] == [
            *("deploy-staging approve", "deploy-staging evidence"),
            *("promote-staging approve", "promote-staging evidence"),
        ]
        assert ("grant", "Approvers approval deploy-staging") in removed

    def test_what_others_made_is_kept(self, awx: Awx) -> None:
        organization = number(awx, "organizations", "Inference")
        ask(awx, "POST", "teams/", {"name": "Others", "organization": organization, "description": "Theirs."})
        ask(awx, "POST", "credential_types/", {"name": "Other", "kind": "cloud", "description": "Managed by x."})
        assert self.pruned(awx) == []

    def test_a_right_that_somebody_gave_a_team_of_ours(self, awx: Awx) -> None:
        roles = {name: role for role, name in awx.store.roles.items()}
        role = roles["credentials", number(awx, "credentials", "inference-hub-staging"), "use_role"]
        ask(awx, "POST", f"roles/{role}/teams/", {"id": number(awx, "teams", "Operators")})
        assert self.pruned(awx) == [("grant", "Operators use inference-hub-staging")]
