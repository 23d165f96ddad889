# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an environment wants it, nothing is changed that was not approved, and the history says who did."""

from __future__ import annotations

import re

from tests.integration.main_path.sites import Site, server_env


def test_a_deploy_needs_the_approval_of_the_very_thing(site: Site) -> None:
    model = site.model("one", environment_approval="stated")
    told = site.fail("deploy").failure(model)
    assert "approval_identity is not set" in told
    assert "Nothing was changed." in told
    (identity,) = re.findall(r"approval_identity=(sha256:[0-9a-f]{64})", told)
    reason = "reviewed by the team on Friday"
    flags = ("-e", f"approval_identity={identity}", "-e", f"approval_reason='{reason}'")
    site.succeed("deploy", *flags)
    (last,) = site.execute(
        "SELECT job FROM model_registry_history WHERE model_name = %s ORDER BY id DESC LIMIT 1", model
    )
    assert last["job"] == {"approved_how": "stated", "approved_identity": identity, "approval_reason": reason}
    assert site.succeed("deploy").changed == 0, "what changes nothing needs no approval"

    site.model("one", server_env(LAB_NOTHING="1"), environment_approval="stated")
    assert "is not what was approved" in site.fail("deploy", *flags).failure(model)
    assert site.releases()["one"]["revision"] == "1"
