# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Monitors and rules, which Prometheus' own tools judge: promtool raises each alert, and lets it rest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._metrics import FAMILIES

from tests.promtool import promtool
from tests.unit.chart import vllm_metrics
from tests.unit.chart.rendering import CHART, MINIMAL, SERVICE_MONITOR, ChartError, Helm, Manifest, merge
from tests.unit.chart.rule_cases import CASES, IDENTITY, Case
from tests.unit.chart.vllm_metrics import FIRST_TOKEN_BOUNDS, LATENCY_BOUNDS, known, used

OPERATOR = tuple(
    f"--api-versions=monitoring.coreos.com/v1/{kind}" for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule")
)
SELECTOR = {"app.kubernetes.io/name": "vllm-deployment", "app.kubernetes.io/instance": "gpt-oss-20b"}
DOCUMENT = CHART.parents[1] / "docs" / "monitoring.md"


def prometheus(helm: Helm, *options: str, **values: Any) -> dict[str, list[Manifest]]:
    """Return the monitors and rules that some values of `prometheus` give."""
    rendering = helm.template(merge(MINIMAL, {"prometheus": values}), options=options)
    return {kind: rendering.all(kind) for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule")}


@pytest.fixture(scope="module")
def groups(helm: Helm) -> list[Manifest]:
    """The groups of rules of a release in production."""
    found = prometheus(helm, *OPERATOR, environment="production", rules={"enabled": True})["PrometheusRule"]
    listed: list[Manifest] = found[0]["spec"]["groups"]
    return listed


@pytest.fixture(scope="module")
def rules(groups: list[Manifest]) -> dict[str, Manifest]:
    """The rules by their names."""
    return {rule.get("alert") or rule["record"]: rule for group in groups for rule in group["rules"]}


@pytest.fixture(scope="module")
def alerts(rules: dict[str, Manifest]) -> dict[str, Manifest]:
    return {name: rule for name, rule in rules.items() if "alert" in rule}


# Monitors


@pytest.mark.parametrize(
    ("monitor", "endpoints"), [("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")]
)
def test_monitor_gives_the_labels_by_which_series_are_found(helm: Helm, monitor: str, endpoints: str) -> None:
    wanted = {"enabled": True, "labels": {"release": "stack"}}
    chosen = {"serviceMonitor": {"enabled": False}} | {monitor[0].lower() + monitor[1:]: wanted}
    (found,) = prometheus(helm, *OPERATOR, environment="production", **chosen)[monitor]
    (endpoint,) = found["spec"][endpoints]
    assert found["metadata"]["labels"]["release"] == "stack"
    assert found["spec"]["selector"] == {"matchLabels": SELECTOR}
    assert found["spec"]["namespaceSelector"] == {"matchNames": ["system"]}
    assert {item["targetLabel"]: item["replacement"] for item in endpoint.pop("relabelings")} == IDENTITY
    assert endpoint == {"port": "http", "path": "/metrics", "interval": "30s"}


def test_environment_is_left_out_where_none_is_named(helm: Helm) -> None:
    (found,) = prometheus(helm, *OPERATOR)["ServiceMonitor"]
    labels = {item["targetLabel"] for item in found["spec"]["endpoints"][0]["relabelings"]}
    assert labels == {"namespace", "release", "model"}


@pytest.mark.parametrize(
    ("options", "values", "kinds"),
    [
        (OPERATOR, {}, {"ServiceMonitor"}),
        ((), {}, set()),
        (OPERATOR, {"serviceMonitor": {"enabled": False}}, set()),
        (OPERATOR, {"serviceMonitor": {"enabled": False}, "podMonitor": {"enabled": True}}, {"PodMonitor"}),
        ((), {"serviceMonitor": {"enabled": False}, "podMonitor": {"enabled": True}}, set()),
        (OPERATOR, {"rules": {"enabled": True}}, {"ServiceMonitor", "PrometheusRule"}),
        ((f"--api-versions={SERVICE_MONITOR}",), {"rules": {"enabled": True}}, {"ServiceMonitor"}),
        (OPERATOR, {"rules": {"enabled": True}, "serviceMonitor": {"enabled": False}}, set()),
    ],
    ids=["default", "no operator", "none", "pods", "pods, no operator", "rules", "rules unknown", "rules alone"],
)
def test_what_is_wanted_and_known_is_made(
    helm: Helm, options: tuple[str, ...], values: dict[str, Any], kinds: set[str]
) -> None:
    assert {kind for kind, found in prometheus(helm, *options, **values).items() if found} == kinds


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"podMonitor": {"enabled": True}}, "would read every metric twice"),
        ({"rules": {"objectives": {"latency": {"threshold": 55}}}}, "objectives.latency.threshold"),
        ({"rules": {"objectives": {"availability": {"objective": 1}}}}, "objectives.availability.objective"),
        ({"rules": {"down": {"for": "5 minutes"}}}, "rules.down.for"),
    ],
    ids=["two monitors", "no bound", "no budget", "no duration"],
)
def test_values_that_mislead_are_refused(helm: Helm, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ChartError) as refused:
        prometheus(helm, **values)
    assert message in re.sub(r"(?<=\w)/(?=\w)", ".", str(refused.value))


def test_thresholds_of_objectives_are_bounds_of_the_histograms() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    objectives = schema["properties"]["prometheus"]["properties"]["rules"]["properties"]["objectives"]["properties"]
    allowed = {
        name: tuple(objectives[name]["properties"]["threshold"]["enum"]) for name in ("timeToFirstToken", "latency")
    }
    assert allowed == {"timeToFirstToken": FIRST_TOKEN_BOUNDS, "latency": LATENCY_BOUNDS}


# Rules


def test_promtool_accepts_the_rules(groups: list[Manifest], tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text(json.dumps({"groups": groups}), encoding="utf-8")
    verdict = promtool("check", "rules", "--lint=all", "--lint-fatal", tmp_path / "rules.json")
    assert verdict.accepted, verdict.text


def test_rules_use_known_metrics_alone(rules: dict[str, Manifest]) -> None:
    recorded = {name for name, rule in rules.items() if "record" in rule}
    for name, rule in rules.items():
        assert used(rule["expr"]), name
        assert used(rule["expr"]) <= known() | set(FAMILIES) | recorded, name


def test_rules_heed_their_own_release_alone(rules: dict[str, Manifest]) -> None:
    own = 'namespace="system",release="gpt-oss-20b"', 'model="tiny",environment="production"'
    for name, rule in rules.items():
        selectors = re.findall(r"\{([^}]*)\}", rule["expr"])
        assert selectors, name
        assert all(selector.startswith(own) for selector in selectors), name
        assert IDENTITY.items() <= rule["labels"].items()


def needed(rules: dict[str, Manifest], name: str) -> dict[str, Manifest]:
    """Return a rule, after those that record what it reads."""
    below = [needed(rules, series) for series in sorted(used(rules[name]["expr"]) & set(rules))]
    return {key: rule for found in below for key, rule in found.items()} | {name: rules[name]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.what}")
def test_alert(rules: dict[str, Manifest], tmp_path: Path, case: Case) -> None:
    expected = []
    if case.description is not None:
        rule = rules[case.alert]
        texts = {"summary": rule["annotations"]["summary"], "description": case.description}
        expected = [{"exp_labels": {**rule["labels"], **case.labels}, "exp_annotations": texts}]
    history = {
        "interval": "30s",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}],
    }
    group = {"name": "needed", "rules": list(needed(rules, case.alert).values())}
    (tmp_path / "rules.json").write_text(json.dumps({"groups": [group]}), encoding="utf-8")
    content = {"rule_files": ["rules.json"], "evaluation_interval": "30s", "tests": [history]}
    (tmp_path / "test.json").write_text(json.dumps(content), encoding="utf-8")
    verdict = promtool("test", "rules", tmp_path / "test.json")
    assert verdict.accepted, verdict.text


def test_each_alert_is_raised_and_let_rest(alerts: dict[str, Manifest]) -> None:
    assert {case.alert for case in CASES if case.description is not None} == set(alerts)
    assert {case.alert for case in CASES if case.description is None} == set(alerts)


def test_histories_are_of_known_metrics() -> None:
    assert {name for case in CASES for series in case.series for name in used(series)} <= known() | set(FAMILIES)


def test_runbook_is_named_where_there_is_one(helm: Helm, alerts: dict[str, Manifest]) -> None:
    rules = {"enabled": True, "runbookUrl": "https://docs.test/monitoring"}
    (found,) = prometheus(helm, *OPERATOR, rules=rules)["PrometheusRule"]
    urls = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in found["spec"]["groups"][1]["rules"]}
    assert urls == {name: f"https://docs.test/monitoring#{name.lower()}" for name in alerts}


def test_thresholds_and_severities_come_from_the_values(helm: Helm) -> None:
    rules = {
        "enabled": True,
        "labels": {"release": "stack"},
        "window": "2m",
        "down": {"for": "3m", "severity": "page"},
        "restarts": {"threshold": 7},
        "objectives": {"severity": "ticket", "timeToFirstToken": {"objective": 0.9, "threshold": 0.25}},
    }
    (found,) = prometheus(helm, *OPERATOR, rules=rules)["PrometheusRule"]
    written = {
        rule.get("alert") or rule["record"]: rule for group in found["spec"]["groups"] for rule in group["rules"]
    }
    assert found["metadata"]["labels"]["release"] == "stack"
    assert (written["VllmDown"]["for"], written["VllmDown"]["labels"]["severity"]) == ("3m", "page")
    assert written["VllmRestarts"]["expr"].endswith("> 7")
    assert "[2m]" in written["VllmNotGenerating"]["expr"]
    assert written["VllmLatencyBurn"]["labels"]["severity"] == "ticket"
    rate = written["release:vllm_time_to_first_token:burnrate1h"]["expr"]
    assert 'le="0.25"}[1h]' in rate
    assert rate.endswith("/ (1 - 0.9)")


# The document


def test_document_lists_the_alerts(alerts: dict[str, Manifest]) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\S+) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(name, rule["labels"]["severity"], rule.get("for", "0s")) for name, rule in alerts.items()]


def test_document_says_what_to_do_about_each_alert(alerts: dict[str, Manifest]) -> None:
    headings = re.findall(r"^### (\w+)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == list(alerts)


def test_document_lists_the_metrics_and_where_they_are_known_from() -> None:
    rows = re.findall(r"^\| `([\w:]+)` \| (\w+) \| ([^|]+) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    origins = {
        "a running server": vllm_metrics.OBSERVED,
        "source of vLLM 0.32.0": vllm_metrics.READ,
        "source of prometheus-fastapi-instrumentator": vllm_metrics.READ_ELSEWHERE,
    }
    assert rows == [(name, kind, origin) for origin, found in origins.items() for name, kind in found.items()]


def test_document_lists_what_the_collection_writes() -> None:
    rows = re.findall(r"^\| `(ai_aas_\w+)` \| (.+) \| (.+) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    expected = [
        (name, ", ".join(f"`{label}`" for label in family.labels), family.description)
        for name, family in FAMILIES.items()
    ]
    assert rows == expected
