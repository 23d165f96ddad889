# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads entries, as data and as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.ai_aas.inference.plugins.module_utils._registry import connection, table
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

HEADINGS = ("ID", "Model Name", "Endpoint", "Status", "Environment", "Namespace", "Last Health", "Updated")


def list_entries(params: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that a module's parameters ask for, as the module's result."""
    timings = connection.Timings()
    filters = {name: params[name] for name in ("model_name", "environment", "status") if params[name] is not None}

    def work(cursor: Cursor) -> list[Entry]:
        with timings.step("read"):
            return table.list_entries(cursor, table.layout_of(cursor), filters)

    entries = connection.run(connection.database_from(params), work, timings, read_only=True)
    return {
        "changed": False,
        "entries": [entry.as_dict() for entry in entries],
        "count": len(entries),
        "table": lines(entries),
        "timings": timings.seconds,
    }


def lines(entries: Sequence[Entry]) -> list[str]:
    """The entries as lines of a table with aligned columns."""
    rows = [HEADINGS, *(_cells(entry) for entry in entries)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEADINGS))]
    return [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        # A table of the ai-aas migrations has no `id`.
        str(entry.id if entry.id is not None else entry.model_id or ""),
        entry.model_name,
        entry.endpoint or "",
        entry.status or "",
        entry.environment,
        entry.namespace or "",
        _minute(entry.last_health_check_at),
        _minute(entry.updated_at),
    )


def _minute(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else ""
