# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what to do: the current entry and the desired one give the next entry and the actions. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import namespace_of
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import DECLARED, Desired, Entry


class Plan(NamedTuple):
    """The entry before and after, and what leads from one to the other."""

    before: Entry | None
    after: Entry | None
    actions: tuple[str, ...] = ()
    # `present` met an entry that a person had disabled, and left it so.
    kept_disabled: bool = False
    # It was to be deleted, and these tables refer to it.
    referenced_by: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.actions)

    @property
    def fields(self) -> tuple[str, ...]:
        """The declared values that differ."""
        if self.before is None or self.after is None:
            return ()
        return tuple(name for name in DECLARED if not same(getattr(self.before, name), getattr(self.after, name)))

    @property
    def withdraws(self) -> bool:
        """Whether a route that was served until now is taken away or leads elsewhere."""
        if self.before is None or not self.before.routable:
            return False
        return self.after is None or not self.after.routable or self.after.endpoint != self.before.endpoint

    def diff(self) -> dict[str, Any]:
        entry = self.after or self.before
        header = f"{entry.model_name} ({entry.environment})" if entry else ""
        return {
            "before": self.before.declared() if self.before else {},
            "after": self.after.declared() if self.after else {},
            "before_header": header,
            "after_header": header,
        }


def kept_instead(desired: Desired, referring: Sequence[str]) -> str:
    """The warning about an entry that was to be deleted."""
    tables = ", ".join(referring)
    return f"The entry for {desired.label} is kept as disabled instead of being deleted: {tables} refers to it."


def needs_entry(desired: Desired) -> bool:
    """Whether the desired state can only be reached from an entry that is there."""
    return desired.state == "disabled" or (desired.state in ("present", "enabled") and desired.endpoint is None)


def plan(
    current: Entry | None,
    desired: Desired,
    defaults: Mapping[str, Any] | None = None,
    known: Sequence[str] = (),
    referring: Sequence[str] = (),
) -> Plan:
    """Decide what to do.

    Args:
        current: the entry as it is, or None.
        desired: what is asked for.
        defaults: values of a new entry that nobody gave.
        known: descriptions of entries that a mistyped name may have meant.
        referring: names of the tables that refer to the entry.
    """
    if current is None:
        if needs_entry(desired):
            raise missing_entry(desired, known)
        return Plan(None, None) if desired.state == "absent" else _insert(desired, defaults or {})
    if desired.state == "absent" and desired.purge and not referring:
        return Plan(current, None, ("delete",))
    if desired.state in ("disabled", "absent"):
        disabled = _update(current, current._replace(status="disabled"), "disable")
        return disabled._replace(referenced_by=tuple(referring))
    if desired.state == "enabled":
        return _update(current, _merged(current, desired), "enable")
    result = _update(current, _merged(current, desired), "update:status")
    return result._replace(kept_disabled=current.status == "disabled")


def missing_entry(desired: Desired, known: Sequence[str]) -> InferenceError:
    """The error about an entry that must be there and is not."""
    return InferenceError(
        f"There is no entry for {desired.label}",
        f"the nearest are {', '.join(known)}" if known else "no entry has a similar name",
        "Check model_name and environment."
        if desired.state == "disabled"
        else "Register it: `state: present` with an endpoint.",
    )


def same(left: object, right: object) -> bool:
    """Equality as JSON has it: 1 is 1.0, but true is not 1. A NaN, which a numeric column can hold, equals itself."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(one, other) for one, other in zip(left, right, strict=True))
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return left == right


def merged_metadata(current: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The current metadata with the given laid over it, at every depth."""
    result = dict(current)
    for key, value in given.items():
        there = result.get(key)
        if isinstance(there, Mapping) and isinstance(value, Mapping):
            result[key] = merged_metadata(there, value)
        else:
            result[key] = value
    return result


def _insert(desired: Desired, defaults: Mapping[str, Any]) -> Plan:
    given = {name: getattr(desired, name) for name in DECLARED if name != "status"}
    values = {name: defaults.get(name) if value is None else value for name, value in given.items()}
    values["namespace"] = desired.namespace or namespace_of(desired.endpoint)
    status = "ready" if desired.state == "enabled" else desired.status
    return Plan(None, Entry(desired.model_name, desired.environment, status=status, **values), ("insert",))


def _merged(current: Entry, desired: Desired) -> Entry:
    """The current entry with what `present` or `enabled` asks of it."""
    names = [name for name in DECLARED if name not in ("status", "namespace", "metadata")]
    values = {name: getattr(desired, name) for name in names if getattr(desired, name) is not None}
    endpoint = values.get("endpoint", current.endpoint)
    if endpoint is None:
        raise missing_endpoint(desired)
    values["namespace"] = _namespace(current, desired, endpoint)
    if desired.metadata is not None:
        # Another tool may have stored what is no object: there is nothing to merge with then.
        mergeable = desired.metadata_mode == "merge" and isinstance(current.metadata, Mapping)
        values["metadata"] = merged_metadata(current.metadata or {} if mergeable else {}, desired.metadata)
    if desired.state == "enabled":
        values["status"] = "ready"
    elif current.status != "disabled":
        values["status"] = desired.status
    return current._replace(**values)


def _namespace(current: Entry, desired: Desired, endpoint: str) -> str | None:
    """The namespace that belongs to the endpoint: a router cannot use an entry without one."""
    inside = namespace_of(endpoint)
    if desired.namespace is not None and inside not in (None, desired.namespace):
        raise InvalidInputError(
            f"Invalid namespace: {desired.namespace}",
            f"The registered endpoint {endpoint} lies in namespace '{inside}'",
            "Give the new endpoint too.",
        )
    if desired.namespace is not None or desired.endpoint is not None:
        return desired.namespace or inside
    return current.namespace or inside


def missing_endpoint(desired: Desired) -> InferenceError:
    """The error about an entry that cannot be routed to because nobody said where it is."""
    return InferenceError(
        f"The entry for {desired.label} has no endpoint",
        remedy="Give endpoint as <service-name>.<namespace>.svc.cluster.local:<port>.",
    )


def _update(current: Entry, after: Entry, status_action: str) -> Plan:
    fields = Plan(current, after).fields
    return Plan(current, after, tuple(status_action if name == "status" else f"update:{name}" for name in fields))
