# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the limit ranges of a namespace add to a pod that leaves it out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

BOUNDS = ("min", "max", "maxLimitRequestRatio")


def with_defaults(spec: Json, ranges: Iterable[Json]) -> dict[str, Any]:
    """A pod's spec as the API server would complete it.

    A container's own limit is its request before a default is. The first range that has a default wins.
    """
    limits: dict[str, Any] = {}
    requests: dict[str, Any] = {}
    for item in _items(ranges, "Container"):
        limits = {**(item.get("default") or {}), **limits}
        requests = {**(item.get("defaultRequest") or {}), **requests}

    def completed(container: Json) -> dict[str, Any]:
        own = container.get("resources") or {}
        own_limits, own_requests = own.get("limits") or {}, own.get("requests") or {}
        merged = {"limits": {**limits, **own_limits}, "requests": {**requests, **own_limits, **own_requests}}
        return {**container, "resources": {**own, **merged}}

    kinds = ("containers", "initContainers")
    return {**spec, **{kind: [completed(each) for each in spec[kind]] for kind in kinds if spec.get(kind)}}


def bounding(ranges: Iterable[Json]) -> list[str]:
    """The names of ranges that bound what a container or a pod may ask for."""
    return sorted(
        each["metadata"]["name"]
        for each in ranges
        if any(item.get(bound) for kind in ("Container", "Pod") for item in _items([each], kind) for bound in BOUNDS)
    )


def _items(ranges: Iterable[Json], kind: str) -> Iterator[Json]:
    for each in ranges:
        yield from (item for item in each["spec"].get("limits") or () if item.get("type") == kind)
