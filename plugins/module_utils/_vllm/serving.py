# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a server generate under this exact name, and if not, why? Pure decisions on its HTTP answers.

What a vLLM server does in each situation was measured on vLLM 0.32.0. An open port, /health or /v1/models
alone prove nothing: a frozen engine still answers all three. Only a generated token does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import (
    HEALS,
    PERMANENT,
    SUSPECT,
    Answer,
    Probe,
    Verdict,
)


def judge_probe(probe: Probe, model: str) -> Verdict:
    """Say whether one round of answers proves that the server generates under this exact name."""
    trouble = judge_answer(probe.models, "GET /v1/models")
    if trouble:
        return trouble
    served = served_models(probe.models.payload)
    if served is None:
        return Verdict(False, "not_vllm", "GET /v1/models did not answer with a list of models", SUSPECT, "loaded")
    if model not in served:
        told = f"The server does not serve {model!r}. It serves: {', '.join(served) or 'nothing'}"
        return Verdict(False, "wrong_name", told, PERMANENT, "loaded", served)
    verdict = judge_completion(probe.completion or Answer(error="closed")) or judge_health(probe.health)
    if verdict:
        return Verdict(False, verdict.reason, verdict.msg, verdict.severity, "serving", served)
    return Verdict(True, None, f"Model {model} generates", phase="verified", served_models=served)


def served_models(payload: Any) -> tuple[str, ...] | None:
    """The names in an answer of /v1/models, or None if it is not such an answer."""
    data = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(data, Sequence) or isinstance(data, str):
        return None
    return tuple(str(item["id"]) for item in data if isinstance(item, dict) and "id" in item)


def judge_answer(answer: Answer, asked: str) -> Verdict | None:
    """Say what is wrong with an answer as far as its status and connection tell, or None."""
    if answer.error == "tls":
        return Verdict(False, "tls_mismatch", f"{asked}: {answer.detail}", PERMANENT, "started")
    if answer.error == "timeout":
        return Verdict(False, "timeout", f"{asked} got no answer: {answer.detail}", phase="loaded")
    if answer.error:
        return Verdict(False, "not_serving", f"{asked}: {answer.error}: {answer.detail}", phase="started")
    if answer.status == 200:
        return None
    told = f"{asked} answered {answer.status}: {error_text(answer)}"
    if answer.status in (401, 403):
        return Verdict(False, "unauthorised", told, PERMANENT, "loaded")
    if answer.status in (400, 404, 405, 422):
        return Verdict(False, "refused", told, PERMANENT, "loaded")
    return Verdict(False, "server_error", told, phase="loaded")


def error_text(answer: Answer) -> str:
    """The text of an OpenAI-style error, whose `error` is an object or, for a missing key, a string."""
    error = answer.payload.get("error") if isinstance(answer.payload, dict) else None
    if isinstance(error, dict):
        return str(error.get("message", ""))
    return str(error or answer.detail)


def judge_completion(answer: Answer) -> Verdict | None:
    """Say what keeps a completion from being the proof of a generated token, or None if it is one."""
    trouble = judge_answer(answer, "The completion")
    if trouble and trouble.reason == "timeout":
        told = f"The server is alive but generates nothing: {answer.detail}"
        return Verdict(False, "not_generating", told, SUSPECT, "serving")
    if trouble:
        return trouble
    choices = answer.payload.get("choices") if isinstance(answer.payload, dict) else None
    usage = answer.payload.get("usage") if isinstance(answer.payload, dict) else None
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if first.get("finish_reason") in ("stop", "length") and isinstance(tokens, int) and tokens >= 1:
        return None
    told = f"finish_reason {first.get('finish_reason')!r}, completion_tokens {tokens!r}"
    return Verdict(False, "not_generating", f"The completion holds no generated token: {told}", SUSPECT, "serving")


def judge_health(answer: Answer | None) -> Verdict | None:
    """An engine that died on the completion shows it here, right after."""
    if answer is None or answer.status == 200:
        return None
    told = f"/health after the completion: {answer.status or answer.error} {answer.detail}".rstrip()
    return Verdict(False, "unhealthy", told, SUSPECT, "serving")


def judge_route(answer: Answer, expect: str) -> Verdict:
    """Say whether a router treats a model as expected: `served` needs a generated token, `denied` a 404."""
    trouble = judge_completion(answer)
    told = trouble.msg if trouble else "the router serves it"
    if expect == "served":
        if trouble is None:
            return Verdict(True, None, "The router serves the model")
        reason = "denied" if answer.status == 404 else trouble.reason
        severity = PERMANENT if trouble.reason in ("unauthorised", "tls_mismatch") else HEALS
        return Verdict(False, reason, f"The router does not serve the model: {told}", severity)
    if answer.status == 404:
        return Verdict(True, None, "The router denies the model")
    reason = trouble.reason if trouble else "served"
    return Verdict(False, reason, f"The router does not deny the model: {told}")
