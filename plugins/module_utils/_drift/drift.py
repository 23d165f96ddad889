# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at a fleet from all sides and says where they differ."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.ai_aas.inference.plugins.module_utils import _metrics
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.chart import Charts
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.cluster import read_namespaces
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.declared import Declared, declared_from
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.judge import Registered, judge
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.reasons import OpenHelm, reasons
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.report import (
    Round,
    model_result,
    result_of,
    samples_of,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.running import Namespace, Running
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.undeclared import (
    undeclared_entries,
    undeclared_releases,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry import cache, table
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.connection import database_from
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import namespace_of, parse_endpoint
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import layout_of
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import Timings, run
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

# A chart of this collection serves models wherever it is found.
OWN_CHART = "vllm-deployment"


def look(params: Mapping[str, Any], open_helm: OpenHelm) -> dict[str, Any]:
    """Compare what a module's parameters declare with everything else, and return the module's result.

    Args:
        params: of the module.
        open_helm: gives the release in a namespace, where one has to be rendered.

    Raises:
        InferenceError: something that is needed cannot be read.
    """
    timings = Timings()
    declared, environment = declared_from(params["models"]), params["environment"]
    with timings.step("registry"):
        registry = read_registry(params)
        entries = {each.model_name: each for each in registry if each.environment == environment}
        cached, warnings = read_cache(params, environment, [each.model_name for each in declared])
    with timings.step("cluster"):
        names = {each.namespace for each in declared}
        if params["complete"]:
            names |= {place for each in entries.values() if (place := namespace_of(each.endpoint))}
        namespaces = read_namespaces(Kube(params["kubeconfig"], params["context"]), names)
    with timings.step("compare"):
        charts = Charts()
        models = [compare(each, namespaces, entries, cached, charts, open_helm, params) for each in declared]
        found = Round(environment, models, *undeclared(params, declared, registry, namespaces, charts))
    warnings += publish(params["metrics_file"], found)
    return {**result_of(found), "warnings": warnings, "timings": timings.seconds}


def publish(file: str | None, found: Round) -> list[str]:
    """Leave the metrics, and return the warning if that fails: the models were compared all the same."""
    if not file:
        return []
    try:
        _metrics.write(Path(file), _metrics.render(samples_of(found, time.time())))
    except InferenceError as error:
        return [error.message]
    return []


def compare(
    declared: Declared,
    namespaces: Mapping[str, Namespace],
    entries: Mapping[str, Entry],
    cached: Mapping[str, str | None],
    charts: Charts,
    open_helm: OpenHelm,
    params: Mapping[str, Any],
) -> dict[str, Any]:
    """What is returned of one model."""
    running = namespaces[declared.namespace].releases.get(declared.release, Running())
    name = declared.model_name
    registered = Registered(entries.get(name), cached.get(name), name in cached)
    why = reasons(declared, running, charts, open_helm)
    return model_result(
        declared, running, registered, judge(declared, why, running, registered, params["ignore_managers"])
    )


def undeclared(
    params: Mapping[str, Any],
    declared: Sequence[Declared],
    registry: Sequence[Entry],
    namespaces: Mapping[str, Namespace],
    charts: Charts,
) -> tuple[list[Any], list[Any]]:
    """Entries and releases that nobody declares, where the declaration is said to be complete."""
    if not params["complete"]:
        return [], []
    environment = params["environment"]
    own = [each for each in registry if each.environment == environment]
    elsewhere = {
        (place.namespace, place.service)
        for each in registry
        if each.environment != environment and each.status != "disabled" and namespace_of(each.endpoint)
        for place in [parse_endpoint(each.endpoint or "")]
    }
    names = {charts.version(each.chart).partition(" ")[0] for each in declared} | {OWN_CHART}
    releases = undeclared_releases(namespaces, {each.place for each in declared}, names, elsewhere)
    return list(undeclared_entries(own, {each.model_name for each in declared}, namespaces)), list(releases)


def read_registry(params: Mapping[str, Any]) -> list[Entry]:
    """Every entry of every environment."""

    def work(cursor: Cursor) -> list[Entry]:
        return table.list_entries(cursor, layout_of(cursor), {})

    return run(database_from(params), work, Timings(), access="read")


def read_cache(
    params: Mapping[str, Any], environment: str, names: Collection[str]
) -> tuple[dict[str, str | None], list[str]]:
    """What the router's cache holds of models, and a warning where it cannot be asked."""
    if not params["redis_url"]:
        return {}, []
    where = cache.cache_from(params["redis_url"], params["connect_timeout"])
    try:
        texts = cache.read(where, [cache.key_of(environment, name) for name in names])
    except cache.CacheError as error:
        return {}, [f"The router's cache at {where.target} could not be asked ({error}): routes were not compared."]
    return dict(zip(names, texts, strict=True)), []
