# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An apply that is cut off anywhere is completed by the next ones."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.integration.awx.conftest import SiteMaker
from tests.integration.awx.sites import content

# Few objects, of each kind, with an approval.
SMALL: dict[str, Any] = {
    "awx_environments": [{"name": "staging", "approval": True, "credentials": ["database"]}],
    "awx_playbooks": ["deploy", "verify", "evidence"],
}
# A soak cuts off after each write, otherwise after every few.
WRITES = 1 if os.environ.get("HYPOTHESIS_PROFILE") == "soak" else 6


def test_an_apply_whose_answers_are_lost_converges(start: SiteMaker, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer to a run's last write is lost, and nothing is answered after it; the next run begins with that."""
    straight, cut = start(**SMALL), start(**SMALL)
    assert straight.run().code == 0
    times = 0
    while True:
        cut.awx.writes_left = WRITES
        run = cut.run()
        if run.code == 0:
            break
        times += 1
        assert cut.awx.writes == times * WRITES, run.failure
        assert times <= straight.awx.writes, run.failure
    with capsys.disabled():
        print(f"\n  cut off {times} times, {cut.awx.writes} writes; {straight.awx.writes} writes at one go")
    assert content(cut.awx) == content(straight.awx)
    assert cut.run().changed == 0


def test_a_project_that_is_being_brought_is_waited_for(start: SiteMaker) -> None:
    site = start(**SMALL)
    assert site.run().code == 0
    store = site.awx.store
    store.delete("job_templates", store.all("job_templates")[0])
    store.bring(store.all("projects")[0])
    assert len(store.updates) == 2
    check = site.run("--check")
    assert (check.code, store.all("projects")[0]["status"]) == (0, "running")
    run = site.run()
    assert (run.code, store.all("projects")[0]["status"]) == (0, "successful"), run.failure
    assert len(store.updates) == 2, "an update was started beside the one that ran"
    assert run.steps == check.steps
