# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module ends: with its result, with an error that helps, never with a secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils import _module
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError


class EndedError(Exception):
    """What ends a module's process."""


class Recorder:
    """Stands where AnsibleModule would, and keeps what it was told."""

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments
        self.end: tuple[str, dict[str, Any]] = ("", {})
        self.warnings: list[str] = []

    def exit_json(self, **result: Any) -> None:
        self.end = ("exit", result)
        raise EndedError

    def fail_json(self, **result: Any) -> None:
        self.end = ("fail", result)
        raise EndedError

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def run(monkeypatch: pytest.MonkeyPatch, action: Callable[[Any], dict[str, Any]], **arguments: Any) -> Recorder:
    made: list[Recorder] = []

    def make(**given: Any) -> Recorder:
        made.append(Recorder(**given))
        return made[0]

    monkeypatch.setattr(_module, "AnsibleModule", make)
    with pytest.raises(EndedError):
        _module.run_module(action, **arguments)
    return made[0]


def raises(error: Exception) -> Callable[[Any], dict[str, Any]]:
    def action(_module: Any) -> dict[str, Any]:
        raise error

    return action


def test_a_result_is_returned_and_its_warnings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = run(monkeypatch, lambda _module: {"changed": True, "warnings": ["mind this"]}, argument_spec={})
    assert ended.end == ("exit", {"changed": True})
    assert ended.warnings == ["mind this"]
    assert ended.arguments == {"supports_check_mode": True, "argument_spec": {}}


def test_an_error_tells_what_why_and_the_remedy_with_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    error = InferenceError("No route", "the port is closed", "Open it.", {"changed": True, "warnings": ["half done"]})
    ended = run(monkeypatch, raises(error))
    assert ended.end == ("fail", {"msg": "No route: the port is closed. Open it.", "changed": True})
    assert ended.warnings == ["half done"]


@pytest.mark.parametrize(
    ("name", "distribution"), [("kubernetes.client", "kubernetes"), ("websocket", "websocket-client")]
)
def test_a_library_that_is_missed_late_is_named(monkeypatch: pytest.MonkeyPatch, name: str, distribution: str) -> None:
    ended = run(monkeypatch, raises(ModuleNotFoundError(name=name)))
    assert ended.end[0] == "fail"
    assert ended.end[1]["msg"].startswith(f"Failed to import the required Python library ({distribution})")


@pytest.mark.parametrize(
    ("what", "why", "remedy", "message"),
    [
        ("No route", "", "", "No route."),
        ("No route", "closed", "", "No route: closed."),
        ("No route", "closed.", "Open it.", "No route: closed. Open it."),
        ("No route", "", "Open it.", "No route. Open it."),
    ],
)
def test_the_message_of_an_error(what: str, why: str, remedy: str, message: str) -> None:
    assert InferenceError(what, why, remedy).message == message


def test_an_unforeseen_error_tells_its_place_and_not_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = run(monkeypatch, raises(KeyError("s3cret")))
    kind, result = ended.end
    assert kind == "fail"
    assert "Unforeseen KeyError at " in result["msg"]
    assert "test_module_frame.py:" in result["msg"]
    assert "s3cret" not in str(result)


def test_a_missing_library_is_named_as_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_module, "DISTRIBUTIONS", {"no_such_library": "no-such-library"})
    ended = run(monkeypatch, raises(AssertionError("not reached")), libraries=("json", "no_such_library"))
    assert ended.end[0] == "fail"
    assert "no-such-library" in ended.end[1]["msg"]
