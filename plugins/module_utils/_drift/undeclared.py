# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there and nobody declares. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ansible_collections.ai_aas.inference.plugins.module_utils._drift.judge import UNDECLARED, Finding
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.running import Namespace, is_gone
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import parse_endpoint
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry


def undeclared_entries(
    entries: Collection[Entry], declared: Collection[str], namespaces: Mapping[str, Namespace]
) -> Iterator[tuple[Entry, Finding]]:
    """Entries of models that are in no inventory. A disabled one is how a deregistered model is kept."""
    for entry in entries:
        if entry.model_name in declared or entry.status == "disabled":
            continue
        what = f"it is registered as {entry.status}"
        if is_served(entry, namespaces) is False:
            what += ", and there is no Service at its endpoint"
        yield entry, Finding(UNDECLARED, what)


def is_served(entry: Entry, namespaces: Mapping[str, Namespace]) -> bool | None:
    """Whether there is a Service at an entry's endpoint; None where that was not looked at."""
    try:
        endpoint = parse_endpoint(entry.endpoint or "")
    except InvalidInputError:
        return None
    found = namespaces.get(endpoint.namespace)
    return endpoint.service in found.services if found else None


def undeclared_releases(
    namespaces: Mapping[str, Namespace],
    declared: Collection[tuple[str, str]],
    charts: Collection[str],
    elsewhere: Collection[tuple[str, str]],
) -> Iterator[tuple[str, str, Finding]]:
    """Releases of a chart that serves models, by namespace and name, that are in no inventory.

    Args:
        namespaces: that were read.
        declared: the releases of this environment, by namespace and name.
        charts: the names of declared models' charts.
        elsewhere: the Services that other environments' entries lead to, by namespace and name.
    """
    for namespace, found in sorted(namespaces.items()):
        for name, running in sorted(found.releases.items()):
            release = running.release
            if release is None or is_gone(release) or (namespace, name) in declared:
                continue
            services = {(namespace, name.removeprefix("Service ")) for name in running.manifest.names}
            if services.isdisjoint(elsewhere) and (release.chart.get("metadata") or {}).get("name") in charts:
                yield namespace, name, Finding(UNDECLARED, f"release {name} runs in namespace {namespace}")
