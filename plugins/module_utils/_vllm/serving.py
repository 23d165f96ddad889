# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a server generate under this exact name, and if not, why? Pure decisions on its HTTP answers.

What a vLLM server does in each situation was measured on vLLM 0.32.0. An open port, /health or /v1/models
alone prove nothing: a frozen engine still answers all three. Only a generated token does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import (
    Answer,
    Metrics,
    Probe,
    Question,
    Verdict,
    not_ready,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import HEALS, PERMANENT
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.text import named, readable

SHUTTING_DOWN = "cannot schedule new futures after shutdown"


def judge_probe(probe: Probe, question: Question) -> Verdict:
    """Say whether one round of answers proves that the server generates under each of the names."""
    trouble = judge_answer(probe.models, "GET /v1/models")
    if trouble:
        return trouble
    served = served_models(probe.models.payload)
    if served is None:
        told = f"GET /v1/models did not answer with a list of models: {probe.models.detail}"
        return not_ready("not_vllm", told, "loaded")
    missing = [name for name in question.names if name not in served]
    if missing:
        wanted = named([f"'{name}'" for name in missing])
        told = f"The server does not serve {wanted}. It serves: {named(served) or 'nothing'}"
        return not_ready("wrong_name", told, "loaded", served=served)
    verdict = judge_completions(probe, question) or judge_health(probe.health) or judge_age(probe, question)
    if verdict:
        return replace(verdict, phase="serving", served_models=served)
    return Verdict(True, None, f"Model {', '.join(question.names)} generates", phase="verified", served_models=served)


def served_models(payload: Any) -> tuple[str, ...] | None:
    """The names in an answer of /v1/models, or None if it is not such an answer."""
    data = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(data, Sequence) or isinstance(data, str):
        return None
    return tuple(item["id"] for item in data if isinstance(item, dict) and isinstance(item.get("id"), str))


def judge_answer(answer: Answer, asked: str) -> Verdict | None:
    """Say what is wrong with an answer as far as its status and connection tell, or None."""
    if answer.error == "tls":
        return not_ready("tls_mismatch", f"{asked}: {answer.detail}", "started")
    if answer.error == "forbidden":
        return not_ready("forbidden", f"{asked}: {answer.detail}", "loaded")
    if answer.error == "timeout":
        return not_ready("timeout", f"{asked} got no answer: {answer.detail}", "loaded")
    if answer.error in ("too_large", "malformed"):
        return not_ready("not_vllm", f"{asked}: {answer.error}: {answer.detail}", "loaded")
    if answer.error:
        return not_ready("not_serving", f"{asked}: {answer.error}: {answer.detail}", "started")
    if answer.status == 200:
        return None
    return judge_proxy(answer, asked) or judge_status(answer, asked)


def judge_proxy(answer: Answer, asked: str) -> Verdict | None:
    """What the API server's proxy says of itself, and not the server behind it; None if it does not."""
    payload = answer.payload
    if not isinstance(payload, dict) or payload.get("kind") != "Status" or payload.get("apiVersion") != "v1":
        return None
    told = f"{asked}: {payload.get('message')}"
    if answer.status == 403:
        return not_ready("forbidden", told, "loaded")
    if answer.status == 401:
        return not_ready("api_unauthorised", told, "loaded")
    return not_ready("not_serving", told, "started")


def judge_status(answer: Answer, asked: str) -> Verdict:
    """What a status other than 200 means."""
    status, told = answer.status or 0, f"{asked} answered {answer.status}: {error_text(answer)}"
    if status in (401, 403):
        return not_ready("unauthorised", told, "loaded")
    if 300 <= status < 400:
        return not_ready("not_vllm", told, "loaded")
    if status == 429:
        return not_ready("busy", told, "loaded")
    if status == 404 and asked.startswith("GET"):
        return not_ready("not_vllm", told, "loaded")
    if 400 <= status < 500:
        return not_ready("refused", told, "loaded")
    if SHUTTING_DOWN in error_text(answer):
        return not_ready("draining", told, "loaded")
    return not_ready("server_error", told, "loaded")


def error_text(answer: Answer) -> str:
    """The text of an OpenAI-style error, whose `error` is an object or, for a missing key, a string."""
    error = answer.payload.get("error") if isinstance(answer.payload, dict) else None
    if isinstance(error, dict):
        return readable(str(error.get("message", "")))
    return readable(str(error or answer.detail))


def judge_completions(probe: Probe, question: Question) -> Verdict | None:
    """Say which name does not generate, or None if all do."""
    done = dict(probe.completions)
    for name in question.names:
        verdict = judge_completion(done.get(name, Answer(error="closed")), probe.metrics, question.wants_text)
        if verdict:
            return replace(verdict, msg=f"{name}: {verdict.msg}") if len(question.names) > 1 else verdict
    return None


def judge_completion(answer: Answer, metrics: Sequence[Metrics] = (), wants_text: bool = False) -> Verdict | None:
    """Say what keeps a completion from being the proof of a generated token, or None if it is one."""
    trouble = judge_answer(answer, "The completion")
    if trouble and trouble.reason == "timeout":
        return judge_silence(answer, metrics)
    if trouble:
        return trouble
    first, tokens = choice_of(answer.payload)
    reason = first.get("finish_reason")
    if reason == "abort":
        return not_ready("draining", "The completion was aborted, as when a server is shut down")
    if reason not in ("stop", "length") or not isinstance(tokens, int) or tokens < 1:
        told = readable(f"finish_reason {reason!r}, completion_tokens {tokens!r}")
        return not_ready("not_generating", f"The completion holds no generated token: {told} {answer.detail}".rstrip())
    if wants_text and not text_of(first).strip():
        return not_ready("no_text", f"{tokens} tokens were generated and hold no text: are the weights damaged?")
    return None


def choice_of(payload: Any) -> tuple[dict[str, Any], Any]:
    """The first choice of a completion, and the number of tokens that it says were generated."""
    choices = payload.get("choices") if isinstance(payload, dict) else None
    usage = payload.get("usage") if isinstance(payload, dict) else None
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return first, None if isinstance(tokens, bool) else tokens


def text_of(choice: dict[str, Any]) -> str:
    """The text of a completion's or a chat's choice, reasoning included."""
    message = choice.get("message")
    parts = (message.get("content"), message.get("reasoning_content")) if isinstance(message, dict) else ()
    return "".join(part for part in (choice.get("text"), *parts) if isinstance(part, str))


def judge_silence(answer: Answer, metrics: Sequence[Metrics]) -> Verdict:
    """Why a completion got no answer: others are served, the engine sleeps, or nothing moves."""
    if any(each.asleep for each in metrics):
        return not_ready("sleeping", "The engine is asleep, so the completion hangs")
    counts = [each.tokens for each in metrics if each.tokens is not None]
    if len(counts) > 1 and counts[-1] > counts[0]:
        last = metrics[-1]
        queue = f"{last.running or 0:.0f} requests run and {last.waiting or 0:.0f} wait"
        return not_ready("busy", f"The server generates for others: {queue}; {answer.detail}")
    still = "; its counters of tokens stand still" if len(counts) > 1 else ""
    return not_ready("not_generating", f"The server is alive but generates nothing: {answer.detail}{still}")


def judge_health(answer: Answer | None) -> Verdict | None:
    """An engine that died on the completion shows it here, right after."""
    if answer is None or answer.status == 200:
        return None
    told = f"/health after the completion: {answer.status or answer.error} {answer.detail}".rstrip()
    return not_ready("unhealthy", told)


def judge_age(probe: Probe, question: Question) -> Verdict | None:
    """Whether a process answers that was there before the deployment, where that is asked."""
    if question.started_after is None:
        return None
    started = probe.metrics[-1].started_at if probe.metrics else None
    if started is None:
        return not_ready("old_process", "The server's /metrics do not say when its process was started")
    if started <= question.started_after:
        told = f"The process that answers was started {question.started_after - started:.0f} s before started_after"
        return not_ready("old_process", told)
    return None


def judge_route(answer: Answer, expect: str) -> Verdict:
    """Say whether a router treats a model as expected: `served` needs a generated token, `denied` a 404."""
    trouble = judge_completion(answer)
    told = trouble.msg if trouble else "the router serves it"
    if expect == "served":
        if trouble is None:
            return Verdict(True, None, "The router serves the model")
        reason = "denied" if answer.status == 404 else str(trouble.reason)
        severity = PERMANENT if trouble.reason in ("unauthorised", "tls_mismatch") else HEALS
        return not_ready(reason, f"The router does not serve the model: {told}", severity=severity)
    if answer.status == 404:
        return Verdict(True, None, "The router denies the model")
    reason = str(trouble.reason) if trouble else "served"
    return not_ready(reason, f"The router does not deny the model: {told}", severity=HEALS)
