# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module's parameters as values, and what is said of those that break a rule."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import PHASES, Question
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.target import (
    Target,
    moment,
    patience_from,
    targets_from,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import Patience
from ansible_collections.ai_aas.inference.plugins.modules import vllm_ready

DEFAULTS = {name: option.get("default") for name, option in vllm_ready.ARGUMENTS.items()}
ONE = {"model": "m", "url": "http://h:1"}
IN_CLUSTER = {"model": "m", "release": "r", "namespace": "ns"}


def params(**given: Any) -> dict[str, Any]:
    return {**DEFAULTS, **given}


def member(**given: Any) -> dict[str, Any]:
    return {**dict.fromkeys(vllm_ready.MODEL), **given}


@pytest.mark.parametrize(
    ("given", "target"),
    [
        (ONE, Target(Question(("m",)), "http://h:1")),
        (IN_CLUSTER, Target(Question(("m",)), None, "r", "ns")),
        ({**ONE, "aliases": ["a", "b"]}, Target(Question(("m", "a", "b")), "http://h:1")),
        ({**ONE, "aliases": []}, Target(Question(("m",)), "http://h:1")),
        ({**ONE, "model": "org/Model-1.5 B"}, Target(Question(("org/Model-1.5 B",)), "http://h:1")),
        ({**ONE, "api": "chat", "probe": "text"}, Target(Question(("m",), "chat", True), "http://h:1")),
        ({**ONE, "started_after": "1000"}, Target(Question(("m",), started_after=1000.0), "http://h:1")),
        ({**ONE, "request_timeout": 5.0}, Target(Question(("m",), seconds=5.0), "http://h:1")),
        ({**ONE, "request_timeout": 30.0, "timeout": 7.0}, Target(Question(("m",), seconds=7.0), "http://h:1")),
        ({**ONE, "request_timeout": 30.0, "timeout": 0.0}, Target(Question(("m",), seconds=1.0), "http://h:1")),
        ({**IN_CLUSTER, "url": ""}, Target(Question(("m",)), "", "r", "ns")),
        ({**IN_CLUSTER, "release": "a" * 63}, Target(Question(("m",)), None, "a" * 63, "ns")),
    ],
)
def test_one_target(given: dict[str, Any], target: Target) -> None:
    assert targets_from(params(**given)) == [target]
    assert target.model == target.question.names[0]


def test_several_targets_share_the_other_options() -> None:
    both = [member(**ONE), member(**IN_CLUSTER, aliases=["a"])]
    assert targets_from(params(releases=both, api="chat", request_timeout=5.0)) == [
        Target(Question(("m",), "chat", seconds=5.0), "http://h:1"),
        Target(Question(("m", "a"), "chat", seconds=5.0), None, "r", "ns"),
    ]


EMPTY = "Invalid model: a name must not be empty"
NEITHER = "Invalid options for model m: either url, or release with namespace, is needed"
RULE = "it must have 1 to 63 lower case letters, digits and hyphens"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({**ONE, "model": ""}, EMPTY),
        ({**ONE, "model": " \t"}, EMPTY),
        ({**ONE, "model": None}, EMPTY),
        ({**ONE, "aliases": ["a", ""]}, EMPTY),
        ({"model": "m"}, NEITHER),
        ({**ONE, **IN_CLUSTER}, NEITHER),
        ({**ONE, "namespace": "ns"}, NEITHER),
        ({"model": "m", "release": "r"}, NEITHER),
        ({"model": "m", "namespace": "ns"}, NEITHER),
        ({"model": "m", "url": ""}, NEITHER),
        ({**IN_CLUSTER, "release": ""}, f"Invalid release: '': {RULE}"),
        ({**IN_CLUSTER, "release": "R"}, f"Invalid release: 'R': {RULE}"),
        ({**IN_CLUSTER, "release": "a,b in (c)"}, f"Invalid release: 'a,b in (c)': {RULE}"),
        ({**IN_CLUSTER, "release": "r\n"}, f"Invalid release: 'r\\n': {RULE}"),
        ({**IN_CLUSTER, "release": "é"}, f"Invalid release: 'é': {RULE}"),
        ({**IN_CLUSTER, "release": "-r"}, f"Invalid release: '-r': {RULE}"),
        ({**IN_CLUSTER, "release": "r-"}, f"Invalid release: 'r-': {RULE}"),
        ({**IN_CLUSTER, "release": "a" * 64}, f"Invalid release: '{'a' * 64}': {RULE}"),
        ({**IN_CLUSTER, "release": "A" * 999}, f"Invalid release: '{'A' * 80}': {RULE}"),
        ({**IN_CLUSTER, "namespace": "../x"}, f"Invalid namespace: '../x': {RULE}"),
        ({"releases": []}, "Invalid releases: it is empty"),
        ({"releases": [member(**ONE), member(model="m")]}, NEITHER),
        ({"releases": [member(**ONE, aliases=[" "])]}, EMPTY),
        ({**ONE, "started_after": "soon"}, "Invalid started_after: 'soon': it is neither a number"),
    ],
)
def test_what_breaks_a_rule_is_named(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        targets_from(params(**given))
    assert refused.value.message.startswith(told)
    assert refused.value.remedy


@pytest.mark.parametrize("once", [True, False])
def test_patience(once: bool) -> None:
    given = params(timeout=7.0, fail_fast="suspect", budgets={"loaded": 5.0, "pulled": None}, interval=1.0)
    assert patience_from(given, once=once) == Patience(7.0, "suspect", {"loaded": 5.0}, once)
    assert patience_from(params(), once=once) == Patience(1200, "permanent", {}, once)


BAD = [float("nan"), float("inf"), float("-inf"), -1.0, -0.001]


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("option", ["timeout", "request_timeout", "interval", *(f"budgets.{name}" for name in PHASES)])
def test_seconds_that_make_no_sense(option: str, value: float) -> None:
    _whole, _dot, phase = option.partition(".")
    given = params(budgets={phase: value}) if phase else params(**{option: value})
    least = {"request_timeout": "0.1", "interval": "0.05"}.get(option, "0")
    with pytest.raises(InvalidInputError) as refused:
        patience_from(given, once=False)
    assert refused.value.message.startswith(
        f"Invalid {option}: {value}: it must be a number of seconds, {least} or more"
    )
    assert refused.value.remedy == f"Correct {option}."


@pytest.mark.parametrize(
    ("option", "value", "valid"),
    [
        ("timeout", 0.0, True),
        ("request_timeout", 0.1, True),
        ("request_timeout", 0.05, False),
        ("request_timeout", 0.0, False),
        ("interval", 0.05, True),
        ("interval", 0.0, False),
        ("interval", None, True),
    ],
)
def test_the_least_seconds(option: str, value: float | None, valid: bool) -> None:
    if valid:
        patience_from(params(**{option: value}), once=False)
    else:
        with pytest.raises(InvalidInputError, match=f"Invalid {option}"):
            patience_from(params(**{option: value}), once=False)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("1798718400", 1798718400.0),
        ("1798718400.25", 1798718400.25),
        (" 5 ", 5.0),
        ("1970-01-02", 86400.0),
        ("1970-01-01T00:01:00", 60.0),
        ("1970-01-01 00:01:00", 60.0),
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:01:00+01:00", 60.0),
        ("1970-01-01T00:01:00.5Z", 60.5),
        ("2026-01-31T12:00:00Z", 1769860800.0),
        ("0001-01-01", -62135596800.0),
        ("0001-01-01T00:00:00+14:00", -62135647200.0),
        ("9999-12-31T23:59:59-14:00", 253402351199.0),
        ("2024-02-29T23:59:59.999999", 1709251199.999999),
    ],
)
def test_moment(text: str | None, seconds: float | None) -> None:
    assert moment(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["soon", "2026-13-01", "2026-01-31T25:00:00Z", "12:00", "31.01.2026", "x" * 99, "nan", "inf", "-inf", "1e999"],
)
def test_a_moment_that_is_none(text: str) -> None:
    """After what is no number or never, each process would be young, or none."""
    with pytest.raises(InvalidInputError) as refused:
        moment(text)
    assert refused.value.what == f"Invalid started_after: {text[:80]!r}"
    assert refused.value.remedy == "Write it as 2026-01-31T12:00:00Z."
