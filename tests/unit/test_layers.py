# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports go downwards only: modules and plugins read parameters and call utilities, which know nothing of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
OURS = "ansible_collections.ai_aas.inference.plugins"
UTILITIES = f"{OURS}.module_utils"
PLUGIN_UTILITIES = f"{OURS}.plugin_utils"
# Programs of other layers: SQL, HTTP, Kubernetes, caches, processes.
EDGES = {
    *("aiohttp", "asyncio", "http", "httpx", "kubernetes", "psycopg", "psycopg2", "redis", "requests", "socket"),
    *("sqlite3", "ssl", "subprocess", "urllib", "urllib3", "valkey", "websocket"),
}
SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|GRANT)\b")
ENDINGS = {"exit_json", "fail_json"}


def files(folder: str) -> list[Path]:
    return sorted((PLUGINS / folder).rglob("*.py"))


def on_the_controller() -> list[Path]:
    """The plugins that read the registry or its values, and what they share."""
    return [path for folder in ("filter", "inventory", "lookup", "plugin_utils", "test") for path in files(folder)]


def name_of(path: Path) -> str:
    return str(path.relative_to(PLUGINS))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever it does so, as `package.module` or `package.module.name`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: Ansible needs whole names"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", files("modules"), ids=name_of)
def test_a_module_knows_the_frame_and_utilities_alone(path: Path) -> None:
    for name in imports(path):
        assert name.split(".")[0] not in EDGES, f"{name} belongs into a utility"
        assert not name.startswith(OURS) or name.startswith(f"{UTILITIES}._"), name
        assert not name.startswith("ansible.") or name.startswith("ansible.module_utils."), name


@pytest.mark.parametrize("path", on_the_controller(), ids=name_of)
def test_a_plugin_knows_ansible_and_utilities_alone(path: Path) -> None:
    own = (f"{UTILITIES}._", f"{PLUGIN_UTILITIES}.")
    for name in imports(path):
        assert name.split(".")[0] not in EDGES, f"{name} belongs into a utility"
        assert not name.startswith(OURS) or name.startswith(own), name


@pytest.mark.parametrize("path", files("modules") + on_the_controller(), ids=name_of)
def test_a_module_or_plugin_holds_no_sql(path: Path) -> None:
    """Its code does not; its documentation names the rights that it needs."""
    tree = ast.parse(path.read_text())
    code = [node for node in tree.body if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant))]
    texts = [part.value for node in code for part in ast.walk(node) if isinstance(part, ast.Constant)]
    assert not [text for text in texts if isinstance(text, str) and SQL.search(text)]


@pytest.mark.parametrize("path", files("module_utils"), ids=name_of)
def test_a_utility_knows_neither_modules_nor_other_plugins(path: Path) -> None:
    for name in imports(path):
        assert not name.startswith(OURS) or name.startswith(f"{UTILITIES}."), name
        assert not name.startswith("ansible.") or name.startswith("ansible.module_utils."), name


@pytest.mark.parametrize("path", files("module_utils/_registry") + files("module_utils/_vllm"), ids=name_of)
def test_packages_of_utilities_do_not_know_each_other(path: Path) -> None:
    own = f"{UTILITIES}.{path.relative_to(PLUGINS / 'module_utils').parts[0]}."
    ours = [name for name in imports(path) if name.startswith(UTILITIES)]
    assert all(name.startswith((own, f"{UTILITIES}._errors.", own.rstrip("."))) for name in ours), ours


@pytest.mark.parametrize("path", files("modules") + files("module_utils"), ids=name_of)
def test_only_the_frame_ends_a_module(path: Path) -> None:
    called = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert path.name == "_module.py" or not called & ENDINGS
