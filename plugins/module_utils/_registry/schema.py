# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry's table: looked at, made, brought up to date, or adopted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry import ddl
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.connection import database_from
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.facts import Facts, read_facts
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import TABLE, inspect
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.preflight import Lack, lacks
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import (
    Access,
    Judge,
    Timings,
    run,
)

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812


def ensure_schema(params: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """Bring the registry's table to what a module's parameters ask for, and return the module's result.

    Raises:
        InferenceError: the table lacks something that the collection may not or cannot mend; the result tells what.
    """
    timings = Timings()
    look = check or params["state"] == "preflight"

    def work(cursor: Cursor) -> dict[str, Any]:
        with timings.step("read"):
            if not look:
                cursor.execute(ddl.LOCK)
            layout = inspect(cursor)
            facts = read_facts(cursor, layout) if layout else None
        result = decide(facts, present=params["state"] == "present", adopt=params["adopt"])
        if result["changed"] and not look:
            with timings.step("write"):
                ddl.run(cursor, facts.layout.schema if facts else None, result["statements"])
        return result

    access: Access = "check" if look else "write"
    result = run(database_from(params), work, timings, access, judge=Judge(lambda made: bool(made["changed"])))
    del result["statements"]
    return {**result, "timings": timings.seconds}


def decide(facts: Facts | None, *, present: bool, adopt: bool) -> dict[str, Any]:
    """What is to be done, as a module's result with the `statements` that do it. Pure.

    Args:
        facts: about the table that is there, or None.
        present: whether the table is to be made fit for use, or only to be looked at.
        adopt: whether a table of someone else may be altered for that.

    Raises:
        InferenceError: it is not fit for use and may not or cannot be made so.
    """
    if facts is None:
        return _result("none", None, [], ddl.CREATE if present else (), ["create"] if present else [])
    kind, version = ddl.version_of(facts.layout.comment)
    found = lacks(facts)
    result = _result(kind, version, found, (), [])
    if not present:
        return result
    if found and (adopt if kind == "foreign" else facts.owned):
        _refuse([lack for lack in found if lack.manual], result, "only a person can mend it")
        return _mended(kind, found)
    hindering = [lack for lack in found if lack.needed and not lack.avoidable]
    _refuse(hindering, result, "the collection did not make this table and does not alter it")
    return {**result, "warnings": _warnings(kind, version, found)}


def _mended(kind: str, found: Sequence[Lack]) -> dict[str, Any]:
    """The result of mending all that a table lacks."""
    statements = [statement for lack in found for statement in lack.sql]
    action = "adopt" if kind == "foreign" else "upgrade"
    return _result("superset" if kind == "superset" else "adopted", ddl.VERSION, [], statements, [action])


def _warnings(kind: str, version: int | None, found: Sequence[Lack]) -> list[str]:
    texts = [f"The table {TABLE} lacks {lack.what}: {lack.why}." for lack in found if lack.needed]
    if kind != "foreign" and found:
        texts.append(
            f"The table {TABLE} has version {version} of {ddl.VERSION}. Its owner brings it up to date by this module."
        )
    return texts


def _refuse(found: Sequence[Lack], result: dict[str, Any], why: str) -> None:
    if not found:
        return
    columns = ", ".join(result["missing"])
    mending = " ".join(f"{statement};" for lack in found for statement in lack.sql)
    raise InferenceError(
        f"The table {TABLE} lacks " + (f"the column {columns}" if columns else ", ".join(lack.what for lack in found)),
        why if columns else "; ".join(lack.why for lack in found),
        (f"Run this SQL: {mending}" if mending else "Mend it by hand.")
        + (" Or let this module do it with adopt: true." if result["layout"] == "foreign" else ""),
        {key: value for key, value in result.items() if key != "statements"},
    )


def _result(
    kind: str, version: int | None, found: Sequence[Lack], statements: Sequence[str], actions: list[str]
) -> dict[str, Any]:
    made = actions == ["create"]
    return {
        "changed": bool(actions),
        "layout": "superset" if made else kind,
        "version": ddl.VERSION if made else version,
        "latest_version": ddl.VERSION,
        "usable": (made or kind != "none") and not any(lack.needed for lack in found),
        "missing": [lack.column for lack in found if lack.needed and lack.column],
        "lacks": [lack.as_dict() for lack in found],
        "sql": [f"{statement};" for lack in found if lack.needed for statement in lack.sql],
        "actions": actions,
        "diff": {"before": "", "after": "".join(f"{statement};\n" for statement in statements)},
        "statements": list(statements),
        "warnings": [],
    }
