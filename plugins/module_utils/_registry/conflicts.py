# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the constraints of the table would refuse, found before anything is written, and so in check mode too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import shown
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import Layout
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.plan import Plan
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.references import organizations

if TYPE_CHECKING:
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

# A revision names one row of a model and its organisation, in whichever environment.
_REVISIONS = """
    SELECT entry.model_name, entry.revision, entry.deployment_environment
    FROM json_to_recordset(%s) AS wanted (model_name text, revision int, organization_id text, environment text)
    JOIN model_registry_entries AS entry
        ON entry.model_name = wanted.model_name AND entry.revision = wanted.revision
        AND entry.organization_id::text = coalesce(wanted.organization_id, entry.organization_id::text)
        AND entry.deployment_environment IS DISTINCT FROM wanted.environment
    LIMIT 1
"""


def check(cursor: Cursor, layout: Layout, changes: Sequence[Plan]) -> None:
    """Refuse a revision that another entry has, and an organisation that is not there.

    Args:
        cursor: of the transaction.
        layout: the table's.
        changes: that are planned.

    Raises:
        InferenceError: names the entry and what stands against it.
    """
    if not {"revision", "organization_id"} <= set(layout.fields):
        return
    owned = [change.after for change in changes if change.after and _differs(change, "organization_id")]
    # A revision belongs to an organisation: it can be taken in another one.
    numbered = [
        change.after
        for change in changes
        if change.after and (_differs(change, "revision") or _differs(change, "organization_id"))
    ]
    if numbered:
        _check_revisions(cursor, numbered)
    if owned:
        _check_organizations(cursor, owned)


def _differs(change: Plan, name: str) -> bool:
    return getattr(change.after, name) is not None and (change.before is None or name in change.fields)


def _check_revisions(cursor: Cursor, entries: Sequence[Entry]) -> None:
    names = ("model_name", "revision", "organization_id", "environment")
    cursor.execute(_REVISIONS, [json.dumps([{name: getattr(entry, name) for name in names} for entry in entries])])
    row = cursor.fetchone()
    if row is not None:
        name, revision, environment = row
        raise InferenceError(
            f"Revision {revision} of model '{shown(name)}' is taken",
            f"the entry in {environment or 'no environment'} has it",
            "Choose another revision, or leave it to the collection.",
        )


def _check_organizations(cursor: Cursor, entries: Sequence[Entry]) -> None:
    from psycopg2 import sql

    for table, key, _default, readable, _required in organizations(cursor):
        if not readable:
            # The constraint itself decides then.
            continue
        statement = sql.SQL(
            "SELECT wanted FROM unnest(%s::text[]) AS wanted WHERE NOT EXISTS "
            "(SELECT FROM {table} AS owner WHERE owner.{key}::text = wanted) LIMIT 1"
        ).format(table=sql.SQL(table), key=sql.SQL(key))
        cursor.execute(statement, [sorted({entry.organization_id for entry in entries if entry.organization_id})])
        row = cursor.fetchone()
        if row is not None:
            raise InferenceError(
                f"There is no organisation {row[0]}",
                f"{table} does not have it",
                "Give organization_id of an organisation that exists, or create this one.",
            )
