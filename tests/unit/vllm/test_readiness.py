# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wait for one model or several returns, tells, and fails with."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Question, Verdict, not_ready
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.readiness import (
    Fleet,
    failure,
    joined,
    result_of,
    teller,
    wait_until_ready,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import remedy
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.target import Target
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import Look, Outcome, Timeline
from ansible_collections.ai_aas.inference.plugins.modules import vllm_ready

pytestmark = pytest.mark.usefixtures("successes_at_once")

DEFAULTS = {name: option.get("default") for name, option in vllm_ready.ARGUMENTS.items()}
READY = Verdict(True, None, "Model m generates", phase="verified", served_models=("m", "a"))
WRONG = not_ready("wrong_name", "It serves: x", "loaded", served=("x",))
LOADING = not_ready("loading", "Pod p loads", "started")
M, N = Target(Question(("m",)), "http://h"), Target(Question(("n", "alias")), "http://h")


def outcome(verdict: Verdict, seconds: float = 1.23456, exhausted: str = "") -> Outcome:
    timeline = Timeline()
    timeline.take(verdict, seconds)
    return Outcome(verdict, timeline, seconds, 3, exhausted)


def test_result_of_a_model_that_is_ready() -> None:
    assert result_of(M, outcome(READY)) == {
        "model": "m",
        "ready": True,
        "reason": None,
        "severity": None,
        "phases": {"scheduled": 1.235, "pulled": 0.0, "started": 0.0, "loaded": 0.0, "serving": 0.0, "verified": 0.0},
        "slowest": {"phase": "scheduled", "seconds": 1.235, "waited_for": ""},
        "served_models": ["m", "a"],
        "observations": 3,
        "seconds": 1.235,
        "msg": "Model m generates",
    }


def test_result_of_a_model_that_is_not() -> None:
    result = result_of(M, outcome(LOADING))
    told = {name: result[name] for name in ("ready", "reason", "severity", "served_models", "msg")}
    assert told == {"ready": False, "reason": "loading", "severity": "heals", "served_models": [], "msg": "Pod p loads"}
    assert list(result["phases"]) == ["scheduled", "pulled", "started"]


def test_each_value_of_a_result_is_documented() -> None:
    documented = set(yaml.safe_load(vllm_ready.RETURN))
    result = result_of(M, outcome(READY))
    assert set(result) - documented == {"model"}
    assert set(joined([result])) <= documented
    assert documented == (set(result) | set(joined([result]))) - {"model"}


@pytest.mark.parametrize(
    ("verdicts", "ready", "reason", "msg"),
    [
        ([READY, READY], True, None, "All 2 models generate"),
        ([READY, WRONG], False, "wrong_name", "n: It serves: x"),
        ([LOADING, READY], False, "loading", "m: Pod p loads"),
        ([LOADING, WRONG], False, "loading", "m: Pod p loads; n: It serves: x"),
    ],
)
def test_several_models_together(verdicts: list[Verdict], ready: bool, reason: str | None, msg: str) -> None:
    outcomes = [outcome(verdict, seconds) for verdict, seconds in zip(verdicts, (2.0, 1.0), strict=True)]
    results = [result_of(target, each) for target, each in zip((M, N), outcomes, strict=True)]
    assert joined(results) == {"ready": ready, "reason": reason, "seconds": 2.0, "msg": msg, "releases": results}


@pytest.mark.parametrize(
    ("exhausted", "told"),
    [
        ("", "Model m is not ready after 1.2 s, reason wrong_name: It serves: x."),
        ("timeout", "Model m is not ready after 1.2 s (timeout), reason wrong_name: It serves: x."),
        ("loaded", "Model m is not ready after 1.2 s (budget of loaded), reason wrong_name: It serves: x."),
    ],
)
def test_failure_of_one(exhausted: str, told: str) -> None:
    error = failure([(M, outcome(WRONG, exhausted=exhausted))], {"ready": False})
    assert error.message == f"{told} {remedy('wrong_name')}"
    assert error.result == {"ready": False}


def test_failure_of_several() -> None:
    error = failure([(M, outcome(LOADING)), (N, outcome(WRONG))], {})
    assert error.message == "2 models are not ready: m: loading: Pod p loads; n: wrong_name: It serves: x."


def test_what_passes_by_itself_has_no_remedy() -> None:
    assert failure([(M, outcome(LOADING))], {}).message.endswith("reason loading: Pod p loads.")


def test_progress(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    path.touch()
    path.write_text("")
    teller(str(path), M, 1, set())(1.25, LOADING)
    teller(str(path), N, 2, set())(1234.5, Verdict(True, None, "two\nlines \udcff"))
    assert path.read_text() == "   1.2 s  loading: Pod p loads\nn: 1234.5 s  ready: two lines ?\n"
    teller(None, M, 1, set())(1.0, LOADING)


def test_progress_without_what_is_hidden(tmp_path: Path) -> None:
    path, hidden = tmp_path / "progress", {"never"}
    path.touch()
    tell = teller(str(path), M, 1, hidden)
    hidden.add("hunter2")
    tell(1.0, not_ready("wrong_name", "It serves: hunter2, a"))
    assert path.read_text() == "   1.0 s  wrong_name: It serves: ********, a\n"


def test_progress_that_nobody_wants_to_know_any_more(tmp_path: Path) -> None:
    teller(str(tmp_path / "removed"), M, 1, set())(1.0, LOADING)
    assert list(tmp_path.iterdir()) == []
    teller(str(tmp_path), M, 1, set())(1.0, LOADING)


def test_a_progress_file_that_a_user_names_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is missing means that the run was cancelled, which a new name must not mean."""
    path, seen = tmp_path / "progress", list[bool]()
    monkeypatch.setattr(vllm_ready, "end_with_parent", lambda given: seen.append(Path(given).exists()))
    looks(monkeypatch, m=READY)
    params = {**DEFAULTS, "model": "m", "url": "http://h", "progress_file": str(path)}
    module: Any = SimpleNamespace(params=params, check_mode=False, no_log_values=set())
    assert vllm_ready.execute(module)["ready"]
    assert seen == [True]
    assert path.read_text().endswith("ready: Model m generates\n")


def member(**given: Any) -> dict[str, Any]:
    return {**dict.fromkeys(vllm_ready.MODEL), **given}


def looks(monkeypatch: pytest.MonkeyPatch, **verdicts: Verdict | Exception) -> None:
    """Let each model be looked at as told, instead of asking its server."""

    def observer(_fleet: Fleet, target: Target) -> Any:
        def look() -> Look:
            verdict = verdicts[target.model]
            if isinstance(verdict, Exception):
                raise verdict
            return Look(verdict)

        return SimpleNamespace(look=look)

    monkeypatch.setattr(Fleet, "observer", observer)


def wait(*names: str, once: bool = False, **given: Any) -> dict[str, Any]:
    models = [member(model=name, url="http://h") for name in names]
    chosen = {**models[0]} if len(models) == 1 else {"releases": models}
    return wait_until_ready({**DEFAULTS, **chosen, "timeout": 0.0, **given}, set(), once=once)


def test_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    looks(monkeypatch, m=READY)
    result = wait("m")
    assert (result["changed"], result["ready"], result["observations"]) == (False, True, 2)
    assert "releases" not in result


def test_several_models_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    looks(monkeypatch, m=READY, n=READY, o=READY)
    result = wait("n", "m", "o")
    assert (result["changed"], result["ready"]) == (False, True)
    assert [each["model"] for each in result["releases"]] == ["n", "m", "o"]


def test_a_model_that_does_not_become_ready_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    looks(monkeypatch, m=READY, n=WRONG)
    with pytest.raises(InferenceError, match=r"Model n is not ready .* reason wrong_name") as failed:
        wait("m", "n")
    assert [each["ready"] for each in failed.value.result["releases"]] == [True, False]
    assert "msg" not in failed.value.result
    looks(monkeypatch, m=LOADING)
    with pytest.raises(InferenceError, match=r"after 0\.0 s \(timeout\), reason loading"):
        wait("m")


def test_check_mode_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    looks(monkeypatch, m=WRONG, n=READY)
    result = wait("m", once=True)
    assert (result["ready"], result["reason"], result["observations"]) == (False, "wrong_name", 1)
    assert wait("m", "n", once=True)["reason"] == "wrong_name"


def test_what_breaks_in_one_thread_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    looks(monkeypatch, m=READY, n=KeyError("broken"))
    with pytest.raises(KeyError, match="broken"):
        wait("m", "n")


def test_what_is_wrong_with_an_option_shows_before_anything_is_waited_for() -> None:
    with pytest.raises(InvalidInputError, match="Invalid url: ftp://h"):
        wait(
            "m", "n", url=None, releases=[member(model="m", url="http://127.0.0.1:1"), member(model="n", url="ftp://h")]
        )
