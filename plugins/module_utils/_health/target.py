# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is checked, and what is asked of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._health.exchange import Place, request_of
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.probing import COMPLETION_PATHS, completion_of


class Claimed(NamedTuple):
    """An entry that this checker has taken, with the time of its last check before and the one that marks the claim."""

    model_name: str
    endpoint: str
    namespace: str
    status: str
    previous: str | None = None
    claim: str | None = None


class Question(NamedTuple):
    """What is asked of each model.

    Args:
        probe: token, text or health.
        api: completions or chat.
        seconds: for the answer, connecting included.
    """

    probe: str = "token"
    api: str = "completions"
    seconds: float = 5.0

    @property
    def path(self) -> str:
        return "/health" if self.probe == "health" else COMPLETION_PATHS[self.api]

    def body(self, model: str) -> dict[str, Any] | None:
        """The JSON that is sent, if any."""
        return None if self.probe == "health" else completion_of(model, self.api, self.probe == "text")

    def request(self, place: Place, model: str, headers: Mapping[str, str]) -> bytes:
        body = self.body(model)
        return request_of("GET" if body is None else "POST", self.path, place, headers, body)


def place_of(endpoint: str, endpoint_map: Mapping[str, str]) -> Place | None:
    """Where an endpoint is reached from here, or None if it or what it is mapped to is no host and port."""
    address = split(endpoint_map.get(endpoint, endpoint))
    own = split(endpoint)
    if address is None or own is None:
        return None
    return Place(address[0], address[1], endpoint)


def split(text: str) -> tuple[str, int] | None:
    """The host and the port of `host:port`, where an IPv6 address stands in brackets."""
    host, _unused, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536 or len(port) > 5:
        return None
    host = host.removeprefix("[").removesuffix("]")
    if not host or not host.isascii() or not host.isprintable() or any(letter in host for letter in " /@?#[]"):
        return None
    return host, int(port)
