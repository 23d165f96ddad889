# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes may take a pod, and how many of its kind. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.resources import (
    ZERO,
    Resources,
    quantity,
    shown,
    used_by,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reading import condition

Json = Mapping[str, Any]

KEEPS_AWAY = ("NoSchedule", "NoExecute")
# What a cordoned node has; a pod that tolerates it is placed there.
CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
UNBOUNDED = 10_000


class Room(NamedTuple):
    """What a node has for pods of one kind: for how many, why not for more, and its numbers for what they ask for."""

    node: str
    pods: int
    why: str
    numbers: dict[str, dict[str, str]]


def room_on(node: Json, pods: Sequence[Json], spec: Json, needed: Resources) -> Room:
    """How many pods of a kind a node can take.

    Args:
        node: as the API has it.
        pods: those that hold something of it.
        spec: of the pods to be placed.
        needed: what each of them asks for, the place for a pod among it.
    """
    allocatable = {key: quantity(value) for key, value in (node.get("status", {}).get("allocatable") or {}).items()}
    used = used_by(pods)
    # Less than nothing is free where a device of a pod that runs has failed.
    free = {each: max(ZERO, allocatable.get(each, ZERO) - used.get(each, ZERO)) for each in needed}
    kinds = {"allocatable": allocatable, "used": used, "free": free}
    numbers = {
        each: {kind: shown(each, amounts.get(each, ZERO)) for kind, amounts in kinds.items()} for each in sorted(needed)
    }
    kept = kept_away(node, spec)
    places = {each: int(free[each] // amount) for each, amount in needed.items() if amount > 0}
    most = 0 if kept else min(places.values(), default=UNBOUNDED)
    short = (each for each in sorted(places) if places[each] <= most)
    lacks = ", ".join(f"{each} {numbers[each]['free']} free of {numbers[each]['allocatable']}" for each in short)
    return Room(node["metadata"]["name"], most, kept or lacks, numbers)


def kept_away(node: Json, spec: Json) -> str:
    """Why a node takes no pod of this kind, however empty it is; empty if it does."""
    tolerations = spec.get("tolerations") or ()
    if node["spec"].get("unschedulable") and not any(tolerates(each, CORDON) for each in tolerations):
        return "it is cordoned"
    if condition(node, "Ready").get("status") != "True":
        return "it is not ready"
    for taint in node["spec"].get("taints") or ():
        if taint["effect"] in KEEPS_AWAY and not any(tolerates(each, taint) for each in tolerations):
            return f"taint {taint['key']}={taint.get('value', '')}:{taint['effect']} is not tolerated"
    labels = node["metadata"].get("labels") or {}
    for key, value in (spec.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            return f"label {key} is {labels.get(key, 'missing')}, not {value}"
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if required and not any(matches(term, labels, node["metadata"]["name"]) for term in required["nodeSelectorTerms"]):
        return "the node affinity does not match its labels"
    return ""


def tolerates(toleration: Json, taint: Json) -> bool:
    """Whether a toleration covers a taint. Without a key or an effect it covers all of them."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    operator = toleration.get("operator") or "Equal"
    given, known = str(toleration.get("value") or ""), str(taint.get("value") or "")
    if operator in ("Lt", "Gt"):
        return compares(operator, known, given)
    return operator == "Exists" or (operator == "Equal" and given == known)


def matches(term: Json, labels: Mapping[str, str], name: str) -> bool:
    """Whether a node meets all requirements of a term. A term without any is met by none."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    of_name = {"metadata.name": name}
    return bool(expressions or fields) and all(
        meets(each, known) for known, group in ((labels, expressions), (of_name, fields)) for each in group
    )


def meets(requirement: Json, known: Mapping[str, str]) -> bool:
    """Whether labels meet one requirement."""
    key, operator = requirement["key"], requirement["operator"]
    values: Sequence[str] = requirement.get("values") or ()
    present = key in known
    if operator in ("Exists", "DoesNotExist"):
        return present is (operator == "Exists")
    if operator in ("In", "NotIn"):
        return (present and known[key] in values) is (operator == "In")
    return present and len(values) == 1 and compares(operator, known[key], str(values[0]))


def compares(operator: str, known: str, bound: str) -> bool:
    """Whether a label or a taint has a number greater (Gt) or less (Lt) than a bound."""
    try:
        number, limit = int(known), int(bound)
    except ValueError:
        return False
    return number > limit if operator == "Gt" else operator == "Lt" and number < limit
