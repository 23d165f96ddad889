# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where does a live object differ from what Helm deployed? Pure.

What Kubernetes itself fills in is no difference: only what the manifest says is compared. What somebody added shows in
the object's managedFields, which name the program that wrote each field.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

Json = Mapping[str, Any]

# Who writes objects without being asked: Helm itself, and Kubernetes' own controllers.
OWN_MANAGERS = frozenset(("helm", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-apiserver"))
# Parts of an object that a person declares; the kinds that matter here have no other.
PARTS = ("spec", "data")
# A restart is no change of what is wanted.
RESTARTED = "kubectl.kubernetes.io/restartedAt"


def edits(wanted: Json, live: Json, ignored: Collection[str] = ()) -> list[str]:
    """Say what differs, a phrase each. Texts are not shown: they can be secrets.

    Args:
        wanted: the object in the manifest.
        live: as the API server has it.
        ignored: managers whose fields may differ, besides Kubernetes' own.
    """
    written = list(owned(live))
    others = [(manager, path) for manager, path in written if manager not in OWN_MANAGERS | set(ignored)]
    tolerated = [path for manager, path in written if manager in ignored]
    found: dict[str, str] = {}
    for part in PARTS:
        for path, text in differences(wanted.get(part), live.get(part), part):
            if not any(touches(path, other) for other in tolerated):
                found[path] = text + by([manager for manager, other in others if touches(path, other)])
    for manager, steps in others:
        added = first_missing(wanted, steps)
        if added and not any(touches(place, added) for place in found):
            found[path_text(added)] = "was added" + by([manager])
    return [f"{path} {text}" for path, text in sorted(found.items())]


def was_touched(live: Json, ignored: Collection[str] = ()) -> bool:
    """Whether anybody but Helm may have written what an object is to be. Where nobody is named, anybody may.

    A change that an admission webhook made of Helm's own request is kept under Helm's name, and is none. Whoever
    scales a workload is not named: then it is written nowhere that Helm has said how many pods there are to be.
    """
    entries = (live.get("metadata") or {}).get("managedFields") or ()
    writers = [entry for entry in entries if not entry.get("subresource")]
    own = OWN_MANAGERS | set(ignored)
    if not writers or any(entry.get("manager") not in own for entry in writers):
        return True
    scaled = "replicas" in (live.get("spec") or {})
    return scaled and not any("f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {}) for entry in writers)


def by(managers: Sequence[str]) -> str:
    return f" by {', '.join(sorted(set(managers)))}" if managers else ""


def touches(path: str, steps: Sequence[str]) -> bool:
    """Whether one path lies within the other."""
    other = path_text(steps)
    return f"{path}.".startswith((f"{other}.", f"{other}[")) or f"{other}.".startswith((f"{path}.", f"{path}["))


def differences(wanted: Any, live: Any, path: str) -> Iterator[tuple[str, str]]:
    """Paths at which a live value is not the wanted one, with what it is instead."""
    if wanted in (None, {}, [], "") and live in (None, {}, [], ""):
        return
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for name, value in wanted.items():
            yield from differences(value, live.get(name), f"{path}.{name}")
    elif isinstance(wanted, list) and isinstance(live, list):
        yield from list_differences(wanted, live, path)
    elif wanted is not None and not same(wanted, live):
        yield path, told(wanted, live)


def list_differences(wanted: Sequence[Any], live: Sequence[Any], path: str) -> Iterator[tuple[str, str]]:
    """The same of lists: items with names are the same item wherever they stand."""
    left, right = named(wanted), named(live)
    if left is None or right is None:
        if len(wanted) != len(live):
            yield path, f"has {len(live)} items, not {len(wanted)}"
            return
        left, right = dict(enumerate(wanted)), dict(enumerate(live))
    for name, item in left.items():
        if name in right:
            yield from differences(item, right[name], f"{path}[{name}]")
        else:
            yield f"{path}[{name}]", "was removed"
    for name in right.keys() - left.keys():
        yield f"{path}[{name}]", "was added"


def named(items: Sequence[Any]) -> dict[Any, Any] | None:
    """A list's items by their names, or None if not each has one of its own."""
    found = {each["name"]: each for each in items if isinstance(each, Mapping) and "name" in each}
    return found if len(found) == len(items) else None


def same(wanted: object, live: object) -> bool:
    """Whether two plain values mean the same. Kubernetes writes 4 CPUs as "4" and 0.5 of one as "500m"."""
    if isinstance(wanted, bool) or isinstance(live, bool) or live is None:
        return wanted is live
    if str(wanted) == str(live):
        return True
    return is_like_quantity(wanted) and is_like_quantity(live) and same_quantity(wanted, live)


def is_like_quantity(value: object) -> bool:
    text = str(value)
    return text[:1].isdigit() and len(text) < 20


def same_quantity(wanted: object, live: object) -> bool:
    from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.resources import quantity

    try:
        return quantity(wanted) == quantity(live)
    except InvalidInputError:
        return False


def told(wanted: object, live: object) -> str:
    """What a value is instead, where it cannot be a secret."""
    if live is None:
        return "was removed"
    plain = (bool, int, float)
    return f"is {live}, not {wanted}" if isinstance(wanted, plain) and isinstance(live, plain) else "was changed"


def owned(live: Json) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Managers with the fields that they wrote last; those of a subresource, such as a status, are left out."""
    for entry in (live.get("metadata") or {}).get("managedFields") or ():
        if not entry.get("subresource"):
            fields = {name: below for name, below in (entry.get("fieldsV1") or {}).items() if name[2:] in PARTS}
            for path in leaves(fields, ()):
                yield str(entry.get("manager", "")), path


def leaves(fields: Json, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The paths of FieldsV1: `f:` is a field, `k:` an item by its keys, `v:` an item by its value."""
    steps = {name: below for name, below in fields.items() if name != "."}
    if not steps and path:
        yield path
    for name, below in steps.items():
        yield from leaves(below or {}, (*path, name))


def first_missing(wanted: Json, path: Sequence[str]) -> tuple[str, ...]:
    """Up to where a path leads to what the manifest has not; empty if it has all of it."""
    place: Any = wanted
    for number, step in enumerate(path, 1):
        place = stepped(place, step)
        if place is None:
            return () if RESTARTED in path[-1] else tuple(path[:number])
    return ()


def stepped(place: Any, step: str) -> Any:
    """What lies one step further, or None."""
    kind, _unused, text = step.partition(":")
    if kind == "f":
        return place.get(text) if isinstance(place, Mapping) else None
    if not isinstance(place, list):
        return None
    value = json.loads(text)
    if kind == "v":
        return value if value in place else None
    return next(
        (item for item in place if isinstance(item, Mapping) and all(item.get(k, v) == v for k, v in value.items())),
        None,
    )


def path_text(path: Sequence[str]) -> str:
    """A path as people write it: spec.containers[vllm].env."""
    text = ""
    for step in path:
        kind, _unused, rest = step.partition(":")
        if kind == "f":
            text += f".{rest}" if text else rest
        else:
            value = json.loads(rest)
            text += f"[{value.get('name') or ','.join(map(str, value.values()))}]" if kind == "k" else f"[{value}]"
    return text
