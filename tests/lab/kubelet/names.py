# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of Services in a command that this machine runs: no DNS of it knows them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Json = dict[str, Any]

NAME = re.compile(r"(?<![\w.-])([a-z][-a-z0-9]*)\.([a-z0-9][-a-z0-9]*)\.svc(?:\.cluster\.local)?:(\d+)(?!\d)")


class Address(NamedTuple):
    """A Service's port."""

    namespace: str
    service: str
    port: int


def find_addresses(words: Sequence[str]) -> set[Address]:
    """All that the words name."""
    return {_address(match) for word in words for match in NAME.finditer(word)}


def ready_ports(service: Json, slices: Sequence[Json], port: int) -> Iterator[tuple[str, int]]:
    """The uid and the port of each ready pod behind a Service's port."""
    names = [entry.get("name") for entry in service["spec"].get("ports", []) if entry["port"] == port]
    for found in slices:
        ports = [entry["port"] for entry in found.get("ports") or [] if entry.get("name") in names]
        for endpoint in found.get("endpoints") or []:
            if ports and endpoint.get("conditions", {}).get("ready") is not False:
                yield endpoint["targetRef"]["uid"], ports[0]


def replace(words: Sequence[str], real: Mapping[Address, int]) -> list[str]:
    """The words with what is known replaced; an unknown name stays, and does not resolve."""

    def known(match: re.Match[str]) -> str:
        port = real.get(_address(match))
        return match[0] if port is None else f"127.0.0.1:{port}"

    return [NAME.sub(known, word) for word in words]


def _address(match: re.Match[str]) -> Address:
    return Address(match[2], match[1], int(match[3]))
