# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a release need work, and how is Helm made to do it? Pure decisions.

`kubernetes.core.helm` compares values and the chart's version only: it calls a failed release unchanged and misses a
template that changed under the same version. So the decision is made here, from the status and the manifest, and
where that module would see nothing to do, the value `deployId` is changed for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._helm.client import Release

# Another operation holds a release of these, or one was cut off.
UNFINISHED = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")
# The chart renders it as an annotation of the Deployment alone, so that changing it restarts nothing.
DEPLOY_ID = "deployId"

INSTALL, UPGRADE, RECOVER, NONE = "install", "upgrade", "recover", "none"


@dataclass(frozen=True)
class Plan:
    """`action` is install, upgrade, recover or none; `why` says what differs; `values` make Helm do it."""

    action: str
    why: tuple[str, ...]
    values: Mapping[str, Any] = field(default_factory=dict)


def desired_values(current: Release | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values to render: the wanted ones, with what a deploy chooses by itself as the release has it.

    That is the deploy id, and whether pods surge, unless the wanted values say so.
    """
    wanted = dict(values)
    if current is None:
        return wanted
    if DEPLOY_ID in current.values:
        wanted.setdefault(DEPLOY_ID, current.values[DEPLOY_ID])
    chosen = (current.values.get("strategy") or {}).get("surge")
    if chosen is not None:
        wanted["strategy"] = {"surge": chosen, **(wanted.get("strategy") or {})}
    return wanted


def plan(
    current: Release | None,
    rendered: Release,
    objects: tuple[Mapping[str, Any], Mapping[str, Any]],
    *,
    overwrite: bool = False,
) -> Plan:
    """Decide what is to be done to a release.

    Args:
        current: the newest revision, or None where there is none.
        rendered: what an upgrade with `desired_values` would make of it.
        objects: the objects of both manifests, by name, as they are compared.
        overwrite: whether Helm is to write its objects again, whoever has changed them meanwhile.
    """
    if current is None or current.status == "uninstalled":
        return Plan(INSTALL, ("there is no such release",), rendered.values)
    if current.status in UNFINISHED:
        return Plan(RECOVER, (f"its status is {current.status}",), rendered.values)
    why = [f"its status is {current.status}"] if current.status != "deployed" else []
    values_differ = dict(current.values) != dict(rendered.values)
    if values_differ:
        why.append("its values differ")
    before, after = objects
    why += [f"{name} differs" for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    why += ["manual edits are to be overwritten"] if overwrite else []
    if not why:
        return Plan(NONE, (), rendered.values)
    values = rendered.values if values_differ else {**rendered.values, DEPLOY_ID: f"after-{current.revision}"}
    return Plan(UPGRADE, tuple(why), values)


def keeps_serving(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a change of objects leaves a pod that serves at each moment, as far as their strategy says.

    It does if the new pods come before the old ones end, or if there are several and not all are replaced at once. A
    Deployment that goes takes its pods with it at once.
    """
    old, new = deployments(before), deployments(after)
    stay = old.keys() <= new.keys() and not replaced(before, after)
    return bool(new) and stay and all(rolls(each["spec"]) for each in new.values())


def replaced(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names of the Deployments whose selector would be another. Kubernetes lets none be changed."""
    old, new = deployments(before), deployments(after)
    return sorted(
        new[name]["metadata"]["name"]
        for name in old.keys() & new.keys()
        if old[name]["spec"].get("selector") != new[name]["spec"].get("selector")
    )


def deployments(objects: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {name: each for name, each in objects.items() if each["kind"] == "Deployment"}


def rolls(spec: Mapping[str, Any]) -> bool:
    strategy = spec.get("strategy") or {}
    most = (strategy.get("rollingUpdate") or {}).get("maxUnavailable")
    # A number alone is understood: the chart writes no share.
    return strategy.get("type") == "RollingUpdate" and isinstance(most, int) and most < int(spec.get("replicas", 1))


def objects_of(release: Release | None) -> dict[str, Any]:
    """The objects of a revision's manifest, as index has them; none where there is no revision."""
    return index_of(release.manifest) if release else {}


def index_of(manifest: str) -> dict[str, Any]:
    """The objects of a manifest, as index has them."""
    import yaml

    # The one in C is ten times as fast, and not everywhere.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return index(list(yaml.load_all(manifest, loader)))


def workload_of(objects: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The Deployment among objects; nothing if there is none, or several."""
    found = [dict(each) for each in deployments(objects).values()]
    return found[0] if len(found) == 1 else {}


def surges(workload: Mapping[str, Any]) -> bool:
    """Whether new pods come before old ones end."""
    rolling = (workload.get("spec", {}).get("strategy") or {}).get("rollingUpdate") or {}
    return bool(rolling.get("maxSurge", 0))


def index(documents: list[Any]) -> dict[str, Any]:
    """Return a manifest's objects by kind and name. The data of a Secret is replaced by its digest."""
    return {
        f"{item['kind']} {item['metadata']['name']}": without_secrets(item)
        for item in documents
        if isinstance(item, dict) and "kind" in item and "metadata" in item
    }


def without_secrets(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object in which nothing of a Secret can be read, while two that differ still do."""
    if item["kind"] != "Secret":
        return item
    hidden = {key: item[key] for key in ("data", "stringData") if key in item}
    digest = hashlib.sha256(json.dumps(hidden, sort_keys=True).encode()).hexdigest()
    return {**{key: value for key, value in item.items() if key not in hidden}, "data": f"sha256:{digest}"}
