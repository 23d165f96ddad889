# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that another chart has made becomes one of this chart, and its clients are only denied meanwhile."""

from __future__ import annotations

import shutil

from tests.integration.main_path.client import requesting
from tests.integration.main_path.sites import CHART, Site

# By what this chart selects its pods, and what another one might have there.
LABEL = 'app.kubernetes.io/name: {{ include "vllm-deployment.name" . | quote }}'
ANOTHER = "app: others"


def install_others(site: Site, model: str) -> None:
    """Have the release made by such a chart."""
    chart = site.folder / "others"
    shutil.copytree(CHART, chart)
    names = chart / "templates" / "_names.tpl"
    text = names.read_text()
    assert LABEL in text
    names.write_text(text.replace(LABEL, ANOTHER, 1))
    host = site.hosts[model]
    host["vllm_chart"] = str(chart)
    site.serve(model)
    del host["vllm_chart"]


def test_a_release_of_another_chart_is_refused_or_replaced_inside_a_drain(site: Site) -> None:
    model = site.model("one")
    install_others(site, model)
    (before,) = site.get("deployments")
    told = site.fail("deploy").failure(model)
    assert "The selector of Deployment one-vllm-deployment is not the one that the chart makes" in told
    assert "Set vllm_adopt=replace" in told
    assert "Nothing was changed." in told
    with requesting(site, model) as client:
        site.succeed("deploy", "-e", "vllm_adopt=replace")
    assert set(client.statuses) <= {200, 404}
    (after,) = site.get("deployments")
    assert before["spec"]["selector"] != after["spec"]["selector"]
    assert site.history(model) == ["ready", "deploying", "ready"]
    assert site.ask(model) == 200
    assert site.succeed("deploy", "-e", "vllm_adopt=replace").changed == 0
