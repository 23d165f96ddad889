# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused says what failed, why, and what to do, and leaves AWX as it was."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.awx.conftest import SiteMaker
from tests.integration.awx.sites import SECRETS, names, stand_in

DATA: dict[str, Any] = {
    "awx_environments": [{"name": "lab", "credentials": ["database"]}],
    "awx_playbooks": ["list"],
    "awx_secrets": {"lab": SECRETS},
}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"awx_project_scm_url": ""}, "awx_project_scm_url is not set. Set it."),
        ({"awx_execution_environment_image": ""}, "awx_execution_environment_image is not set. Set it."),
        ({"awx_playbooks": ["destroy"]}, "Unknown playbook: destroy. Known are: evidence,"),
        ({"awx_secrets": {}}, "no value is given: awx_secrets.lab.database. Nothing was changed."),
        ({"awx_environments": [{"approval": True}]}, "missing required arguments: name found in awx_environments"),
    ],
)
def test_data(start: SiteMaker, changes: dict[str, Any], told: str) -> None:
    site = start(**{**DATA, **changes})
    run = site.run()
    assert run.code == 2
    assert told in run.failure
    assert "Traceback" not in run.text
    assert site.awx.writes == 0


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("of-nobody", "Invalid authentication credentials for /api/v2/me/ (HTTP 401)"),
        ("of-a-person", "the token belongs to someone, who is no system administrator"),
        ("of-a-reader", "You don't have permission to POST to /api/v2/organizations/ (HTTP 403)"),
    ],
)
def test_token(start: SiteMaker, token: str, told: str) -> None:
    site = start(**DATA)
    site.awx.add_user("someone", "of-a-person")
    site.awx.add_user("chief", "of-a-reader", scope="read", is_superuser=True)
    before = names(site.awx)
    site.token = token
    for flags in ([], ["--check"]) if token != "of-a-reader" else ([],):
        run = site.run(*flags)
        assert run.code == 2
        assert told in run.failure
    assert names(site.awx) == before


def test_awx_is_not_there(start: SiteMaker) -> None:
    site = start(**DATA)
    site.url = "http://127.0.0.1:9"
    run = site.run()
    assert run.code == 2
    assert "127.0.0.1:9" in run.failure
    assert "Traceback" not in run.text


def test_a_project_that_cannot_be_brought_is_tried_again(start: SiteMaker) -> None:
    site = start(stand_in(sync="failed"), **DATA)
    for _unused in range(2):
        run = site.run()
        assert run.code == 2
        assert "Project update failed" in run.failure or "inference, failed" in run.failure
    site.awx.store.sync = "successful"
    assert site.run().code == 0


def test_a_playbook_that_the_project_lacks(start: SiteMaker) -> None:
    site = start(stand_in(playbooks=["deploy"]), **DATA)
    run = site.run()
    assert run.code == 2
    assert "Playbook not found for project" in run.failure
