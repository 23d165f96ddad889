# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer says of a model: that it generates, that it does not, or nothing at all. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Answer, Metrics, Verdict
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.serving import judge_answer, judge_completion

Kind = Literal["healthy", "busy", "failing", "unknown"]

# What keeps the checker from asking at all: its name server, its network, its own limits.
OF_THE_CHECKER = {"resolve": "unresolved", "unreachable": "unreachable", "checker": "checker"}
# Verdicts on the question and not on the model: a wrong key, a wrong scheme, an API that this model does not have.
OF_THE_QUESTION = ("unauthorised", "tls_mismatch", "forbidden", "api_unauthorised", "refused")


class Outcome(NamedTuple):
    """What came of one check. `unknown` says nothing of the model, `busy` that it generates for others."""

    kind: Kind
    reason: str = ""
    msg: str = ""


def outcome_of(answer: Answer, metrics: Sequence[Metrics], probe: str) -> Outcome:
    """What an answer says of the model.

    Args:
        answer: to the probe's one request.
        metrics: two samples, if there was no answer for long.
        probe: token, text or health.
    """
    if answer.error in OF_THE_CHECKER:
        return Outcome("unknown", OF_THE_CHECKER[answer.error], answer.detail)
    if probe == "health":
        return _of(judge_answer(answer, "GET /health"))
    if answer.status == 404:
        return _missing(answer)
    return _of(judge_completion(answer, metrics, probe == "text"))


def _missing(answer: Answer) -> Outcome:
    """A 404: vLLM's own for a name that it does not serve; its web framework's where the model has no such API."""
    if answer.payload == {"detail": "Not Found"}:
        return Outcome("unknown", "refused", "The server does not offer this API: choose another probe")
    return Outcome("failing", "wrong_name", f"The name is not served: {answer.detail}")


def _of(verdict: Verdict | None) -> Outcome:
    if verdict is None:
        return Outcome("healthy")
    reason = verdict.reason or ""
    if reason == "busy":
        return Outcome("busy", reason, verdict.msg)
    return Outcome("unknown" if reason in OF_THE_QUESTION else "failing", reason, verdict.msg)
