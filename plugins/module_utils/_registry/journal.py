# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of the registry: what a change hands to the table's triggers, or writes where there are none."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import (
    COLUMNS,
    HISTORY,
    Layout,
)

if TYPE_CHECKING:
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry.plan import Plan
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry.provenance import Provenance
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

CHANNEL = "model_registry_changed"

# Local to the transaction, so that nothing is left in a connection that a pool hands on.
_HAND_OVER = """
    SELECT set_config('ai_aas.actor', %s, true), set_config('ai_aas.reason', %s, true),
           set_config('ai_aas.job', %s, true)
"""
_RECORD = """
    INSERT INTO {history} (operation, model_name, environment, actor, reason, job, before, after)
    SELECT operation, model_name, environment, nullif(%s, ''), nullif(%s, ''), nullif(%s, '')::jsonb, before, after
    FROM json_to_recordset(%s)
        AS changes (operation text, model_name text, environment text, before jsonb, after jsonb)
"""


def outcome(layout: Layout) -> str:
    """What a module says about the history of its change."""
    return "unavailable" if layout.journal == "unavailable" else "recorded"


def hand_over(cursor: Cursor, layout: Layout, provenance: Provenance) -> None:
    """Tell the table's triggers where the changes of this transaction come from."""
    if layout.journal == "trigger":
        cursor.execute(_HAND_OVER, list(provenance))


def record(cursor: Cursor, layout: Layout, provenance: Provenance, changes: Sequence[Plan]) -> None:
    """Write the history of changes and announce them, where the table has no triggers that do."""
    if layout.journal == "trigger":
        return
    rows = [_row(layout, change) for change in changes]
    if layout.journal != "unavailable":
        from psycopg2 import sql

        if layout.journal == "create":
            from ansible_collections.ai_aas.inference.plugins.module_utils._registry import ddl

            ddl.create_history(cursor, layout.schema)
        statement = sql.SQL(_RECORD).format(history=sql.Identifier(layout.schema, HISTORY))
        cursor.execute(statement, [*provenance, json.dumps(rows)])
    # The server takes 8000 bytes at most; as the triggers do.
    events = [
        json.dumps({**{key: row[key] for key in ("operation", "environment")}, "model_name": row["model_name"][:255]})
        for row in rows
    ]
    cursor.execute("SELECT pg_notify(%s, event) FROM unnest(%s) AS events (event)", [CHANNEL, events])


def _row(layout: Layout, change: Plan) -> dict[str, Any]:
    before, after = (_columns(layout, entry) if entry else None for entry in (change.before, change.after))
    operation = "delete" if after is None else "update" if before else "insert"
    key = change.after or change.before
    return {
        "operation": operation,
        "model_name": key.model_name if key else None,
        "environment": key.environment if key else None,
        "before": before,
        "after": after,
    }


def _columns(layout: Layout, entry: Entry) -> dict[str, Any]:
    """The declared values of an entry by column, as a trigger keeps them."""
    values = {COLUMNS[name]: value for name, value in entry.declared().items() if COLUMNS[name] in layout.columns}
    # A numeric column can hold it, and JSON cannot.
    unreal = [column for column, value in values.items() if isinstance(value, float) and math.isnan(value)]
    return {**values, **dict.fromkeys(unreal, "NaN")}
