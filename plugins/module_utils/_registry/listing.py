# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads entries and their history, as data and as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.ai_aas.inference.plugins.module_utils._registry import history, table
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.connection import database_from
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import refuse
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import layout_of
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.limits import is_encodable
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.secrecy import hidden, secrets_of
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import Timings, run

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

HEADINGS = ("ID", "Model Name", "Endpoint", "Status", "Environment", "Namespace", "Last Health", "Updated")
HISTORY_HEADINGS = ("When", "Who", "What", "Model Name", "Environment", "Changed", "Reason", "Job")


def list_entries(params: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that a module's parameters ask for, as the module's result."""
    timings = Timings()
    filters = _filters(params)

    def work(cursor: Cursor) -> tuple[list[Entry], list[dict[str, Any]] | None]:
        with timings.step("read"):
            layout = layout_of(cursor)
            entries = table.list_entries(cursor, layout, filters, params["stale_after"])
            if not params["history"]:
                return entries, None
            keys = {name: value for name, value in filters.items() if name != "status"}
            return entries, history.read(cursor, layout, keys, params["history_limit"])

    entries, events = run(database_from(params), work, timings, access="read")
    return {
        "changed": False,
        "entries": [entry.as_dict() for entry in entries],
        "count": len(entries),
        "table": lines(HEADINGS, [entry_cells(entry) for entry in entries]),
        **(_history(events, secrets_of(params)) if params["history"] else {}),
        "timings": timings.seconds,
    }


def lines(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines of a table with aligned columns, beginning with the headings."""
    rows = [headings, *cells]
    widths = [max(len(row[place]) for row in rows) for place in range(len(headings))]
    return [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _filters(params: Mapping[str, Any]) -> dict[str, str]:
    """The values that entries must have."""
    filters = {name: params[name] for name in ("model_name", "environment", "status") if params[name] is not None}
    for name, value in filters.items():
        if "\0" in value or not is_encodable(value):
            refuse(name, value, "It must not hold NUL characters or lone surrogates")
    return filters


def _history(events: list[dict[str, Any]] | None, secrets: Sequence[str]) -> dict[str, Any]:
    if events is None:
        why = "The registry has no history that this role may read: see the notes of model_registry_info."
        return {"history": [], "history_table": [], "warnings": [why]}
    # Another tool may have kept a password in what is free text.
    events = [
        {**event, **{name: hidden(event[name], secrets) for name in ("actor", "reason", "job")}} for event in events
    ]
    return {"history": events, "history_table": lines(HISTORY_HEADINGS, [_event_cells(event) for event in events])}


def entry_cells(entry: Entry) -> tuple[str, ...]:
    """What the table shows of an entry."""
    return (
        # A table of the ai-aas migrations has no `id`.
        str(entry.id if entry.id is not None else entry.model_id or ""),
        entry.model_name,
        entry.endpoint or "",
        entry.status or "",
        entry.environment,
        entry.namespace or "",
        minute(entry.last_health_check_at),
        minute(entry.updated_at),
    )


def _event_cells(event: Mapping[str, Any]) -> tuple[str, ...]:
    after = event["after"] or {}
    changed = [f"{name}={after[name]}" if name in after else name for name in event["changed"] if name != "metadata"]
    return (
        minute(event["changed_at"]),
        event["actor"] or event["role"],
        event["operation"],
        event["model_name"],
        event["environment"],
        ", ".join(changed) if event["operation"] == "update" else "",
        event["reason"] or "",
        ", ".join(f"{name}={value}" for name, value in (event["job"] or {}).items()),
    )


def minute(moment: str | None) -> str:
    """A time as tables show it."""
    return moment[:16].replace("T", " ") if moment else ""
