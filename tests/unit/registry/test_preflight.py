# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a table lacks, and what is done about it: create, upgrade, adopt, warn or refuse."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry import ddl
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.facts import Column, Facts, Organization
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import Layout, journal_of
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.preflight import lacks
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.schema import decide

MARK = "ai_aas.inference schema version {}"
UNIQUE = frozenset({("deployment_environment", "model_name")})
WHOLE = {
    name: Column("NOT NULL" in definition or "PRIMARY" in definition, "DEFAULT" in definition)
    for name, definition in ddl.DEFINITIONS.items()
}


def facts(comment: str = MARK.format(ddl.VERSION), without: tuple[str, ...] = (), **known: Any) -> Facts:
    columns = {name: column for name, column in WHOLE.items() if name not in without}
    given = {"columns": columns, "unique": UNIQUE, "owned": True, "missing_rights": (), **known}
    return Facts(Layout("public", tuple(given["columns"]), "trigger", comment), role="r", table="public.t", **given)


@pytest.mark.parametrize(
    ("recorded", "may_record", "may_create", "journal"),
    [
        (True, None, False, "trigger"),
        (True, True, True, "trigger"),
        (False, True, False, "module"),
        (False, False, True, "unavailable"),
        (False, None, True, "create"),
        (False, None, False, "unavailable"),
    ],
)
def test_who_writes_the_history(recorded: bool, may_record: bool | None, may_create: bool, journal: str) -> None:
    assert journal_of(recorded, may_record, may_create) == journal


@pytest.mark.parametrize(
    ("comment", "kind", "version"),
    [
        ("", "foreign", None),
        ("something else", "foreign", None),
        (MARK.format(1), "superset", 1),
        (MARK.format(12), "superset", 12),
        (f"ours; {MARK.format(2)} (adopted)", "adopted", 2),
    ],
)
def test_kind_of_a_table(comment: str, kind: str, version: int | None) -> None:
    assert ddl.version_of(comment) == (kind, version)


@pytest.mark.parametrize(
    ("comment", "adopted", "marked"),
    [
        ("", False, MARK.format(ddl.VERSION)),
        (MARK.format(1), False, MARK.format(ddl.VERSION)),
        ("it's ours", True, f"it''s ours; {MARK.format(ddl.VERSION)} (adopted)"),
        (f"ours; {MARK.format(1)} (adopted)", True, f"ours; {MARK.format(ddl.VERSION)} (adopted)"),
    ],
)
def test_mark_keeps_what_else_the_comment_says(comment: str, adopted: bool, marked: str) -> None:
    assert ddl.mark(comment, adopted=adopted) == f"COMMENT ON TABLE model_registry_entries IS '{marked}'"


ORGANIZATION = Organization("public.organizations", "organization_id", "'0'::uuid", ("name",))


@pytest.mark.parametrize(
    ("found", "what", "needed"),
    [
        (facts(), [], []),
        (facts(MARK.format(1)), ["version 3"], []),
        (facts(""), ["triggers"], []),
        (facts(without=("deployment_status",)), ["column deployment_status"], ["column deployment_status"]),
        (facts(without=("id",)), ["column id"], []),
        (facts(columns={**WHOLE, "tier": Column(True, False)}), ["default of column tier"], ["default of column tier"]),
        (facts(columns={**WHOLE, "tier": Column(True, True)}), [], []),
        (
            facts(columns={**WHOLE, "deployment_target": Column(True, False)}),
            ["default of column deployment_target"],
            [],
        ),
        (facts(columns={**WHOLE, "deployment_namespace": Column(False, False)}), ["a namespace in every row"], []),
        (facts(unique=frozenset()), ["a unique constraint"], []),
        (
            facts(unique=frozenset(), duplicates=("a in staging",)),
            ["one row for each model and environment", "a unique constraint"],
            ["one row for each model and environment"],
        ),
        (facts(missing_rights=("INSERT",)), ["right INSERT of role r"], ["right INSERT of role r"]),
        (
            facts(missing_organization=ORGANIZATION),
            ["the default organisation in public.organizations"],
            ["the default organisation in public.organizations"],
        ),
    ],
)
def test_what_is_missing(found: Facts, what: list[str], needed: list[str]) -> None:
    missing = lacks(found)
    assert [lack.what for lack in missing] == what
    assert [lack.what for lack in missing if lack.needed] == needed
    assert all(lack.sql or lack.manual for lack in missing)


@pytest.mark.parametrize(
    ("found", "adopt", "actions", "layout"),
    [
        (None, False, ["create"], "superset"),
        (facts(), False, [], "superset"),
        (facts(), True, [], "superset"),
        (facts(MARK.format(1)), False, ["upgrade"], "superset"),
        (facts(MARK.format(1), owned=False), False, [], "superset"),
        (facts(MARK.format(1) + " (adopted)"), False, ["upgrade"], "adopted"),
        (facts(""), False, [], "foreign"),
        (facts(""), True, ["adopt"], "adopted"),
        (facts("", without=("deployment_status",)), True, ["adopt"], "adopted"),
        (facts(MARK.format(99)), False, [], "superset"),
    ],
)
def test_what_is_done(found: Facts | None, adopt: bool, actions: list[str], layout: str) -> None:
    result = decide(found, present=True, adopt=adopt)
    assert (result["actions"], result["layout"], result["changed"]) == (actions, layout, bool(actions))
    assert bool(result["statements"]) is bool(actions)
    looked = decide(found, present=False, adopt=adopt)
    assert (looked["changed"], looked["statements"]) == (False, [])


@pytest.mark.parametrize(
    ("found", "adopt", "message"),
    [
        (
            facts("", without=("deployment_status",)),
            False,
            "lacks the column deployment_status: the collection did not",
        ),
        (facts("", missing_rights=("INSERT",), owned=False), False, "lacks right INSERT of role r"),
        (facts(unique=frozenset(), duplicates=("a in staging",)), False, "a model has several rows: a in staging"),
        (facts("", unique=frozenset(), duplicates=("a in staging",)), True, "Mend it by hand"),
    ],
)
def test_what_is_refused(found: Facts, adopt: bool, message: str) -> None:
    with pytest.raises(InferenceError) as caught:
        decide(found, present=True, adopt=adopt)
    assert message in caught.value.message
    assert caught.value.result["usable"] is False
