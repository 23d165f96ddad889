# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do declaration, cluster, registry and router agree about a model? Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._drift.declared import Declared
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.edits import edits, was_touched
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.running import Running
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import image_digest, short
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry

Json = Mapping[str, Any]

# Between which two of its sides a difference lies.
DECLARED, EDITED, SERVING = "declared and running", "deployed and running", "running"
REGISTERED, ROUTED, UNDECLARED = "running and registered", "registered and routed", "not declared"
# The playbooks that mend.
DEPLOY, REGISTER, OVERWRITE = "deploy", "register", "deploy -e vllm_overwrite_manual_edits=true"
# What runs pods, as far as it says how many are ready.
WORKLOADS = ("Deployment", "LeaderWorkerSet", "StatefulSet")
# Whoever looks at drift need not be allowed to read secrets other than Helm's.
NOT_COMPARED = ("Secret",)


class Finding(NamedTuple):
    """One difference: between which sides, what differs, and the playbook that mends it, if one does."""

    between: str
    what: str
    mend: str = ""


class Registered(NamedTuple):
    """What the registry holds of a model, and the text that the router's cache holds; None where there is nothing.

    `asked` says whether the cache could be asked.
    """

    entry: Entry | None = None
    cached: str | None = None
    asked: bool = False


class Verdict(NamedTuple):
    """A model's differences, and what a person should know besides. `ready` is pods ready of pods wanted."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    ready: tuple[int, int]
    verified: bool


def judge(
    declared: Declared, why: Sequence[str], running: Running, registered: Registered, ignored: Collection[str] = ()
) -> Verdict:
    """Compare all sides of a model.

    Args:
        declared: what the inventory says.
        why: what a deploy would have to do, as the plan says it; nothing if it would do nothing.
        running: what the cluster says.
        registered: what registry and cache say.
        ignored: managers of fields in objects that may differ.
    """
    ready = ready_pods(running.live.values())
    newest = running.release.revision if running.release else 0
    verified = newest in running.records
    findings = [Finding(DECLARED, each, DEPLOY) for each in why]
    if running.release and running.release.status == "deployed":
        findings += [Finding(EDITED, each, OVERWRITE) for each in edited(running, ignored)]
        findings += serving(running, ready, verified)
    findings += misregistered(declared, registered.entry, ready)
    findings += misrouted(registered)
    notes = [f"{kind} objects were not compared: this account may not list them" for kind in sorted(running.unseen)]
    if registered.entry and registered.entry.status == "disabled":
        notes.append("a person disabled it: it stays out of routing until one enables it")
    return Verdict(tuple(findings), tuple(notes), ready, verified)


def edited(running: Running, ignored: Collection[str]) -> Iterator[str]:
    """What differs between the objects that Helm deployed and those that are there."""
    for name, named in sorted(running.manifest.names.items()):
        if named.kind in running.unseen or named.kind in NOT_COMPARED:
            continue
        if name not in running.live:
            yield f"{name} is missing"
        elif was_touched(running.live[name], ignored):
            wanted = running.manifest.objects[name]
            yield from (f"{name}: {each}" for each in edits(wanted, running.live[name], ignored))


def serving(running: Running, ready: tuple[int, int], verified: bool) -> Iterator[Finding]:
    """Whether what was deployed serves, and is what was verified."""
    revision = running.release.revision if running.release else 0
    if ready[0] < ready[1]:
        yield Finding(SERVING, f"{ready[0]} of {ready[1]} pods are ready", DEPLOY)
    if not verified:
        yield Finding(SERVING, f"revision {revision} was never verified", DEPLOY)
        return
    recorded = (running.records[revision].get("identity") or {}).get("image_digest")
    try:
        pulled = image_digest(running.pods)
    except InferenceError:
        # Pods come and go: that they are not ready is said above.
        return
    if recorded and recorded != pulled:
        yield Finding(SERVING, f"image {short(pulled)} runs, and {short(recorded)} was verified", DEPLOY)


def misregistered(declared: Declared, entry: Entry | None, ready: tuple[int, int]) -> Iterator[Finding]:
    """Whether the registry says what is declared, and sends nobody to a model that does not serve."""
    if entry is None:
        yield Finding(REGISTERED, "it is not registered", DEPLOY)
        return
    for name in ("endpoint", "namespace"):
        here, there = getattr(declared, name), getattr(entry, name)
        if there is not None and here != there:
            yield Finding(REGISTERED, f"its {name} is {there}, not {here}", REGISTER)
    kept = entry.metadata if isinstance(entry.metadata, Mapping) else {}
    for key in sorted(declared.metadata):
        if entry.metadata is not None and kept.get(key) != declared.metadata[key]:
            yield Finding(REGISTERED, f"its metadata differ: {key}", REGISTER)
    if entry.routable and not ready[0]:
        yield Finding(REGISTERED, "it is routed to, and no pod is ready", "health")
    elif entry.status not in ("ready", "disabled"):
        yield Finding(REGISTERED, f"its status is {entry.status}: nothing is routed to it", DEPLOY)


def misrouted(registered: Registered) -> Iterator[Finding]:
    """Whether the router's cache says the same as the registry. What it does not hold, it will ask for."""
    if not registered.asked or registered.cached is None:
        return
    entry = registered.entry
    if entry is None or not entry.routable:
        yield Finding(ROUTED, "the router's cache still has a route to it", REGISTER if entry else "")
    elif str(entry.endpoint) not in registered.cached:
        yield Finding(ROUTED, "the router's cache has another route to it", REGISTER)


def ready_pods(objects: Collection[Json]) -> tuple[int, int]:
    """How many pods are ready, and how many are wanted."""
    found = [each for each in objects if each["kind"] in WORKLOADS]
    ready = sum((each.get("status") or {}).get("readyReplicas") or 0 for each in found)
    return ready, sum(each["spec"].get("replicas", 1) for each in found)
