# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server's answers and the verdicts on them, as vLLM 0.32.0 was seen to answer."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Answer, Probe
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.serving import judge_probe, served_models
from hypothesis import given
from hypothesis import strategies as st

MODELS = Answer(200, {"object": "list", "data": [{"id": "m"}, {"id": "alias"}]})
HEALTHY = Answer(200)
REFUSED = Answer(error="refused", detail="Connection refused")
SLOW = Answer(error="timeout", detail="no answer within 30 s")
WRONG_MODEL = {"error": {"message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}}


def completion(tokens: Any = 1, finish: Any = "length", text: str = "") -> Answer:
    return Answer(200, {"choices": [{"text": text, "finish_reason": finish}], "usage": {"completion_tokens": tokens}})


CASES = [
    ("one token, no text", Probe(MODELS, completion(), HEALTHY), None),
    ("ended by itself", Probe(MODELS, completion(finish="stop"), HEALTHY), None),
    ("port closed", Probe(REFUSED), "not_serving"),
    ("name unknown to DNS", Probe(Answer(error="resolve", detail="x")), "not_serving"),
    ("plain HTTP to a TLS port", Probe(Answer(error="tls", detail="wrong version number")), "tls_mismatch"),
    ("HTTP server hangs", Probe(SLOW), "timeout"),
    ("key missing", Probe(Answer(401, {"error": "Unauthorized"})), "unauthorised"),
    ("engine gone", Probe(Answer(503)), "server_error"),
    ("HTML instead of a list", Probe(Answer(200, None, detail="<html>")), "not_vllm"),
    ("a list instead of an object", Probe(Answer(200, [])), "not_vllm"),
    ("other name", Probe(Answer(200, {"data": [{"id": "other"}]})), "wrong_name"),
    ("no names", Probe(Answer(200, {"data": []})), "wrong_name"),
    ("engine frozen", Probe(MODELS, SLOW), "not_generating"),
    ("engine error", Probe(MODELS, Answer(500, {"error": {"message": "EngineCore encountered"}})), "server_error"),
    ("no chat template", Probe(MODELS, Answer(400, {"error": {"message": "chat template"}})), "refused"),
    ("name refused", Probe(MODELS, Answer(404, WRONG_MODEL)), "refused"),
    ("aborted by a shutdown", Probe(MODELS, completion(finish="abort"), HEALTHY), "not_generating"),
    ("no token", Probe(MODELS, completion(tokens=0), HEALTHY), "not_generating"),
    ("tokens are no number", Probe(MODELS, completion(tokens="1"), HEALTHY), "not_generating"),
    ("no usage", Probe(MODELS, Answer(200, {"choices": [{"finish_reason": "stop"}]}), HEALTHY), "not_generating"),
    ("choices empty", Probe(MODELS, Answer(200, {"choices": []}), HEALTHY), "not_generating"),
    ("body cut off", Probe(MODELS, Answer(200, None, detail='{"choices": [')), "not_generating"),
    ("dies at the first token", Probe(MODELS, Answer(error="closed", detail="x")), "not_serving"),
    ("dies after the first token", Probe(MODELS, completion(), REFUSED), "unhealthy"),
    ("unwell after the token", Probe(MODELS, completion(), Answer(503)), "unhealthy"),
]


@pytest.mark.parametrize(("probe", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_probe(probe: Probe, reason: str | None) -> None:
    verdict = judge_probe(probe, "m")
    assert (verdict.ready, verdict.reason) == (reason is None, reason)


def test_alias_counts_as_a_name() -> None:
    assert judge_probe(Probe(MODELS, completion(), HEALTHY), "alias").ready


def test_wrong_name_tells_which_names_are_served() -> None:
    verdict = judge_probe(Probe(MODELS), "gpt")
    assert verdict.severity == "permanent"
    assert verdict.served_models == ("m", "alias")
    assert "'gpt'. It serves: m, alias" in verdict.msg


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "id", "choices", "usage", "error", "message"]), inner, max_size=4)
    ),
)
ANSWERS = st.builds(
    Answer, st.sampled_from([None, 200, 401, 404, 500, 503]), JSON, st.sampled_from([None, "closed", "timeout"])
)


@given(models=ANSWERS, answer=ANSWERS, health=ANSWERS)
def test_no_answer_breaks_the_judge_and_none_without_a_token_is_ready(
    models: Answer, answer: Answer, health: Answer
) -> None:
    verdict = judge_probe(Probe(models, answer, health), "m")
    assert not verdict.ready
    assert verdict.reason


@given(payload=JSON)
def test_served_models_reads_any_payload(payload: Any) -> None:
    names = served_models(payload)
    assert names is None or all(isinstance(name, str) for name in names)
