# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deploy would have to do, decided as it will be then, and as far as possible without rendering."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._drift.chart import Charts
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.declared import Declared
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.running import Running
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.client import Helm, Release
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.plan import (
    UPGRADE,
    desired_values,
    objects_of,
    plan,
)

# How many values are named.
NAMED = 5

OpenHelm = Callable[[str, str], Helm]


def reasons(declared: Declared, running: Running, charts: Charts, open_helm: OpenHelm) -> list[str]:
    """What a deploy would change, a phrase each; nothing if it would change nothing.

    A release made of the same chart and the same values has the same objects. Only where the chart's content differs
    under the same version are they rendered, by Helm.

    Raises:
        InferenceError: a chart cannot be read.
    """
    if running.broken:
        return [running.broken]
    current = running.release
    wanted = desired_values(current, declared.values)
    as_it_is = replace(current, values=wanted) if current else Release("", 0, wanted, "")
    found = plan(current, as_it_is, ({}, {}))
    why = [each for each in found.why if each != "its values differ"]
    if current is None or found.action not in (UPGRADE, "none"):
        return why
    why += value_reasons(current.values, wanted)
    if charts.is_same(declared.chart, current.chart):
        return why
    metadata = current.chart.get("metadata") or {}
    here, there = charts.version(declared.chart), f"{metadata.get('name')} {metadata.get('version')}"
    if here and here != there:
        return [*why, f"its chart is {there}, not {here}"]
    if why:
        return why
    try:
        rendered = open_helm(declared.namespace, declared.release).render(declared.chart, wanted)
    except InferenceError as error:
        return [error.message]
    return list(plan(current, rendered, (objects_of(current), objects_of(rendered))).why)


def value_reasons(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The values that differ. Only their names are told: they can be secrets."""
    paths = list(paths_that_differ(before, after))
    more = [f"and {len(paths) - NAMED} more values differ"] if len(paths) > NAMED else []
    return [f"value {each} differs" for each in paths[:NAMED]] + more


def paths_that_differ(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Where two trees of values differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}):
            yield from paths_that_differ(before.get(name), after.get(name), f"{path}.{name}" if path else name)
    elif before != after:
        yield path
