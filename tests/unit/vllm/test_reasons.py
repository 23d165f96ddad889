# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of reasons is closed, used as a whole, and documented in both places where people look."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import reasons
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import not_ready
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import FAILS_AT_ONCE, OF_ROUTES, REASONS
from ansible_collections.ai_aas.inference.plugins.modules import vllm_ready

CHECKOUT = Path(__file__).resolve().parents[3]
SOURCES = [path for path in sorted((CHECKOUT / "plugins/module_utils/_vllm").glob("*.py")) if path.name != "reasons.py"]
GUIDE = (CHECKOUT / "docs" / "readiness.md").read_text()
OF_MODELS = {name: reason for name, reason in REASONS.items() if name not in OF_ROUTES}


def texts(node: ast.AST) -> Iterator[str]:
    """Every text that an expression may be."""
    yield from (each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str))


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def asked_for(path: Path) -> Iterator[str]:
    """The texts that are given to not_ready as a reason."""
    for node in nodes(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "not_ready":
            yield from texts(node.args[0])


def named(path: Path) -> Iterator[str]:
    """Besides, what begins a tuple, and what `reason` is set to: as in a table of causes."""
    yield from asked_for(path)
    for node in nodes(path):
        if isinstance(node, ast.Tuple) and node.elts:
            yield from texts(node.elts[0])
        if isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == "reason" for each in node.targets
        ):
            yield from texts(node.value)
        if isinstance(node, ast.keyword) and node.arg == "reason":
            yield from texts(node.value)


def test_the_guide_has_one_row_for_each_reason() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (\w+) \|$", GUIDE, re.MULTILINE)
    assert len(rows) == len(re.findall(r"^\| `", GUIDE, re.MULTILINE))
    assert sorted(rows) == sorted((name, each.meaning, each.severity) for name, each in OF_MODELS.items())


def test_the_guide_tells_of_the_reasons_of_routes() -> None:
    assert all(f"`{name}`" in GUIDE.partition("`model_route`")[2] for name in OF_ROUTES)


def test_the_module_lists_each_reason_once() -> None:
    described = " ".join(yaml.safe_load(vllm_ready.RETURN)["reason"]["description"])
    assert sorted(re.findall(r"C\((\w+)\)", described)) == sorted(OF_MODELS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.name))
def test_each_reason_that_is_given_exists(path: Path) -> None:
    assert set(asked_for(path)) <= set(REASONS)


def test_the_search_for_reasons_finds_some() -> None:
    assert {"quota", "admission_denied"} <= {name for path in SOURCES for name in named(path)}
    assert len({name for path in SOURCES for name in asked_for(path)}) > 20


def test_each_reason_is_used() -> None:
    assert set(REASONS) - {name for path in SOURCES for name in named(path)} == set()


def test_no_other_reason_can_be_given() -> None:
    with pytest.raises(KeyError):
        not_ready("bad_luck", "")


def test_the_reasons_are_written_alike() -> None:
    for name, reason in REASONS.items():
        assert re.fullmatch(r"[a-z][a-z_]+", name)
        assert reason.severity in (reasons.HEALS, reasons.SUSPECT, reasons.PERMANENT), name
        assert reason.meaning, name
        assert not reason.meaning.endswith("."), name
        assert not reason.remedy or reason.remedy.endswith("."), name
        assert reasons.remedy(name) == reason.remedy


def test_what_is_ready_needs_no_remedy() -> None:
    assert reasons.remedy(None) == ""


@pytest.mark.parametrize(("choice", "severities"), FAILS_AT_ONCE.items())
def test_each_choice_of_fail_fast_ends_more(choice: str, severities: tuple[str, ...]) -> None:
    order = ("never", "permanent", "suspect")
    assert choice in vllm_ready.ARGUMENTS["fail_fast"]["choices"]
    assert len(severities) == order.index(choice)
    assert reasons.HEALS not in severities
