# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grafana's dashboards: in its schema, with queries that Prometheus understands, of metrics that exist."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._metrics import FAMILIES
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.promtool import promtool
from tests.unit.chart.rendering import CHART, MINIMAL, Helm, merge
from tests.unit.chart.vllm_metrics import known, used

Json = dict[str, Any]

FILES = sorted((CHART / "files" / "dashboards").glob("*.json"))
GRID = 24
# Grafana's own variables, beside those of the dashboard.
BUILT_IN = {"__rate_interval"}
OPERATOR = [f"--api-versions=monitoring.coreos.com/v1/{kind}" for kind in ("ServiceMonitor", "PrometheusRule")]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

register_default_plugins()


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def dashboard(request: pytest.FixtureRequest) -> Json:
    found: Json = json.loads(request.param.read_text(encoding="utf-8"))
    return found


def panels(dashboard: Json) -> list[Json]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard: Json) -> list[str]:
    return [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]


def variables(dashboard: Json) -> dict[str, Json]:
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def filled(expression: str) -> str:
    """Return an expression as Prometheus gets it, once Grafana put values in place of the variables."""
    return re.sub(r"\$\w+", "a", expression.replace("$__rate_interval", "5m"))


def lost(given: Any, kept: Any, place: str = "") -> Iterator[str]:
    """Yield what one document has and the other has not."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            yield from lost(value, kept[key], f"{place}.{key}") if key in kept else [f"{place}.{key}"]
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, pair in enumerate(zip(given, kept, strict=True)):
            yield from lost(*pair, f"{place}[{number}]")
    elif given != kept:
        yield place


def unknown_to_grafana(dashboard: Json) -> list[str]:
    """Return the parts that Grafana's own model of a dashboard does not keep."""
    model = Dashboard.from_json(copy.deepcopy(dashboard))
    return list(lost(dashboard, json.loads(JSONEncoder().encode(model))))


def test_grafana_keeps_every_part(dashboard: Json) -> None:
    assert unknown_to_grafana(dashboard) == []


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("odd",), 1, ".odd"),
        (("panels", 0, "fieldConfig", "odd"), 1, ".panels[0].fieldConfig.odd"),
        (("panels", 0, "options", "odd"), 1, ".panels[0].options.odd"),
        (("panels", 0, "targets", 0, "odd"), 1, ".panels[0].targets[0].odd"),
        (("templating", "list", 0, "odd"), 1, ".templating.list[0].odd"),
    ],
    ids=lambda case: ".".join(map(str, case)) if isinstance(case, tuple) else "",
)
def test_what_grafana_does_not_know_is_found(path: tuple[Any, ...], value: Any, place: str) -> None:
    """Otherwise the test above would prove nothing."""
    dashboard = json.loads(FILES[0].read_text(encoding="utf-8"))
    inner = dashboard
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert unknown_to_grafana(dashboard) == [place]


def test_panels_have_a_place_of_their_own(dashboard: Json) -> None:
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        assert columns.stop <= GRID
        cells = set(itertools.product(columns, range(place["y"], place["y"] + place["h"])))
        assert not cells & taken, panel["title"]
        taken |= cells


def test_data_source_is_chosen_by_the_reader(dashboard: Json) -> None:
    asked = [target["datasource"] for panel in panels(dashboard) for target in panel["targets"]]
    queried = [variable for variable in variables(dashboard).values() if variable["type"] == "query"]
    assert variables(dashboard)["datasource"]["query"] == "prometheus"
    assert all(source == SOURCE for source in asked)
    assert all(item["datasource"] == SOURCE for item in (*panels(dashboard), *queried))


def test_each_variable_exists_and_is_used(dashboard: Json) -> None:
    queries = [item["query"]["query"] for item in variables(dashboard).values() if item["type"] == "query"]
    named = set(re.findall(r"\$(\w+)", " ".join([*expressions(dashboard), *queries])))
    assert named - BUILT_IN == set(variables(dashboard)) - {"datasource"}


def test_targets_of_a_panel_have_names_of_their_own(dashboard: Json) -> None:
    for panel in panels(dashboard):
        names = [target["refId"] for target in panel["targets"]]
        assert len(set(names)) == len(names), panel["title"]


def test_prometheus_understands_the_queries(dashboard: Json, tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": filled(text)} for number, text in enumerate(expressions(dashboard))]
    (tmp_path / "rules.json").write_text(
        json.dumps({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8"
    )
    verdict = promtool("check", "rules", "--lint=none", tmp_path / "rules.json")
    assert verdict.accepted, verdict.text
    assert f"{len(rules)} rules found" in verdict.text


def test_queries_use_known_metrics_alone(dashboard: Json, helm: Helm) -> None:
    rendering = helm.template(merge(MINIMAL, {"prometheus": {"rules": {"enabled": True}}}), options=OPERATOR)
    groups = rendering.one("PrometheusRule")["spec"]["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    listed = [item["query"]["query"] for item in variables(dashboard).values() if item["type"] == "query"]
    for text in expressions(dashboard):
        assert used(text), text
        assert used(text) <= known() | set(FAMILIES) | recorded, text
    sources = {match[1] for text in listed if (match := re.match(r"label_values\(([\w:]+)", text))}
    assert sources <= known() | set(FAMILIES)
    assert len(sources) >= 1


def test_dashboards_do_not_take_each_other_s_place() -> None:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in FILES]
    assert len({item["uid"] for item in found}) == len({item["title"] for item in found}) == len(found) == 2


def test_config_map_for_the_sidecar(helm: Helm) -> None:
    assert helm.template().all("ConfigMap") == []
    dashboards = {"enabled": True, "labels": {"team": "a"}, "annotations": {"grafana_folder": "vLLM"}}
    found = helm.template(merge(MINIMAL, {"prometheus": {"dashboards": dashboards}})).one("ConfigMap")
    assert found["metadata"]["name"] == "gpt-oss-20b-vllm-deployment-dashboards"
    assert {"grafana_dashboard": "1", "team": "a"}.items() <= found["metadata"]["labels"].items()
    assert found["metadata"]["annotations"] == {"grafana_folder": "vLLM"}
    assert {name: json.loads(text) for name, text in found["data"].items()} == {
        path.name: json.loads(path.read_text(encoding="utf-8")) for path in FILES
    }
