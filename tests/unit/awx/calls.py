# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a stand-in, without a server."""

from __future__ import annotations

from typing import Any

from tests.awx.server import ADMINISTRATOR, Awx

RRULE = "DTSTART:20300308T050000Z RRULE:FREQ=DAILY;INTERVAL=1"


def call(awx: Awx, method: str, path: str, body: Any = None, token: str = ADMINISTRATOR) -> tuple[int, Any]:
    answer = awx.answer(method, f"/api/v2/{path}", body, token)
    assert answer is not None
    return answer


def made(awx: Awx, path: str, **body: Any) -> int:
    status, answer = call(awx, "POST", path, body)
    assert status == 201, answer
    return int(answer["id"])


def template_of(awx: Awx) -> dict[str, Any]:
    return dict(call(awx, "GET", "job_templates/?name=t")[1]["results"][0])
