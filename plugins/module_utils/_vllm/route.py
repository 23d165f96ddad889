# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a router whether it serves a model, as a client would."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import Session
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.probing import complete
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.serving import judge_route
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import Tls, direct
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import Look


class RouteObserver:
    """Looks at one model's route.

    Args:
        url: of the router.
        tls: how its certificate is verified.
        api_key: of the client, or None.
        params: `model`, `expect` (served or denied), `api`, `request_timeout` and `interval` in seconds.
    """

    def __init__(self, url: str, tls: Tls, api_key: str | None, params: Mapping[str, Any]) -> None:
        self.connect, self.base_path = direct(url, tls)
        self.headers = {"X-API-Key": api_key} if api_key else {}
        self.params = params
        # How long the last request took.
        self.seconds = 0.0

    def look(self) -> Look:
        given = self.params
        begin = time.monotonic()
        with Session(self.connect, self.base_path, self.headers) as session:
            answer = complete(session, given["model"], given["api"], given["request_timeout"])
        self.seconds = time.monotonic() - begin
        return Look(judge_route(answer, given["expect"]), given["interval"])
