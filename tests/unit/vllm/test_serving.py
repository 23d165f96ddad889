# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdicts on a round of answers: a list of models, completions, /health, and metrics."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import (
    Answer,
    Metrics,
    Probe,
    Question,
    Verdict,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import REASONS
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.serving import judge_probe
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vllm.answers import (
    ENGINE_DEAD,
    HEALTHY,
    LATE,
    MODELS,
    NO_FUTURES,
    NO_KEY,
    REFUSED,
    completion,
    proxy_status,
)

ONE = Question(("m",))
GOOD = Probe(MODELS, (("m", completion()),), HEALTHY)


def asked(*completions: Answer, health: Answer = HEALTHY, metrics: tuple[Metrics, ...] = ()) -> Probe:
    return Probe(MODELS, tuple(zip(("m", "alias"), completions, strict=False)), health, metrics)


OF_MODELS = [
    ("port closed", REFUSED, "not_serving", "started"),
    ("name unknown to DNS", Answer(error="resolve", detail="x"), "not_serving", "started"),
    ("reset", Answer(error="reset", detail="x"), "not_serving", "started"),
    ("closed without a word", Answer(error="closed", detail="x"), "not_serving", "started"),
    ("kind of failure that is new", Answer(error="bad_luck", detail="x"), "not_serving", "started"),
    ("plain HTTP to a TLS port", Answer(error="tls", detail="wrong version number"), "tls_mismatch", "started"),
    ("no port-forward allowed", Answer(error="forbidden", detail="pods/portforward"), "forbidden", "loaded"),
    ("HTTP server hangs", LATE, "timeout", "loaded"),
    ("SSH server", Answer(error="malformed", detail="SSH-2.0"), "not_vllm", "loaded"),
    ("endless body", Answer(200, error="too_large", detail="x"), "not_vllm", "loaded"),
    ("key missing", Answer(401, NO_KEY), "unauthorised", "loaded"),
    ("key wrong for a gateway", Answer(403, {"error": {"message": "no"}}), "unauthorised", "loaded"),
    ("redirect", Answer(302, detail="leads to http://sso/"), "not_vllm", "loaded"),
    ("choices", Answer(300), "not_vllm", "loaded"),
    ("not modified", Answer(304), "not_vllm", "loaded"),
    ("end of what is redirected", Answer(399), "not_vllm", "loaded"),
    ("bad request", Answer(400), "refused", "loaded"),
    ("end of what is refused", Answer(499), "refused", "loaded"),
    ("no such path", Answer(404, {"detail": "Not Found"}), "not_vllm", "loaded"),
    ("method refused", Answer(405), "refused", "loaded"),
    ("too many requests", Answer(429), "busy", "loaded"),
    ("engine gone", Answer(503), "server_error", "loaded"),
    ("gateway waits", Answer(504, detail="<html>"), "server_error", "loaded"),
    ("shutting down", Answer(500, NO_FUTURES), "draining", "loaded"),
    ("no status at all", Answer(), "server_error", "loaded"),
    ("made, and not found", Answer(201, {"data": [{"id": "m"}]}), "server_error", "loaded"),
    ("proxy may not", proxy_status(403, 'pods "p" is forbidden: cannot get pods/proxy'), "forbidden", "loaded"),
    ("proxy does not know us", proxy_status(401, "Unauthorized"), "api_unauthorised", "loaded"),
    ("proxy finds no pod", proxy_status(404, 'pods "p" not found'), "not_serving", "started"),
    ("proxy reaches no server", proxy_status(503, "error trying to reach service: refused"), "not_serving", "started"),
    ("proxy has no time", proxy_status(429, "slow down"), "not_serving", "started"),
    ("a Status that is not the API's", Answer(503, {"kind": "Status", "apiVersion": "v2"}), "server_error", "loaded"),
    ("HTML instead of a list", Answer(200, None, detail="<html>", text="<html>"), "not_vllm", "loaded"),
    ("a list instead of an object", Answer(200, []), "not_vllm", "loaded"),
    ("data is a text", Answer(200, {"data": "m"}), "not_vllm", "loaded"),
    ("data is an object", Answer(200, {"data": {"id": "m"}}), "not_vllm", "loaded"),
    ("other name", Answer(200, {"data": [{"id": "other"}]}), "wrong_name", "loaded"),
    ("case differs", Answer(200, {"data": [{"id": "M"}]}), "wrong_name", "loaded"),
    ("no names", Answer(200, {"data": []}), "wrong_name", "loaded"),
    ("names that are none", Answer(200, {"data": [{"id": 1}, {"id": None}, {}, "m", None]}), "wrong_name", "loaded"),
]
ROUNDS = [
    ("one token, no text", GOOD, None),
    ("dies at the first token", asked(Answer(error="closed", detail="x")), "not_serving"),
    ("engine error", asked(Answer(500, ENGINE_DEAD)), "server_error"),
    ("dies after the first token", asked(completion(), health=REFUSED), "unhealthy"),
    ("unwell after the token", asked(completion(), health=Answer(503)), "unhealthy"),
    ("health hangs after the token", asked(completion(), health=LATE), "unhealthy"),
    ("health leads elsewhere", asked(completion(), health=Answer(302)), "unhealthy"),
    ("token and health fail", asked(completion(0), health=Answer(503)), "not_generating"),
    ("not asked", Probe(MODELS, (), HEALTHY), "not_serving"),
]


@pytest.mark.parametrize(
    ("models", "reason", "phase"), [row[1:] for row in OF_MODELS], ids=[row[0] for row in OF_MODELS]
)
def test_list_of_models(models: Answer, reason: str, phase: str) -> None:
    verdict = judge_probe(replace(GOOD, models=models), ONE)
    assert (verdict.ready, verdict.reason, verdict.phase) == (False, reason, phase)
    assert verdict.severity == REASONS[reason].severity
    assert models.detail in verdict.msg


@pytest.mark.parametrize(("probe", "reason"), [row[1:] for row in ROUNDS], ids=[row[0] for row in ROUNDS])
def test_round(probe: Probe, reason: str | None) -> None:
    verdict = judge_probe(probe, ONE)
    assert (verdict.ready, verdict.reason) == (reason is None, reason)
    assert verdict.phase == ("serving" if reason else "verified")
    assert verdict.served_models == ("m", "alias")


@pytest.mark.parametrize(
    ("health", "told"),
    [(Answer(503), "503"), (REFUSED, "refused Connection refused"), (Answer(500, detail="x"), "500 x")],
)
def test_what_is_told_of_health(health: Answer, told: str) -> None:
    assert judge_probe(asked(completion(), health=health), ONE).msg == f"/health after the completion: {told}"


def test_what_is_told_of_success() -> None:
    told = "Model m generates"
    assert judge_probe(GOOD, ONE) == Verdict(True, None, told, phase="verified", served_models=("m", "alias"))


def test_wrong_name_tells_which_names_are_served() -> None:
    verdict = judge_probe(Probe(MODELS), Question(("gpt", "m", "x")))
    assert (verdict.severity, verdict.served_models) == ("permanent", ("m", "alias"))
    assert verdict.msg == "The server does not serve 'gpt', 'x'. It serves: m, alias"
    assert judge_probe(Probe(Answer(200, {"data": []})), ONE).msg.endswith("It serves: nothing")


@pytest.mark.parametrize(
    ("answers", "reason", "told"),
    [
        ((completion(), completion()), None, "Model m, alias generates"),
        ((completion(), completion(0)), "not_generating", "alias: The completion holds no generated token"),
        ((completion(0), completion()), "not_generating", "m: The completion holds"),
        ((completion(), Answer(404)), "refused", "alias: The completion answered 404"),
        ((completion(),), "not_serving", "alias: The completion: closed"),
    ],
)
def test_each_name_has_to_generate(answers: tuple[Answer, ...], reason: str | None, told: str) -> None:
    verdict = judge_probe(asked(*answers), Question(("m", "alias")))
    assert verdict.reason == reason
    assert verdict.msg.startswith(told)


@pytest.mark.parametrize(
    ("metrics", "reason", "told"),
    [
        ((Metrics(started_at=1001.0),), None, ""),
        ((Metrics(started_at=1000.0),), "old_process", "0 s before"),
        ((Metrics(started_at=970.0),), "old_process", "30 s before"),
        ((Metrics(started_at=970.0), Metrics(started_at=1001.0)), None, ""),
        ((Metrics(),), "old_process", "do not say"),
        ((), "old_process", "do not say"),
    ],
)
def test_started_after(metrics: tuple[Metrics, ...], reason: str | None, told: str) -> None:
    verdict = judge_probe(replace(GOOD, metrics=metrics), replace(ONE, started_after=1000.0))
    assert verdict.reason == reason
    assert told in verdict.msg
    assert judge_probe(replace(GOOD, metrics=metrics), ONE).ready


@pytest.mark.parametrize("names", [("m",), ("m", "alias")])
def test_an_old_process_that_fails_is_not_called_old(names: tuple[str, ...]) -> None:
    probe = asked(completion(), completion(), health=REFUSED, metrics=(Metrics(started_at=1.0),))
    assert judge_probe(probe, Question(names, started_after=1000.0)).reason == "unhealthy"


KEYS = ["data", "id", "choices", "finish_reason", "usage", "completion_tokens", "text", "message", "content", "error"]
JSON = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 2, 1.0, "m", "stop", "length", "abort", " ", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)
STATUS = st.sampled_from([200, 200, 200, None, 302, 401, 404, 500])
ERROR = st.sampled_from([None, None, None, "closed", "timeout", "tls", "too_large", "forbidden"])
ANY = st.builds(Answer, STATUS, JSON, ERROR)
CHOICE = st.fixed_dictionaries(
    {"finish_reason": st.sampled_from(["stop", "length", "abort", None, ["stop"]]), "text": JSON}
)
USAGE = st.fixed_dictionaries({"completion_tokens": st.sampled_from([1, 1, 8, 0, -1, True, "1", 1.0, None])})
NEAR = st.builds(
    Answer, STATUS, st.fixed_dictionaries({"choices": st.lists(CHOICE, max_size=2), "usage": USAGE | JSON}), ERROR
)
PROBES = st.builds(
    Probe,
    st.sampled_from([MODELS, MODELS, MODELS, replace(MODELS, error="too_large")]) | ANY,
    st.tuples(
        st.tuples(st.just("m"), NEAR | st.just(completion(text="x")) | ANY), st.tuples(st.just("alias"), NEAR | ANY)
    ),
    st.just(HEALTHY) | ANY,
    st.lists(st.builds(Metrics, started_at=st.sampled_from([None, 999.0, 1001.0])), max_size=2).map(tuple),
)
QUESTIONS = st.builds(
    Question,
    st.sampled_from([("m",), ("m",), ("m", "alias"), ("other",)]),
    wants_text=st.booleans(),
    started_after=st.sampled_from([None, None, 1000.0]),
)


def proves(answer: Answer, wants_text: bool) -> bool:
    """Whether a completion holds a generated token, by the rule in the facts about vLLM."""
    try:
        choice, tokens = answer.payload["choices"][0], answer.payload["usage"]["completion_tokens"]
        ended = (
            choice["finish_reason"] in {"stop", "length"}
            and isinstance(tokens, int)
            and tokens is not True
            and tokens >= 1
        )
        text = choice.get("text")
        message = choice["message"].get("content") if isinstance(choice.get("message"), dict) else None
    except (TypeError, KeyError, IndexError, AttributeError):
        return False
    has_text = any(isinstance(each, str) and each.strip() for each in (text, message))
    return answer.status == 200 and not answer.error and ended and (has_text or not wants_text)


def is_ready(probe: Probe, question: Question) -> bool:
    try:
        listed = [each["id"] for each in probe.models.payload["data"] if isinstance(each, dict) and "id" in each]
    except (TypeError, KeyError):
        return False
    answers = dict(probe.completions)
    young = question.started_after is None or any(each.started_at == 1001.0 for each in probe.metrics[-1:])
    return (
        probe.models.status == 200
        and not probe.models.error
        and all(name in listed and proves(answers[name], question.wants_text) for name in question.names)
        and probe.health is not None
        and probe.health.status == 200
        and young
    )


@given(PROBES, QUESTIONS)
def test_no_answer_breaks_the_judge_and_none_but_a_token_is_ready(probe: Probe, question: Question) -> None:
    verdict = judge_probe(probe, question)
    assert verdict.ready == is_ready(probe, question)
    assert (verdict.reason is None) == verdict.ready
    assert verdict.msg
