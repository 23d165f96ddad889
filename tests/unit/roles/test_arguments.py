# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's defaults and its argument specs are one contract."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).parents[3] / "roles").iterdir() if path.is_dir())
SECRET = ("_api_key", "_database_url", "_notifications", "_redis_url", "_secrets")
Options = dict[str, dict[str, Any]]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.exists() else {}


def specs(role: Path) -> dict[str, Any]:
    found: dict[str, Any] = load(role / "meta" / "argument_specs.yml")["argument_specs"]
    return found


def options(role: Path) -> Options:
    """The options of all entry points together."""
    return {name: option for spec in specs(role).values() for name, option in spec["options"].items()}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
class TestRole:
    def test_each_entry_point_is_a_tasks_file(self, role: Path) -> None:
        assert {path.stem for path in (role / "tasks").glob("*.yml")} >= specs(role).keys()

    def test_each_option_has_a_default_or_is_optional(self, role: Path) -> None:
        """Required ones too: their defaults come from the inventory's variables."""
        without = options(role).keys() - load(role / "defaults" / "main.yml").keys()
        assert not {name for name in without if options(role)[name].get("required") or "default" in options(role)[name]}

    def test_an_option_without_a_default_is_never_read_bare(self, role: Path) -> None:
        texts = "".join(path.read_text() for folder in ("tasks", "vars") for path in (role / folder).glob("*.yml"))
        for name in options(role).keys() - load(role / "defaults" / "main.yml").keys():
            assert len(re.findall(rf"\b{name}\b", texts)) == len(re.findall(rf"\b{name} \| default\(", texts)), name

    def test_each_default_is_an_option(self, role: Path) -> None:
        assert load(role / "defaults" / "main.yml").keys() <= options(role).keys()

    def test_defaults_that_the_documents_name_are_those_that_are_set(self, role: Path) -> None:
        named = {name: option["default"] for name, option in options(role).items() if "default" in option}
        assert named == {name: load(role / "defaults" / "main.yml")[name] for name in named}

    def test_an_option_is_the_same_at_each_entry_point(self, role: Path) -> None:
        for spec in specs(role).values():
            assert spec["options"].items() <= options(role).items()

    def test_each_option_is_documented_and_begins_with_the_role(self, role: Path) -> None:
        for name, option in options(role).items():
            assert name.startswith(f"{role.name}_")
            assert option["description"].strip().endswith(".")

    def test_what_holds_a_secret_is_marked(self, role: Path) -> None:
        for name, option in options(role).items():
            assert option.get("no_log", False) == name.endswith(SECRET), name
