# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a fleet, and of what nobody declares."""

from __future__ import annotations

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils import _metrics
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.declared import declared_from
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.judge import Finding, Registered, judge
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.report import (
    Round,
    model_result,
    result_of,
    samples_of,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.running import Namespace, Running
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.undeclared import (
    undeclared_entries,
    undeclared_releases,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

from tests.unit.drift.sides import DECLARED, ENTRY, Json, manifest, release, running

SERVICES = manifest({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "r-vllm-deployment"}})
STRANGER = Finding("not declared", "it is registered as ready")


def model(*why: str) -> Json:
    found = judge(DECLARED, why, running(), Registered(ENTRY))
    return model_result(DECLARED, running(), Registered(ENTRY), found)


def test_a_model_that_agrees() -> None:
    result = result_of(Round("staging", [model()], [], []))
    assert not result["drifted"]
    assert result["msg"] == "All 1 models of staging are as declared, deployed and registered."
    assert [cell.strip() for cell in result["table"][1].split("|")] == [
        *("m", "ns/r", "2 deployed", "yes", "1/1", "ready", "", ""),
    ]
    assert (result["differences_table"][1:], result["counts"]["differing"]) == ([], 0)
    assert not result["models"][0]["needs_deploy"]


def test_a_model_that_differs_is_told_with_what_mends_it() -> None:
    result = result_of(Round("staging", [model("value a differs")], [(ENTRY, STRANGER)], [("ns", "x", STRANGER)]))
    assert result["drifted"]
    assert result["models"][0]["needs_deploy"]
    assert [[cell.strip() for cell in line.split("|")] for line in result["differences_table"][1:]] == [
        ["m", "declared and running", "value a differs", "ai_aas.inference.deploy --limit host"],
        ["m", "not declared", "it is registered as ready", ""],
        ["x", "not declared", "it is registered as ready", ""],
    ]
    assert result["counts"] == {"models": 1, "differing": 1, "undeclared": 2}
    assert result["msg"].startswith("1 of 1 models of staging differ: m. 2 that run")


def test_a_flag_follows_the_limit() -> None:
    there = running(live={})
    found = model_result(DECLARED, there, Registered(ENTRY), judge(DECLARED, [], there, Registered(ENTRY)))
    (first, *_rest) = found["differences"]
    assert first["mend"] == "ai_aas.inference.deploy --limit host -e vllm_overwrite_manual_edits=true"
    assert found["needs_deploy"]


def test_a_long_list_is_cut() -> None:
    many = [{**model("x"), "model_name": f"m{number}"} for number in range(7)]
    assert "m4 and 2 more." in result_of(Round("staging", many, [], []))["msg"]


def test_metrics_name_each_model_once() -> None:
    found = Round("staging", [model("x"), {**model(), "model_name": "n"}], [(ENTRY, STRANGER)], [("ns", "x", STRANGER)])
    text = _metrics.render(samples_of(found, 7.0))
    assert 'ai_aas_model_drift{model="m",environment="staging"} 1.0' in text
    assert 'ai_aas_model_drift{model="n",environment="staging"} 0.0' in text
    assert 'ai_aas_model_drift{model="x",environment="staging"} 1.0' in text
    assert 'ai_aas_run_timestamp_seconds{verb="drift",environment="staging"} 7.0' in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "it is registered as ready"),
        ({"status": "disabled"}, None),
        ({"model_name": "declared"}, None),
        (
            {"endpoint": "gone.ns.svc.cluster.local:8000"},
            "it is registered as ready, and there is no Service at its endpoint",
        ),
        ({"endpoint": "gone.unseen.svc.cluster.local:8000"}, "it is registered as ready"),
        ({"endpoint": "foreign:1", "status": "pending"}, "it is registered as pending"),
    ],
)
def test_an_entry_that_nobody_declares(changes: Json, expected: str | None) -> None:
    namespaces = {"ns": Namespace({}, {"r-vllm-deployment"})}
    found = [each.what for _entry, each in undeclared_entries([ENTRY._replace(**changes)], ["declared"], namespaces)]
    assert found == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("there", "declared", "charts", "elsewhere", "is_found"),
    [
        (running(manifest=SERVICES), [], ["vllm-deployment"], [], True),
        (running(manifest=SERVICES), [("ns", "r")], ["vllm-deployment"], [], False),
        (running(manifest=SERVICES), [], ["another"], [], False),
        (running(manifest=SERVICES), [], ["vllm-deployment"], [("ns", "r-vllm-deployment")], False),
        (running(manifest=SERVICES), [], ["vllm-deployment"], [("other", "r-vllm-deployment")], True),
        (running(release=release("uninstalled")), [], ["vllm-deployment"], [], False),
        (Running(broken="?"), [], ["vllm-deployment"], [], False),
    ],
)
def test_a_release_that_nobody_declares(
    there: Running, declared: list[tuple[str, str]], charts: list[str], elsewhere: list[tuple[str, str]], is_found: bool
) -> None:
    found = list(undeclared_releases({"ns": Namespace({"r": there}, ())}, declared, charts, elsewhere))
    assert [each[:2] for each in found] == ([("ns", "r")] if is_found else [])


@pytest.mark.parametrize(("changes", "what"), [({"release": "s"}, "model: m"), ({"model_name": "n"}, "release: ns/r")])
def test_a_name_is_declared_once(changes: Json, what: str) -> None:
    given = {**DECLARED._asdict(), "host": None}
    assert declared_from([given])[0].host == "m"
    with pytest.raises(InvalidInputError, match=f"Two models are declared with the same {what}"):
        declared_from([given, {**given, **changes}])
