# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An entry of the registry, what a user asks of one, and the rules for each value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import (
    check_namespace,
    parse_endpoint,
    refuse,
    shown,
)

# What a registered entry can be given. `disabled` is not among them: it has its own state, for a person.
SERVING_STATUSES = ("pending", "deploying", "ready", "degraded", "failed")
STATUSES = (*SERVING_STATUSES, "disabled")
# What a user declares. The database makes all others.
DECLARED = (
    "endpoint",
    "namespace",
    "status",
    "revision",
    "organization_id",
    "deployment_target",
    "cost_per_1k_tokens",
    "metadata",
)
MAX_NAME = 255
MAX_REVISION = 2**31 - 1
MAX_COST = 1_000_000
# Far more than anybody writes, and few enough for every step that walks through it.
MAX_DEPTH = 100

_JSON_RULE = "It must be JSON of moderate depth, without infinite numbers and lone surrogates"
_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class Entry(NamedTuple):
    """One row of the registry. What the table has no column for is None."""

    model_name: str
    environment: str
    endpoint: str | None = None
    namespace: str | None = None
    status: str | None = None
    revision: int | None = None
    organization_id: str | None = None
    deployment_target: str | None = None
    cost_per_1k_tokens: float | None = None
    metadata: Mapping[str, Any] | None = None
    id: int | None = None
    model_id: str | None = None
    last_health_check_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None

    @property
    def routable(self) -> bool:
        """Whether the router sends requests to it."""
        return self.status == "ready" and self.endpoint is not None

    def as_dict(self) -> dict[str, Any]:
        return self._asdict()

    def declared(self) -> dict[str, Any]:
        """The part that a user declares, for a diff that is the same before and after the change is made."""
        return {
            name: value for name, value in self._asdict().items() if name in (*DECLARED, "model_name", "environment")
        }


class Desired(NamedTuple):
    """What a user asks of an entry. None leaves a value as it is."""

    model_name: str
    environment: str
    state: str = "present"
    status: str = "ready"
    endpoint: str | None = None
    namespace: str | None = None
    revision: int | None = None
    organization_id: str | None = None
    deployment_target: str | None = None
    cost_per_1k_tokens: float | None = None
    metadata: Mapping[str, Any] | None = None
    metadata_mode: str = "merge"
    purge: bool = False

    @property
    def label(self) -> str:
        return f"model '{shown(self.model_name)}' in environment '{self.environment}'"


_DEFAULTS = {**dict.fromkeys(Desired._fields), **Desired._field_defaults}


def desired_from(params: Mapping[str, Any]) -> Desired:
    """Check a module's parameters and return what they ask for. What is not among them has its default.

    Raises:
        InvalidInputError: a value breaks a rule; names the value and the rule.
    """
    given = {name: params.get(name, default) for name, default in _DEFAULTS.items()}
    check_model_name(given["model_name"])
    _check_place(given["endpoint"], given["namespace"])
    if isinstance(given["revision"], bool):
        refuse("revision", given["revision"], "It must be a number")
    if given["revision"] is not None and not 1 <= given["revision"] <= MAX_REVISION:
        refuse("revision", given["revision"], f"It must lie between 1 and {MAX_REVISION}")
    if given["organization_id"] is not None:
        if not re.fullmatch(_UUID, given["organization_id"]):
            refuse("organization_id", given["organization_id"], "It must be a UUID")
        given["organization_id"] = given["organization_id"].lower()
    if given["cost_per_1k_tokens"] is not None:
        cost = round(given["cost_per_1k_tokens"], 4)
        if not 0 <= cost < MAX_COST:
            refuse("cost_per_1k_tokens", given["cost_per_1k_tokens"], f"It must be at least 0 and below {MAX_COST}")
        given["cost_per_1k_tokens"] = cost
    if given["metadata"] is not None:
        text = check_json("metadata", given["metadata"])
        if "e+" in text:
            given["metadata"] = json.loads(text, parse_float=_number)
    if given["purge"] and given["state"] != "absent":
        refuse("purge", given["purge"], "It belongs to `state: absent`")
    return Desired(**given)


def _number(text: str) -> int | float:
    """A number of JSON as PostgreSQL gives it back: without an exponent, so that 1e23 is a whole number."""
    if "e+" not in text:
        return float(text)
    from decimal import Decimal

    return int(Decimal(text))


def check_model_name(value: str) -> None:
    """Refuse a model name that no server could list. It is stored as it is given."""
    if not value:
        refuse("model_name", value, "It must not be empty")
    if len(value) > MAX_NAME:
        refuse("model_name", value, f"It must have at most {MAX_NAME} characters, and has {len(value)}")
    if not value.isprintable():
        refuse("model_name", value, "It must not hold control characters or invisible ones")
    if value != value.strip():
        refuse("model_name", value, "It must not begin or end with a space")


def check_json(option: str, value: Mapping[str, Any]) -> str:
    """Refuse what PostgreSQL cannot store as JSON, and return it as text."""
    if _is_deeper(value, MAX_DEPTH):
        refuse(option, "", _JSON_RULE)
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (ValueError, RecursionError):
        refuse(option, "", _JSON_RULE)
    if "\\u0000" in text and _holds_nul(value):
        refuse(option, "", "It must not hold NUL characters")
    return text


def _check_place(endpoint: str | None, namespace: str | None) -> None:
    if namespace is not None:
        check_namespace(namespace)
    if endpoint is None:
        return
    inside = parse_endpoint(endpoint).namespace
    if namespace is not None and namespace != inside:
        refuse("namespace", namespace, f"The endpoint lies in namespace '{inside}'")


def _is_deeper(value: object, depth: int) -> bool:
    """Whether containers lie deeper in each other than this. Level by level: Python's own depth is limited."""
    level: list[object] = [value]
    for _unused in range(depth):
        parts: list[object] = []
        for part in level:
            if isinstance(part, Mapping):
                parts.extend(part.values())
            elif isinstance(part, list):
                parts.extend(part)
        if not parts:
            return False
        level = parts
    return True


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_holds_nul(part) for part in value)
