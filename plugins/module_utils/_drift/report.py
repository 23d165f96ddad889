# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look at drift says: as data, as tables for people, and as metrics. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._drift.declared import Declared
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.judge import (
    DEPLOY,
    Finding,
    Registered,
    Verdict,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.running import Running
from ansible_collections.ai_aas.inference.plugins.module_utils._metrics import Sample
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.listing import lines, minute

HEADINGS = ("Model Name", "Release", "Revision", "Verified", "Ready", "Registered", "Last Health", "Differences")
DIFFERENCE_HEADINGS = ("Model Name", "Between", "Difference", "Mended by")


def model_result(declared: Declared, running: Running, registered: Registered, verdict: Verdict) -> dict[str, Any]:
    """What is returned of a declared model."""
    release, entry = running.release, registered.entry
    return {
        "model_name": declared.model_name,
        "host": declared.host,
        "release": declared.release,
        "namespace": declared.namespace,
        "revision": release.revision if release else 0,
        "release_status": release.status if release else None,
        "verified": verdict.verified,
        "ready_pods": verdict.ready[0],
        "wanted_pods": verdict.ready[1],
        "status": entry.status if entry else None,
        "last_health_check_at": entry.last_health_check_at if entry else None,
        "needs_deploy": any(each.mend.startswith(DEPLOY) for each in verdict.findings),
        "differences": [difference(each, declared.host) for each in verdict.findings],
        "notes": list(verdict.notes),
    }


def difference(finding: Finding, host: str) -> dict[str, str]:
    """One difference; of a model in the inventory with what mends it."""
    mend = ""
    if finding.mend:
        verb, _unused, flags = finding.mend.partition(" ")
        mend = " ".join(word for word in ("ai_aas.inference." + verb, "--limit", host, flags) if word)
    return {"between": finding.between, "what": finding.what, "mend": mend}


class Round(NamedTuple):
    """What one look found: models as model_result has them, and what nobody declares."""

    environment: str
    models: Sequence[dict[str, Any]]
    entries: Sequence[tuple[Entry, Finding]]
    releases: Sequence[tuple[str, str, Finding]]


def result_of(found: Round) -> dict[str, Any]:
    """The module's result."""
    undeclared = [
        *({"model_name": entry.model_name, **difference(finding, "")} for entry, finding in found.entries),
        *({"model_name": name, "namespace": place, **difference(each, "")} for place, name, each in found.releases),
    ]
    differing = [each for each in found.models if each["differences"]]
    told = [
        (each["model_name"], one["between"], one["what"], one["mend"])
        for each in differing
        for one in each["differences"]
    ]
    told += [(each["model_name"], each["between"], each["what"], "") for each in undeclared]
    return {
        "changed": False,
        "drifted": bool(told),
        "models": list(found.models),
        "undeclared": undeclared,
        "table": lines(HEADINGS, [cells(each) for each in found.models]),
        "differences_table": lines(DIFFERENCE_HEADINGS, told),
        "counts": {"models": len(found.models), "differing": len(differing), "undeclared": len(undeclared)},
        "msg": message(found.environment, len(found.models), [each["model_name"] for each in differing], undeclared),
    }


def cells(model: dict[str, Any]) -> tuple[str, ...]:
    """A model in the table of the fleet."""
    status = model["release_status"] or "not installed"
    return (
        model["model_name"],
        f"{model['namespace']}/{model['release']}",
        f"{model['revision']} {status}" if model["revision"] else status,
        "yes" if model["verified"] else "no",
        f"{model['ready_pods']}/{model['wanted_pods']}",
        model["status"] or "no",
        minute(model["last_health_check_at"]),
        str(len(model["differences"]) or ""),
    )


def message(environment: str, count: int, differing: Sequence[str], undeclared: Collection[object]) -> str:
    """The whole in a sentence or two."""
    if not differing and not undeclared:
        return f"All {count} models of {environment} are as declared, deployed and registered."
    parts = []
    if differing:
        more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
        parts.append(f"{len(differing)} of {count} models of {environment} differ: {', '.join(differing[:5])}{more}.")
    if undeclared:
        parts.append(f"{len(undeclared)} that run or are registered in {environment} are not declared.")
    return " ".join(parts)


def samples_of(found: Round, now: float) -> list[Sample]:
    """The metrics of a look that was taken at a time in seconds since 1970."""
    place = {"environment": found.environment}
    values: dict[str, float] = {each["model_name"]: float(bool(each["differences"])) for each in found.models}
    names = [entry.model_name for entry, _why in found.entries] + [name for _place, name, _why in found.releases]
    # A release is no model, yet its name is all that is known.
    values |= dict.fromkeys(names, 1.0)
    samples = [Sample("ai_aas_model_drift", {**place, "model": name}, value) for name, value in values.items()]
    return [*samples, Sample("ai_aas_run_timestamp_seconds", {**place, "verb": "drift"}, now)]
