# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision in words and numbers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.placement import Room
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.quota import Limit, allowed
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.resources import Resources, is_device, shown

INSTALL, SURGE, RECREATE, REFUSE = "install", "surge", "recreate", "refuse"

# A fleet has hundreds of nodes; the result has them all.
MOST_NAMES = 3
MOST_CAUSES = 6


class Fit(NamedTuple):
    """For how many of the new pods there is room, on which nodes, and what quotas say."""

    rooms: list[Room]
    limits: list[Limit]

    @property
    def pods(self) -> int:
        return min(sum(room.pods for room in self.rooms), allowed(self.limits))


class Rollout(NamedTuple):
    """What is decided about: how many pods, what each asks for, and what there is room for.

    `live` are the release's old pods that will not go by themselves, `there` whether it has any at all.
    `exchangeable`: in an old pod's place a new one can always start.
    """

    replicas: int
    needed: Resources
    beside: Fit
    after: Fit
    live: int
    there: bool
    exchangeable: bool
    can_surge: bool

    @property
    def ahead(self) -> int:
        """How many new pods a rolling update starts before the first old one ends, one over the number wanted."""
        return min(self.replicas, max(1, self.replicas - self.live + 1))


def message(decision: str, rollout: Rollout) -> str:
    """The decision in words and numbers."""
    amounts = ((name, amount) for name, amount in sorted(rollout.needed.items()) if name != "pods" and amount)
    asked = ", ".join(f"{shown(name, amount)} {name}" for name, amount in amounts)
    each = f"Each pod needs {asked or 'nothing'}."
    beside, after, replicas = rollout.beside, rollout.after, rollout.replicas
    if decision == INSTALL:
        return f"There is room for {beside.pods} pods, and {replicas} shall run. {each}"
    if decision == SURGE:
        return f"A new pod fits beside the old ones: there is room for {beside.pods}. {each}"
    if decision == REFUSE:
        old = "even without the old ones" if rollout.there else "and there is no old one to make room"
        return f"There is room for {after.pods} of {replicas} pods, {old}. {each} {short(after, replicas)}"
    return f"{_why_recreate(rollout)} {each} {short(beside, rollout.ahead)}".rstrip()


def short(seen: Fit, wanted: int) -> str:
    """What is short: the quotas that allow less than is wanted, and each node with what it lacks."""
    quotas = [limit.why for limit in seen.limits if limit.pods < wanted]
    if sum(room.pods for room in seen.rooms) >= wanted:
        return "; ".join(quotas)
    return "; ".join([*quotas, *(causes(seen.rooms) or ["there is no node"])])


def causes(rooms: Sequence[Room]) -> list[str]:
    """Why nodes take no more, the ones that have the device first; in a large fleet those alike together."""
    ordered = sorted(rooms, key=lambda each: (not _has_device(each), each.node))
    if len(ordered) <= MOST_CAUSES:
        return [f"{room.node}: {room.why}" for room in ordered]
    alike: dict[str, list[str]] = {}
    for room in ordered:
        alike.setdefault(room.why, []).append(room.node)
    told = [f"{_names(nodes)}: {why}" for why, nodes in alike.items()]
    more = sum(len(nodes) for nodes in list(alike.values())[MOST_CAUSES:])
    return [*told[:MOST_CAUSES], *([f"{more} other nodes"] if more else [])]


def _names(nodes: Sequence[str]) -> str:
    more = len(nodes) - MOST_NAMES
    return ", ".join(nodes[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _has_device(room: Room) -> bool:
    return all(numbers["allocatable"] != "0" for name, numbers in room.numbers.items() if is_device(name))


def _why_recreate(rollout: Rollout) -> str:
    if not rollout.can_surge:
        return "A StatefulSet replaces its pods in their place."
    if rollout.beside.pods == 0:
        return "A new pod fits only in the place of an old one."
    if rollout.beside.pods < rollout.ahead:
        return f"There is room for {rollout.beside.pods} beside the old pods, and {rollout.ahead} have to start first."
    return "There is room for a new pod beside the old ones, and not for the next in the place of each old one."
