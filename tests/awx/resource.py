# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an endpoint of AWX is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EVENTS = ("started", "success", "error")
TOLD = {f"notification_templates_{event}": "notification_templates" for event in EVENTS}
APPROVED = {"notification_templates_approvals": "notification_templates"}
NAMED = {"name": "", "description": ""}
OF_ORGANIZATION = {"organization": "organizations"}


def fields_by_default(text: str = "", null: str = "", off: str = "", zero: str = "", **others: Any) -> dict[str, Any]:
    """Fields by their default: an empty text, null, false or 0."""
    defaults = ((text, ""), (null, None), (off, False), (zero, 0))
    return {name: default for names, default in defaults for name in names.split()} | others


@dataclass(frozen=True)
class Resource:
    """An endpoint.

    Args:
        kind: the `type` of its objects.
        title: the model as it is called in messages; `model` its name as a class.
        fields: what can be written, with defaults.
        required: what has to be written.
        references: fields that hold the id of an object of an endpoint.
        unique: the fields that only one object may have so, and how AWX says it: `field`, `together` or `soft`.
        associations: lists of objects of other endpoints.
        roles: what may be granted on an object.
        sequence: objects of one sequence share their ids, as all templates do.
        methods: what a single object answers to.
    """

    kind: str
    title: str
    model: str
    fields: Mapping[str, Any]
    required: tuple[str, ...] = ("name",)
    references: Mapping[str, str] = field(default_factory=dict)
    unique: tuple[str, ...] = ("name",)
    uniqueness: str = "field"
    associations: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    sequence: str = ""
    methods: tuple[str, ...] = ("GET", "PATCH", "PUT", "DELETE")
