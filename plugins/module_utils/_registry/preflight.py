# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what a registry's table lacks, and the SQL that mends it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._registry.ddl import (
    DEFINITIONS,
    UNIQUE_DEPLOYMENT,
    UPGRADE,
    VERSION,
    mark,
    version_of,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.facts import Facts
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import COLUMNS, NEEDED, TABLE

_ALTER = f"ALTER TABLE {TABLE}"
# Where the definition of a new table does not fit one that has rows, or a primary key.
_ADDED = {
    "model_id": "uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE",
    "model_name": "text NOT NULL DEFAULT ''",
    "deployment_namespace": "text",
}
_NUMBER_REVISIONS = (
    f"{_ALTER} ADD COLUMN revision integer CHECK (revision > 0)",
    "UPDATE model_registry_entries AS entry SET revision = numbered.number FROM (SELECT ctid AS place, row_number() "
    "OVER (PARTITION BY model_name ORDER BY ctid) AS number FROM model_registry_entries) AS numbered "
    "WHERE entry.ctid = numbered.place",
    f"{_ALTER} ALTER COLUMN revision SET NOT NULL",
)
# A namespace is in the endpoint's second label; where there is none the router reads an empty one.
_FILL_NAMESPACES = (
    "UPDATE model_registry_entries SET deployment_namespace = coalesce(substring(deployment_endpoint "
    "FROM '^[^.]+[.]([^.]+)[.]svc[.]cluster[.]local:'), '') WHERE deployment_namespace IS NULL",
    f"{_ALTER} ALTER COLUMN deployment_namespace SET DEFAULT '', ALTER COLUMN deployment_namespace SET NOT NULL",
)
# What every change of the collection gives a value to.
_GIVEN = {COLUMNS[name] for name in (*NEEDED, "revision", "deployment_target", "cost_per_1k_tokens", "metadata")}


class Lack(NamedTuple):
    """Something that a table lacks. Only an owner who adopts the table mends what is not needed."""

    what: str
    needed: bool
    why: str
    sql: tuple[str, ...] = ()
    # No statement can mend it: a person has to decide.
    manual: bool = False
    # The name, where a column is missing.
    column: str = ""
    # Needed, unless what is registered says otherwise: no reason to refuse the table.
    avoidable: bool = False

    def as_dict(self) -> dict[str, object]:
        return {"what": self.what, "needed": self.needed, "why": self.why, "sql": [f"{text};" for text in self.sql]}


def lacks(facts: Facts) -> list[Lack]:
    """What the table lacks, in the order in which it is mended."""
    kind, version = version_of(facts.layout.comment)
    found = [*_rights(facts), *_columns(facts), *_values(facts), *_organization(facts), *_uniqueness(facts)]
    statements = (*UPGRADE, mark(facts.layout.comment, adopted=kind != "superset"))
    if kind == "foreign":
        why = "revisions, updated_at, the history and NOTIFY depend on each writer"
        found.append(Lack("triggers", False, why, statements))
    elif version is not None and version < VERSION:
        found.append(Lack(f"version {VERSION}", False, f"the table has version {version}", statements))
    return found


def _rights(facts: Facts) -> Iterator[Lack]:
    if facts.missing_rights:
        rights = ", ".join(facts.missing_rights)
        grant = f"GRANT {rights} ON {facts.table} TO {facts.role}"
        yield Lack(f"right {rights} of role {facts.role}", True, "entries are read and changed", (grant,), manual=True)


def _columns(facts: Facts) -> Iterator[Lack]:
    needed = {COLUMNS[name] for name in NEEDED}
    for name in sorted(DEFINITIONS.keys() - facts.columns.keys(), key=_order):
        definition = DEFINITIONS[name]
        statements: tuple[str, ...] = (f"{_ALTER} ADD COLUMN {name} {_ADDED.get(name, definition)}",)
        statements = _NUMBER_REVISIONS if name == "revision" else statements
        why = "the registry cannot do without it" if name in needed else "other tools read it, or a value has no place"
        yield Lack(f"column {name}", name in needed, why, statements, column=name)


def _order(column: str) -> int:
    """What is needed comes first."""
    return list(COLUMNS.values()).index(column)


def _values(facts: Facts) -> Iterator[Lack]:
    """Columns that a new row needs a value for, and that some writer leaves out."""
    for name, column in facts.columns.items():
        if not column.required or column.filled or name in _GIVEN:
            continue
        default = f" SET DEFAULT {DEFINITIONS[name].partition('DEFAULT ')[2]}" if name in DEFINITIONS else ""
        yield Lack(
            f"default of column {name}",
            True,
            "a new entry has no value for it",
            (f"{_ALTER} ALTER COLUMN {name}{default}",) if default else (),
            manual=not default,
        )
    target, namespace = (facts.columns.get(name) for name in ("deployment_target", "deployment_namespace"))
    if target is not None and not target.filled:
        why = "the admin tool leaves it out"
        statement = f"{_ALTER} ALTER COLUMN deployment_target SET DEFAULT 'self_hosted'"
        yield Lack("default of column deployment_target", False, why, (statement,))
    if namespace is None or not namespace.required or not namespace.filled:
        yield Lack("a namespace in every row", False, "the router cannot read NULL", _FILL_NAMESPACES)


def _organization(facts: Facts) -> Iterator[Lack]:
    missing = facts.missing_organization
    if missing is None:
        return
    columns = ", ".join((missing.key, *missing.required))
    values = ", ".join((missing.value, *("'default'" for _unused in missing.required)))
    statement = f"INSERT INTO {missing.table} ({columns}) VALUES ({values})"  # noqa: S608
    yield Lack(
        f"the default organisation in {missing.table}",
        True,
        "a new entry refers to it unless organization_id is given",
        (statement,),
        avoidable=True,
    )


def _uniqueness(facts: Facts) -> Iterator[Lack]:
    if ("deployment_environment", "model_name") in facts.unique:
        return
    if facts.duplicates:
        why = f"a model has several rows: {', '.join(facts.duplicates)}. Delete all but one of each"
        yield Lack("one row for each model and environment", True, why, manual=True)
    why = "other writers can make several rows for one entry"
    yield Lack("a unique constraint", False, why, (f"{_ALTER} ADD {UNIQUE_DEPLOYMENT}",))
