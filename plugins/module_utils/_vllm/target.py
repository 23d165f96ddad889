# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user wants to be ready: a module's parameters as values, with the rules for each. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Question
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import Patience

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
# Seconds between two questions to a server that is not ready: a URL costs nobody else anything.
INTERVALS = {"url": 0.1, "release": 1.0}


@dataclass(frozen=True)
class Target:
    """One model: behind a URL, or in a release."""

    question: Question
    url: str | None = None
    release: str = ""
    namespace: str = ""

    @property
    def model(self) -> str:
        return self.question.names[0]


def targets_from(params: Mapping[str, Any]) -> list[Target]:
    """Read what is to be waited for: one model, or each of `releases`.

    Raises:
        InvalidInputError: a value breaks a rule; names the option and the rule.
    """
    given = params["releases"] if params["releases"] is not None else [params]
    if not given:
        raise InvalidInputError("Invalid releases", "it is empty", "Name at least one.")
    return [target_from(each, params) for each in given]


def target_from(each: Mapping[str, Any], params: Mapping[str, Any]) -> Target:
    names = (each["model"], *(each["aliases"] or ()))
    for name in names:
        if not name or not name.strip():
            raise InvalidInputError("Invalid model", "a name must not be empty", "Give the exact served name.")
    for option in ("release", "namespace"):
        if each[option] is not None and not LABEL.fullmatch(each[option]):
            rule = "it must have 1 to 63 lower case letters, digits and hyphens"
            raise InvalidInputError(f"Invalid {option}: {each[option][:80]!r}", rule, f"Correct {option}.")
    if bool(each["url"]) == bool(each["release"]) or bool(each["release"]) != bool(each["namespace"]):
        what = f"Invalid options for model {each['model']}"
        raise InvalidInputError(what, "either url, or release with namespace, is needed", "Give one of the two.")
    started_after = moment(params["started_after"])
    seconds = min(params["request_timeout"], max(params["timeout"], 1.0))
    question = Question(names, params["api"], params["probe"] == "text", started_after, seconds)
    return Target(question, each["url"], each["release"] or "", each["namespace"] or "")


def patience_from(params: Mapping[str, Any], *, once: bool) -> Patience:
    """Read how long to wait.

    Raises:
        InvalidInputError: a number of seconds makes no sense.
    """
    budgets = {name: value for name, value in (params["budgets"] or {}).items() if value is not None}
    numbers = {"timeout": params["timeout"], **{f"budgets.{name}": value for name, value in budgets.items()}}
    for option, value in numbers.items():
        check_seconds(option, value, least=0.0)
    check_seconds("request_timeout", params["request_timeout"], least=0.1)
    if params["interval"] is not None:
        check_seconds("interval", params["interval"], least=0.05)
    return Patience(params["timeout"], params["fail_fast"], budgets, once)


def check_seconds(option: str, value: float, least: float) -> None:
    if not math.isfinite(value) or value < least:
        rule = f"it must be a number of seconds, {least:g} or more"
        raise InvalidInputError(f"Invalid {option}: {value}", rule, f"Correct {option}.")


def moment(text: str | None) -> float | None:
    """Seconds since 1970, given as such or as an ISO 8601 date and time (UTC unless it says otherwise)."""
    if text is None or text == "":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    try:
        parsed = None if math.isfinite(seconds) else datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            f"Invalid started_after: {text[:80]!r}",
            "it is neither a number of seconds since 1970 nor a date and time",
            "Write it as 2026-01-31T12:00:00Z.",
        ) from None
    if parsed is None:
        return seconds
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
