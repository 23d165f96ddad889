# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions of which rows a registry has, for test_prediction_playbook: a lookup is quicker than a module."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import psycopg2
from ansible.plugins.lookup import LookupBase

ROWS = {
    "model_registry_entries": "SELECT ctid, xmin, t.* FROM model_registry_entries t ORDER BY model_name, ctid",
    "model_registry_history": "SELECT ctid, xmin, t.* FROM model_registry_history t ORDER BY id",
}


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: list[str], variables: object = None, **kwargs: object) -> list[str]:
        """The rows of the database at this URL, as one text."""
        found: list[tuple[Any, ...]] = []
        with closing(psycopg2.connect(terms[0])) as connection, connection.cursor() as cursor:
            for table, statement in ROWS.items():
                cursor.execute("SELECT to_regclass(%s)", [table])
                if cursor.fetchone() != (None,):
                    cursor.execute(statement)
                    found += cursor.fetchall()
        return [json.dumps(found, default=str)]
