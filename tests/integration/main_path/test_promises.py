# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs leave behind, and the page that it makes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.main_path.sites import Json, Site, server_env


def records(site: Site) -> list[Json]:
    folder = Path(site.state["XDG_STATE_HOME"]) / "ai_aas.inference" / "records"
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def test_each_change_is_measured_and_the_page_shows_it(site: Site) -> None:
    site.person_disables = True
    model = site.model("one")
    site.succeed("deploy")
    assert site.succeed("deploy").changed == 0
    assert [(each["verb"], each["succeeded"]) for each in records(site)] == [("deploy", True)], "a no-op leaves none"
    site.model("one", server_env(LAB_VLLM_FAULT="error-500"), vllm_ready_timeout=3)
    site.fail("deploy")
    site.succeed("disable")
    found = records(site)
    kinds = sorted((each["verb"], each["succeeded"]) for each in found)
    assert kinds[:3] == [("deploy", False), ("deploy", True), ("disable", True)]
    (first,) = [each for each in found if each["verb"] == "deploy" and each["succeeded"]]
    assert first["model"] == model
    assert first["seconds"] > first["ready_seconds"] > 0
    assert 0 < first["completion_seconds"] <= first["route_seconds"] + 1

    page, data = site.folder / "page.html", site.folder / "data.json"
    flags = ("-e", f"slo_page={page}", "-e", f"slo_data={data}")
    assert site.succeed("slo", *flags).changed == 2
    assert site.succeed("slo", *flags).changed == 0
    told = {each["name"]: (each["kept"], each["count"]) for each in json.loads(data.read_text())}
    assert (told["readiness"], told["denial"]) == ((1, 2), (1, 1))
    assert model in page.read_text()
