# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile values: refused with the option and the rule, or stored verbatim. Never a traceback, never half a change.

Through the real AnsibleModule and a real PostgreSQL. What AnsibleModule itself cannot take never reaches the modules
and is left out: lone surrogates in plain texts (it encodes them for its log), an infinite number for a whole one, and
JSON that is deeper than its own reader goes.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg2
import pytest
from ansible.module_utils.common import warnings as ansible_warnings
from ansible_collections.ai_aas.inference.plugins.modules import (
    model_registry_entry,
    model_registry_info,
    model_registry_schema,
    model_registry_sync,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import ADMIN_PASSWORD, Registry, Server, in_process

Params = dict[str, Any]

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
# As in tests/unit/conftest.py: a fixed sample, or many new examples in a soak. Each one changes a real database.
sampled = settings(
    max_examples=int(os.environ.get("SOAK_EXAMPLES", "5000")) if SOAK else 60,
    derandomize=not SOAK,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
on_two_layouts = pytest.mark.parametrize("registry", ["superset", "foreign"], indirect=True)
on_one_layout = pytest.mark.parametrize("registry", ["superset"], indirect=True)

NEW = "demo.system.svc.cluster.local:8000"
DOMAIN = "svc.cluster.local"
LONG = 10_000_000
LONGEST_MESSAGE = 3000
DEEP = 2000
ANSIBLES_OWN = re.compile(
    r"argument '\w+' is of type |value of \w+ must be |Elements value for option |missing required arguments|"
    r"parameters are mutually exclusive|one of the following is required"
)
COLUMNS = {
    "model_name": "model_name",
    "endpoint": "deployment_endpoint",
    "namespace": "deployment_namespace",
    "revision": "revision",
    "organization_id": "organization_id::text",
    "cost_per_1k_tokens": "cost_per_1k_tokens",
    "metadata": "metadata::text",
}
NASTY = (
    "",
    " ",
    " demo",
    "demo\n",
    "'; DROP TABLE model_registry_entries; --",
    '"$1"; %s %(x)s %% {{ 7 * 7 }} $HOME \\',
    "\\u0000 \\x00 \\'",
    "a\0b",
    "\0",
    "\x1b[31m",
    "\u202edemo\u202c",
    "\u2066demo\u2069",
    "de\u200bmo\ufeff",
    "Qwen/Qwen3-32B:latest@main#1?x=%2F",
    "DEMO.",
    "e\u0301 \u00e9",
    "模型 🦙 \uff57\uff49\uff44\uff45",
    "bücher.example",
    "xn--bcher-kva.example",
    "ﬁ İ ß ǅ",
    "postgresql://u:p%40%3A%2F%25@h:5432/d",
    "[::1]:8000",
    "null",
    "NaN",
    "x" * 255,
    "🦙" * 255,
    "x" * 256,
    "x" * 70_000,
)
ENDPOINTS = (
    "demo.system.svc.cluster.local",
    "demo.system.svc.cluster.local:",
    "demo.system.svc.cluster.local:0",
    "demo.system.svc.cluster.local:1",
    "demo.system.svc.cluster.local:65535",
    "demo.system.svc.cluster.local:65536",
    "demo.system.svc.cluster.local:08000",
    "demo.system.svc.cluster.local:\uff18\uff10\uff10\uff10",
    "demo.system.svc.cluster.local:8000\n",
    "demo.system.svc.cluster.local.:8000",
    "Demo.system.svc.cluster.local:8000",
    "demo.system.svc.cluster.LOCAL:8000",
    "http://demo.system.svc.cluster.local:8000",
    "demo.system.svc.cluster.local:8000/v1",
    "u:p%40@demo.system.svc.cluster.local:8000",
    "bücher.system.svc.cluster.local:8000",
    "xn--bcher-kva.system.svc.cluster.local:8000",
    "127.0.0.1:8000",
    "[::1]:8000",
    f"{'a' * 63}.{'b' * 63}.{DOMAIN}:8000",
    f"{'a' * 64}.system.{DOMAIN}:8000",
)
# Those that a server could list.
NAMES = [name for name in NASTY if name.isprintable() and name.strip() == name and 0 < len(name) < 256]
FLOATS = (math.nan, math.inf, -math.inf, -0.0, 0, -1, 5e-324, 1e-9, 0.1, 1e10, 1e15, 1e23, 1e308, True, "1e400", "x")
WHOLE = (math.nan, 0, -1, 1, 2**31 - 1, 2**31, 2**63, 10**30, -(10**30), 1.5, 1e308, True, "0x1", "\u0661", " 1", "")

texts = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
# Where Ansible lets lone surrogates through.
raw_texts = texts | st.text() | st.sampled_from(("\ud800", "a\udfff", "\udc00\ud800"))
floats = st.sampled_from(FLOATS) | st.floats()
whole = st.sampled_from(WHOLE) | st.integers()
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | floats | raw_texts,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(raw_texts, parts, max_size=4),
    max_leaves=12,
)
json_objects = st.dictionaries(raw_texts, json_values, max_size=5)
uuids = st.uuids().map(str) | st.uuids().map(lambda found: str(found).upper()) | raw_texts


def entry_options(text: st.SearchStrategy[str]) -> dict[str, st.SearchStrategy[Any]]:
    return {
        "model_name": text,
        "endpoint": st.sampled_from(ENDPOINTS) | text,
        "namespace": st.sampled_from(("system", "System", "a.b", "1", "b" * 63)) | text,
        "revision": whole,
        "organization_id": uuids if text is raw_texts else uuids.filter(_encodable),
        "cost_per_1k_tokens": floats,
        "metadata": json_objects,
        "status": text,
        "deployment_target": text,
    }


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def some_of(options: Mapping[str, st.SearchStrategy[Any]], most: int = 2) -> st.SearchStrategy[Params]:
    """Values for one or a few of the options, so that not all of them are refused."""
    return st.sets(st.sampled_from(sorted(options)), min_size=1, max_size=most).flatmap(
        lambda names: st.fixed_dictionaries({name: options[name] for name in sorted(names)})
    )


@pytest.fixture(autouse=True)
def without_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)


def run(module: ModuleType, params: Params, told: Collection[str] = ()) -> Params:
    """The module's result. A failure must tell one of these, in one printable line that is not endless."""
    # In a process of its own a module has no warnings of earlier ones.
    ansible_warnings._global_warnings.clear()
    result = in_process(module, params)
    assert "exception" not in result
    if result.get("failed"):
        message = result["msg"]
        assert not re.search(r"Traceback|Unforeseen|SQLSTATE", message), message[:LONGEST_MESSAGE]
        if not ANSIBLES_OWN.search(message):
            assert message.isprintable(), repr(message[:LONGEST_MESSAGE])
            assert len(message) < LONGEST_MESSAGE, message[:300]
            # A secret of one letter is masked inside other words too.
            assert "****" in message or any(word in message for word in told), message
    return result


def emptied(registry: Registry) -> None:
    registry.execute("TRUNCATE model_registry_entries CASCADE")
    if registry.execute("SELECT to_regclass('model_registry_history')") != [(None,)]:
        registry.execute("TRUNCATE model_registry_history")


def exact(value: object) -> object:
    """JSON with its numbers as they are written, so that neither side is rounded."""
    text = value if isinstance(value, str) else json.dumps(value)
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def as_ansible_has_it(value: Any) -> Any:
    """What becomes of a value on its way to a module: a pair of surrogates becomes one character."""
    return json.loads(json.dumps(value))


def assert_stored(registry: Registry, wanted: Mapping[str, Any]) -> None:
    """Read by another client, the row and its history hold what was given."""
    name = wanted.get("model_name", "demo")
    columns = ", ".join(COLUMNS.values())
    statement = f"SELECT {columns} FROM model_registry_entries WHERE model_name = %s"  # noqa: S608
    (row,) = registry.execute(statement, name)
    (event,) = registry.execute(
        "SELECT model_name, environment, after::text FROM model_registry_history WHERE model_name = %s", name
    )
    after: Any = exact(event[2])
    assert event[:2] == (name, "development")
    for option, value in zip(COLUMNS, row, strict=True):
        kept = after[COLUMNS[option].partition("::")[0]]
        if option == "metadata":
            assert exact(value) == kept == exact(wanted.get(option) or {})
        elif option in ("model_name", "endpoint"):
            assert value == kept == wanted.get(option, NEW if option == "endpoint" else "demo")
        elif option == "namespace":
            assert value == kept == wanted.get("endpoint", NEW).split(".")[1]
        elif option == "organization_id" and option in wanted:
            assert value == kept == wanted[option].lower()
        elif option == "revision" and option in wanted:
            assert value == kept == int(wanted[option])
        elif option == "cost_per_1k_tokens" and option in wanted:
            assert value == kept
            assert abs(value - Decimal(str(float(wanted[option])))) <= Decimal("0.00005")


def assert_told(registry: Registry, provenance: Mapping[str, Any]) -> None:
    ((actor, reason, job),) = registry.execute("SELECT actor, reason, job::text FROM model_registry_history")
    assert provenance.get("actor") in ("", None, actor)
    assert reason == (provenance.get("reason") or None)
    assert (exact(job) if job else {}) == exact(provenance.get("job") or {})


def check_entry(registry: Registry, given: Params, provenance: Params) -> None:
    """One entry is refused and nothing is changed, or it is stored and a second run finds nothing to do."""
    emptied(registry)
    before = registry.versions()
    params = {
        "model_name": "demo",
        "environment": "development",
        "endpoint": NEW,
        "database_url": registry.url,
        **given,
        **provenance,
    }
    result = run(model_registry_entry, params, [*given, *provenance])
    if result.get("failed"):
        assert registry.versions() == before
        return
    assert_stored(registry, as_ansible_has_it(given))
    assert_told(registry, as_ansible_has_it(provenance))
    again = run(model_registry_entry, params, [*given, *provenance])
    assert (again.get("failed", False), again.get("changed")) == (False, False), again


@on_two_layouts
@given(some_of(entry_options(texts)))
@sampled
def test_entry(registry: Registry, values: Params) -> None:
    check_entry(registry, values, {})


@on_two_layouts
@given(some_of({"actor": texts, "reason": texts, "job": json_objects}))
@sampled
def test_provenance(registry: Registry, values: Params) -> None:
    check_entry(registry, {}, values)


@on_two_layouts
@given(st.lists(some_of(entry_options(raw_texts)), min_size=1, max_size=3), st.booleans())
@sampled
def test_entries_of_sync(
    registry: Registry, tmp_path_factory: pytest.TempPathFactory, rows: list[Params], in_file: bool
) -> None:
    declared = [{"model_name": f"demo-{number}", "endpoint": NEW, **row} for number, row in enumerate(rows)]
    fields = {name for row in rows for name in row} | {"stands in"}
    if in_file:
        path = tmp_path_factory.getbasetemp() / "entries.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in declared))
        check_sync(registry, {"entries_file": str(path)}, declared, fields)
    else:
        check_sync(registry, {"entries": declared}, declared, fields)


def check_sync(registry: Registry, source: Params, declared: list[Params], told: Collection[str]) -> None:
    emptied(registry)
    before = registry.versions()
    params = {"environment": "development", "database_url": registry.url, "_ansible_diff": True, **source}
    result = run(model_registry_sync, params, told)
    if result.get("failed"):
        assert registry.versions() == before
        return
    assert registry.count() == len(declared)
    for row in as_ansible_has_it(declared):
        assert_stored(registry, {name: value for name, value in row.items() if value is not None})
    assert run(model_registry_sync, params).get("changed") is False


@on_two_layouts
@pytest.mark.parametrize("in_file", [False, True])
def test_every_name_in_one_sync(registry: Registry, tmp_path: Path, in_file: bool) -> None:
    metadata = {"": None, "'; --": '"%s%%', "\\u0000": "\\u0000", "\u202e": "\x1b\n\t", "long": "x" * 1_000_000}
    declared = [{"model_name": name, "endpoint": NEW, "metadata": {**metadata, name: name}} for name in NAMES]
    path = tmp_path / "entries.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in declared))
    check_sync(registry, {"entries_file": str(path)} if in_file else {"entries": declared}, declared, [])
    assert registry.count() == len(NAMES)


@on_one_layout
@given(st.lists(st.binary(max_size=60) | raw_texts.map(lambda text: text.encode(errors="surrogatepass")), max_size=4))
@sampled
def test_lines_of_file(registry: Registry, tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.jsonl"
    path.write_bytes(b"\n".join(lines))
    params = {"environment": "development", "database_url": registry.url, "entries_file": str(path)}
    result = run(model_registry_sync, params, [str(path)])
    assert result.get("failed") or result["changed"] is False
    assert registry.count() == 0


@on_one_layout
@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('{"model_name": "a\\u0000b", "endpoint": "%s"}', "model_name: a\\x00b: It must not hold control characters"),
        ('{"model_name": "\\ud800", "endpoint": "%s"}', "model_name: \\ud800: It must not hold control characters"),
        ('{"model_name": "\u202edemo", "endpoint": "%s"}', "model_name: \\u202edemo: It must not hold"),
        ('{"model_name": "a", "endpoint": 5}', "endpoint must be a text"),
        ('{"model_name": "a", "revision": 1e400}', "revision must be a whole number"),
        ('{"model_name": "a", "revision": true}', "revision must be a whole number"),
        ('{"model_name": "a", "revision": 1.0}', "revision must be a whole number"),
        ('{"model_name": "a", "endpoint": "%s", "cost_per_1k_tokens": 1e400}', "cost_per_1k_tokens: inf: It must be"),
        ('{"model_name": "a", "endpoint": "%s", "cost_per_1k_tokens": NaN}', "cost_per_1k_tokens: nan: It must be"),
        ('{"model_name": "a", "endpoint": "%s", "metadata": {"a": 1e400}}', "metadata: It must be JSON"),
        ('{"model_name": "a", "endpoint": "%s", "metadata": {"\\u0000": 1}}', "metadata: It must not hold NUL"),
        ('{"model_name": "a", "endpoint": "%s", "metadata": {"a": "\\udfff"}}', "metadata: It must be JSON"),
        ('{"model_name": "a", "\u202e\\u0000": 1}', "There is no '\\u202e\\x00'"),
        ('{"model_name": "a", "status": "disabled"}', "status must be one of"),
        ('{"endpoint": "%s"}', "model_name is missing"),
        ('{"model_name": ""}', "model_name is missing"),
        ("[" * 100_000, "It must be one JSON object"),
        ('{"a":' * 100_000, "It must be one JSON object"),
        ("9" * 5000, "It must be one JSON object"),
        ("\ufeff{}", "It must be one JSON object"),
        ("'", "It must be one JSON object"),
        ("x" * LONG, "It must be one JSON object"),
    ],
)
def test_line_and_its_rule(registry: Registry, tmp_path: Path, line: str, rule: str) -> None:
    path = tmp_path / "entries.jsonl"
    path.write_text(f'{{"model_name": "first", "endpoint": "{NEW}"}}\n{line.replace("%s", NEW)}\n')
    params = {"environment": "development", "database_url": registry.url, "entries_file": str(path)}
    message = run(model_registry_sync, params, [f"line 2 of {path}"])["msg"]
    assert rule in message
    assert registry.versions() == []


@on_one_layout
@pytest.mark.parametrize("path", ["a\0b", "a\nb\u202e", "x" * 300, "x" * LONG, "", "/", "/nonexistent/'; --"])
def test_file_that_cannot_be_read(registry: Registry, path: str) -> None:
    params = {"environment": "development", "database_url": registry.url, "entries_file": path}
    assert run(model_registry_sync, params, ["entries_file"])["failed"]


HOST_RULE = f"Endpoint's host must be <service-name>.<namespace>.{DOMAIN}"
SERVICE_RULE = "Endpoint's service name must have 1 to 63 lower case letters, digits and hyphens"
ALONE_RULE = "Endpoint must be a host and a port alone, without path, credentials or spaces"
PORT_RULE = "Endpoint's port must be a number from 1 to 65535"
NAMESPACE_RULE = "Invalid namespace: {}: It must have 1 to 63 lower case letters, digits and hyphens"
HIDDEN_RULE = "It must not hold control characters or invisible ones"
JSON_RULE = "It must be JSON of moderate depth, without infinite numbers and lone surrogates"


def nested(depth: int, leaf: object = 1) -> Any:
    value = leaf
    for _unused in range(depth):
        value = {"a": value}
    return value


@on_one_layout
@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("endpoint", "", "Endpoint must not be empty"),
        ("endpoint", "demo.system.svc.cluster.local", "Endpoint must include port"),
        ("endpoint", "demo.system.svc.cluster.local:", "Endpoint must include port"),
        ("endpoint", "demo.system.svc.cluster.local:0", PORT_RULE),
        ("endpoint", "demo.system.svc.cluster.local:65536", PORT_RULE),
        ("endpoint", "demo.system.svc.cluster.local:08000", PORT_RULE),
        ("endpoint", "demo.system.svc.cluster.local:-1", PORT_RULE),
        ("endpoint", "demo.system.svc.cluster.local:\uff18\uff10", PORT_RULE),
        ("endpoint", "demo.system.svc.cluster.local:80:80", PORT_RULE),
        ("endpoint", "[::1]:8000", PORT_RULE),
        ("endpoint", "http://demo.system.svc.cluster.local:8000", "Endpoint must not have a scheme"),
        ("endpoint", "demo.system.svc.cluster.local:8000/v1", ALONE_RULE),
        ("endpoint", "u:p%40@demo.system.svc.cluster.local:8000", ALONE_RULE),
        ("endpoint", "demo.system.svc.cluster.local:8000\n", ALONE_RULE),
        ("endpoint", " demo.system.svc.cluster.local:8000", ALONE_RULE),
        ("endpoint", "demo.system.svc.cluster.local:8000#x", ALONE_RULE),
        ("endpoint", "demo.system.svc.cluster.local:8000?x=1", ALONE_RULE),
        ("endpoint", "demo.system.svc.cluster.local.:8000", HOST_RULE),
        ("endpoint", "demo.system.SVC.cluster.local:8000", HOST_RULE),
        ("endpoint", "127.0.0.1:8000", HOST_RULE),
        ("endpoint", "Demo.system.svc.cluster.local:8000", SERVICE_RULE),
        ("endpoint", "bücher.system.svc.cluster.local:8000", SERVICE_RULE),
        ("endpoint", "'; DROP.system.svc.cluster.local:8000".replace(" ", ""), SERVICE_RULE),
        ("endpoint", "\u202edemo.system.svc.cluster.local:8000", SERVICE_RULE),
        ("endpoint", "de\0mo.system.svc.cluster.local:8000", SERVICE_RULE),
        ("endpoint", f"{'a' * 64}.system.{DOMAIN}:8000", SERVICE_RULE),
        ("endpoint", f"demo.System.{DOMAIN}:8000", "Endpoint's namespace must have 1 to 63"),
        ("endpoint", "x" * LONG, "Endpoint must include port"),
        ("endpoint", f"{'x' * LONG}:8000", HOST_RULE),
        ("namespace", "System", NAMESPACE_RULE.format("System")),
        ("namespace", "system.", NAMESPACE_RULE.format("system.")),
        ("namespace", "sys\0tem", NAMESPACE_RULE.format("sys\\x00tem")),
        ("namespace", "x" * LONG, "…: It must have 1 to 63 lower case letters"),
        ("namespace", "other", "The endpoint lies in namespace 'system'"),
        ("model_name", "", "It must not be empty"),
        ("model_name", " demo", "It must not begin or end with a space"),
        ("model_name", "de\0mo", f"Invalid model_name: de\\x00mo: {HIDDEN_RULE}"),
        ("model_name", "\u202edemo", f"Invalid model_name: \\u202edemo: {HIDDEN_RULE}"),
        ("model_name", "de\u200bmo", HIDDEN_RULE),
        ("model_name", "demo\n", HIDDEN_RULE),
        ("model_name", "x" * 256, "It must have at most 255 characters, and has 256"),
        ("model_name", "x" * LONG, f"It must have at most 255 characters, and has {LONG}"),
        ("revision", 0, "It must lie between 1 and 2147483647"),
        ("revision", 2**31, "It must lie between 1 and 2147483647"),
        ("revision", -(10**30), "It must lie between 1 and 2147483647"),
        ("organization_id", "'; --", "It must be a UUID"),
        ("organization_id", "00000000-0000-0000-0000-00000000000\0", "It must be a UUID"),
        ("organization_id", "{00000000-0000-0000-0000-000000000000}", "It must be a UUID"),
        ("organization_id", "x" * LONG, "It must be a UUID"),
        ("cost_per_1k_tokens", math.nan, "It must be at least 0 and below 1000000"),
        ("cost_per_1k_tokens", math.inf, "It must be at least 0 and below 1000000"),
        ("cost_per_1k_tokens", -0.0001, "It must be at least 0 and below 1000000"),
        ("cost_per_1k_tokens", 1_000_000, "It must be at least 0 and below 1000000"),
        # It would be rounded to a million.
        ("cost_per_1k_tokens", 999_999.99996, "It must be at least 0 and below 1000000"),
        ("metadata", {"a\0": 1}, "It must not hold NUL characters"),
        ("metadata", {"a": ["\0"]}, "It must not hold NUL characters"),
        ("metadata", {"a": math.inf}, JSON_RULE),
        ("metadata", {"a": math.nan}, JSON_RULE),
        ("metadata", {"a": "\ud800"}, JSON_RULE),
        ("metadata", {"\udfff": "a"}, JSON_RULE),
        ("metadata", {"a": math.inf, "b": "x" * LONG}, JSON_RULE),
        ("actor", "a\0b", HIDDEN_RULE),
        ("actor", "\u202ea", HIDDEN_RULE),
        ("actor", "x" * 256, "It must have at most 255 characters, and has 256"),
        ("reason", "a\0b", HIDDEN_RULE),
        ("reason", "\x1b[31m", HIDDEN_RULE),
        ("reason", "x" * LONG, f"It must have at most 2000 characters, and has {LONG}"),
        ("job", {"a": "\0"}, "It must not hold NUL characters"),
        ("job", {"a": math.inf}, JSON_RULE),
        ("job", {"a": "\ud800"}, JSON_RULE),
        ("job", {"a": "x" * LONG}, "As JSON it must have at most 10000 characters"),
    ],
)
def test_value_and_its_rule(registry: Registry, option: str, value: object, rule: str) -> None:
    params = {"model_name": "demo", "environment": "development", "endpoint": NEW, "database_url": registry.url}
    message = run(model_registry_entry, {**params, option: value}, [f"Invalid {option}"])["msg"]
    assert rule in message, message
    assert registry.versions() == []


@on_two_layouts
@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[
            ("model_name", name)
            for name in NASTY
            if name.isprintable() and name.strip() == name and 0 < len(name) < 256
        ],
        ("endpoint", f"{'a' * 63}.{'b' * 63}.{DOMAIN}:65535"),
        ("endpoint", f"xn--bcher-kva.1.{DOMAIN}:1"),
        ("revision", 2**31 - 1),
        ("cost_per_1k_tokens", -0.0),
        ("cost_per_1k_tokens", 999_999.9999),
        ("cost_per_1k_tokens", 1e-9),
        ("metadata", {"": "", " ": None, "'; --": '"%s%%', "\\u0000": "\\u0000", "\u202e": "\x1b\n\t", "🦙": [[], {}]}),
        ("metadata", {"true": True, "one": 1, "One": 1.0, "text": "1", "negative": -0.0, "tiny": 5e-324}),
        ("metadata", {"large": 2**63, "larger": 10**4000}),
        # The database gives them back as whole numbers, which a float of Python does not equal.
        ("metadata", {"training_flops": 3.14e23}),
        ("metadata", {"a": 1e308}),
        ("metadata", {"a": "x" * LONG}),
        ("metadata", {"x" * 1_000_000: 1}),
        ("metadata", nested(90)),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_stored_verbatim(registry: Registry, option: str, value: object) -> None:
    check_entry(registry, {option: value}, {})


@on_one_layout
@pytest.mark.parametrize("leaf", [1, "\\u0000", "\0"])
@pytest.mark.parametrize("depth", [200, 300, 400])
@pytest.mark.parametrize("option", ["metadata", "job"])
def test_deep_json(registry: Registry, option: str, depth: int, leaf: object) -> None:
    """As deep as Ansible's own reader goes."""
    value = nested(depth, leaf)
    check_entry(
        registry, {"metadata": value} if option == "metadata" else {}, {"job": value} if option == "job" else {}
    )


@on_one_layout
@pytest.mark.parametrize("leaf", ["1", '"\\u0000"', '"\\\\u0000"'])
@pytest.mark.parametrize("depth", [300, 450, 700, 900, DEEP])
def test_deep_json_in_file(registry: Registry, tmp_path: Path, depth: int, leaf: str) -> None:
    metadata = '{"a":' * depth + leaf + "}" * depth
    path = tmp_path / "entries.jsonl"
    path.write_text(f'{{"model_name": "demo", "endpoint": "{NEW}", "metadata": {metadata}}}\n')
    params = {"environment": "development", "database_url": registry.url, "entries_file": str(path)}
    for diff in (False, True):
        before = registry.versions()
        # An object that is too deep is none.
        result = run(model_registry_sync, {**params, "_ansible_diff": diff}, ["metadata", "JSON object"])
        assert not result.get("failed") or registry.versions() == before


@on_one_layout
@given(
    some_of({"model_name": texts, "environment": texts, "status": texts, "stale_after": floats, "history_limit": whole})
)
@sampled
def test_info(registry: Registry, values: Params) -> None:
    run(model_registry_info, {"history": True, "database_url": registry.url, **values}, values)


MODULES: Mapping[ModuleType, Params] = {
    model_registry_entry: {"model_name": "demo", "environment": "development", "endpoint": NEW},
    model_registry_sync: {"environment": "development", "entries": []},
    model_registry_info: {},
    model_registry_schema: {},
}
every_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])


@on_one_layout
@pytest.mark.parametrize(
    ("module", "option", "value"),
    [
        *[
            (module, "connect_timeout", value)
            for module in (model_registry_entry, model_registry_info)
            for value in (-1, 2**31, 10**30, 1e308)
        ],
        *[
            (module, option, value)
            for module in MODULES
            for option, values in {
                "statement_timeout": (math.nan, math.inf, -math.inf, -1, 1e15, 1e308),
                "retry_timeout": (math.nan, math.inf, -1),
                "login_port": (0, -1, 65536, 10**30),
            }.items()
            for value in values
        ],
        *[(model_registry_entry, "cache_settle", value) for value in (math.nan, math.inf, -math.inf, -1, 1e10, 1e308)],
        *[(model_registry_sync, "cache_settle", value) for value in (math.nan, 1e10)],
        *[(model_registry_info, "stale_after", value) for value in (math.nan, math.inf, -math.inf, 1e11, 1e12, 1e308)],
        *[(model_registry_info, "history_limit", value) for value in (0, -1, 10_001, 2**63, 10**30)],
        *[(model_registry_sync, "max_removals", value) for value in (-1, -(10**30))],
    ],
)
def test_number_that_means_nothing(
    registry: Registry, valkey_url: str, module: ModuleType, option: str, value: object
) -> None:
    """Refused before anything is done: a pause of 300 years or a wait without end is no service to anybody."""
    registry.add("ready")
    before = registry.versions()
    params: Params = {"database_url": registry.url, **MODULES[module], option: value}
    if option == "login_port":
        params |= {"login_host": "127.0.0.1", "login_user": "postgres", "login_password": ADMIN_PASSWORD}
        params |= {"database_url": None, "login_db": registry.layout}
    if option == "history_limit":
        params["history"] = True
    # A finite pause would be made.
    if module is model_registry_entry and value != 1e10:
        params |= {"redis_url": valkey_url, "state": "disabled"}
    result = run(module, params, [option])
    assert result.get("failed"), result
    assert registry.versions() == before


@on_one_layout
@pytest.mark.parametrize(
    ("module", "option"),
    [
        (model_registry_entry, "revision"),
        (model_registry_info, "history_limit"),
        (model_registry_sync, "max_removals"),
        *[(module, option) for module in MODULES for option in ("connect_timeout", "login_port")],
    ],
)
def test_yes_for_a_whole_number(registry: Registry, module: ModuleType, option: str) -> None:
    """Ansible lets `yes` through as a whole number, and PostgreSQL takes none for one."""
    params: Params = {"database_url": registry.url, **MODULES[module], option: True}
    if option == "login_port":
        params |= {"database_url": None, "login_host": "127.0.0.1"}
    run(module, {**params, "history": True} if module is model_registry_info else params, [option, "127.0.0.1:1/"])


@on_one_layout
@pytest.mark.parametrize("seconds", [0.0004, 1e-9])
def test_short_timeout_is_not_none(registry: Registry, seconds: float) -> None:
    """Rounded to 0 ms, it would mean to PostgreSQL that there is no limit."""
    registry.add("ready")
    with contextlib.closing(psycopg2.connect(registry.url)) as holder, holder.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = '2s'")
        cursor.execute("SELECT FROM model_registry_entries FOR UPDATE")
        params = {**MODULES[model_registry_entry], "database_url": registry.url, "statement_timeout": seconds}
        result = run(model_registry_entry, {**params, "state": "disabled"}, ["statement_timeout"])
    assert result.get("failed"), "It waited until the other session was ended."


@on_one_layout
def test_no_limit_to_connect_reaches_the_cache(registry: Registry, valkey_url: str) -> None:
    """0 is libpq's word for no limit, and a socket's for not waiting at all."""
    params = {**MODULES[model_registry_entry], "database_url": registry.url, "redis_url": valkey_url}
    result = run(model_registry_entry, {**params, "connect_timeout": 0}, ["connect_timeout"])
    assert result.get("failed") or result["cache"] == "deleted", result


CONNECTIONS = {
    "login_host": st.sampled_from((*NASTY[4:], "127.0.0.1,127.0.0.1", "[::1]", "::1", "/", "@x", ","))
    | texts.map(lambda text: f"{text}.invalid"),
    "login_unix_socket": texts.map(lambda text: f"/nowhere/{text}"),
    "login_port": whole,
    "login_user": texts,
    "login_password": raw_texts.filter(lambda text: len(text) > 3),
    "login_db": texts,
    "ssl_mode": texts,
    "ca_cert": texts,
    "ssl_cert": texts,
    "ssl_key": texts,
    "connect_timeout": st.sampled_from((1, "1", 1.0, True, "x", "", 1.5)),
}


@on_one_layout
@every_module
@given(some_of(CONNECTIONS))
@sampled
def test_connection(server: Server, registry: Registry, module: ModuleType, values: Params) -> None:
    login = {
        "login_host": "127.0.0.1",
        "login_port": server.port,
        "login_user": "postgres",
        "login_password": ADMIN_PASSWORD,
        "login_db": registry.layout,
    }
    before = registry.versions()
    # A reader of certificates must not wait for one at a terminal.
    params = {"connect_timeout": 1, "retry_timeout": 0, **MODULES[module], **login, **values}
    result = run(module, {**params, "_ansible_check_mode": True}, ["Failed to connect", "has no table", *values])
    assert not result.get("failed") or registry.versions() == before


@on_one_layout
@pytest.mark.parametrize("option", ["login_host", "login_unix_socket", "login_user", "login_db", "login_password"])
@pytest.mark.parametrize("value", ["a\0b", "a\nb", "\u202ea", "x" * 5000, "x" * 200_000])
def test_connection_option_in_a_message(registry: Registry, option: str, value: str) -> None:
    login = {"login_host": "127.0.0.1", "login_port": registry.server.port, "connect_timeout": 1, option: value}
    message = run(model_registry_info, login, ["Failed to connect to database"])["msg"]
    assert "\0" not in value or option in message, message


@on_one_layout
@pytest.mark.parametrize("option", ["ca_cert", "ssl_cert", "ssl_key"])
def test_path_with_nul(registry: Registry, option: str) -> None:
    assert run(model_registry_info, {"database_url": registry.url, option: "a\0b"}, [option])["failed"]


URLS = (
    "postgresql://u:p%40%3A%2F%25@127.0.0.1:1/d",
    "postgresql://u:pass@127.0.0.1:0/d",
    "postgresql://u:pass@127.0.0.1:65536/d",
    "postgresql://u:pass@127.0.0.1:1,127.0.0.1:99999/d",
    "postgresql://u:pass@[::1/d",
    "postgresql://u:pass@[::1]:1/d",
    "postgresql://u:pass@h/%zz",
    "postgresql://u:pass@h/%00",
    "postgresql://u:pass@/d?host=a%0Ab%E2%80%AE.invalid",
    "postgresql://u:pass@127.0.0.1:1/d?nonsense=1",
    "postgresql://u:pass@127.0.0.1:1/d?sslmode=nonsense",
    "postgresql://u:pass@127.0.0.1:1/d?connect_timeout=x",
    "postgresql://u:pass@bücher.invalid/d",
    "http://127.0.0.1/",
    "service=nowhere",
    "host=127.0.0.1 port=1 dbname='a\nb'",
    "host='127.0.0.1",
)


@on_one_layout
@every_module
@given(st.sampled_from(URLS) | raw_texts | raw_texts.map(lambda text: f"postgresql://u:pass@127.0.0.1:1/{text}"))
@sampled
def test_database_url(registry: Registry, module: ModuleType, url: str) -> None:
    params = {"connect_timeout": 1, "retry_timeout": 0, **MODULES[module], "database_url": url}
    assert run(module, params, ["Failed to connect to database", "database_url"]).get("failed")


@on_one_layout
@pytest.mark.parametrize("port", ["0", "65536", "99999", "-1", "x", "127.0.0.1"])
def test_port_of_url(registry: Registry, port: str) -> None:
    url = f"postgresql://user:pass@127.0.0.1:{port}/db"
    message = run(model_registry_info, {"database_url": url}, ["database_url", "port"])["msg"]
    assert "no known cause" not in message


@on_one_layout
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP", "SJIS"])
def test_encoding_of_the_client(registry: Registry, encoding: str) -> None:
    """Whatever a connection string or PGCLIENTENCODING says, what is given is what is stored."""
    params = {**MODULES[model_registry_entry], "database_url": f"{registry.url}?client_encoding={encoding}"}
    given = {"model_name": "模型\\ 🦙", "metadata": {"é\\": "é🦙'\\"}}
    run(model_registry_entry, {**params, **given}, ["client_encoding"])
    if registry.count():
        assert_stored(registry, given)
    run(model_registry_info, {"database_url": params["database_url"], "history": True}, ["client_encoding"])


@on_one_layout
@pytest.mark.parametrize("length", [100_000, LONG])
def test_long_url_takes_no_longer_than_it_is(registry: Registry, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    """Looking for the password must not take time that grows with the square of the length: 1 MB took 20 minutes."""
    from ansible_collections.ai_aas.inference.plugins.module_utils._registry import secrecy

    # Seconds for the whole would be hours, so the pattern is tried on a text of which each start is a dead end.
    steps = _seconds(lambda: secrecy.passwords({"database_url": f"postgresql://u:p@h/{'d' * 2_000}"}))
    longer = _seconds(lambda: secrecy.passwords({"database_url": f"postgresql://u:p@h/{'d' * 16_000}"}))
    assert longer < max(40 * steps, 0.2), "the time grows with the square of the length"
    params = {"database_url": f"postgresql://u:pass@127.0.0.1:1/{'d' * length}", "connect_timeout": 1}
    assert run(model_registry_info, params, ["Failed to connect to database"])["failed"]


def _seconds(call: Callable[[], object]) -> float:
    import time

    start = time.process_time()
    call()
    return time.process_time() - start


CACHES = (
    "redis://",
    "redis://[",
    "redis://[::1",
    "redis://[::1]:1",
    "redis://127.0.0.1:0",
    "redis://127.0.0.1:65536",
    "redis://127.0.0.1:-1",
    "redis://127.0.0.1:1/-1",
    "redis://127.0.0.1:1/x",
    "redis://127.0.0.1:1/²",
    "redis://127.0.0.1:1/99999999999999999999",
    f"redis://127.0.0.1:1/{'1' * 5000}",
    "redis://a\nb.invalid:1",
    "redis://a\0b.invalid:1",
    "redis://\u202ea.invalid:1",
    "redis://bücher.invalid:1",
    f"redis://{'é' * 100}.invalid:1",
    f"redis://{'a' * 64}.invalid:1",
    "redis://a..invalid:1",
    "redis://.invalid:1",
    "redis://\u2100.invalid:1",
    "redis://u:pa%00ss@HERE/0",
    "redis://u:pa\ud800ss@HERE/0",
    "redis://u\r\nQUIT:pass@HERE/0",
    f"redis://:{'x' * 1_000_000}@HERE/0",
    "redis://:pa%ffss@HERE/0",
    "redis://HERE/16",
    "rediss://HERE/0?ssl_ca_certs=%00",
    "rediss://HERE/0?ssl_ca_certs=%ud800\ud800",
    "rediss://HERE/0?ssl_ca_certs=/nonexistent",
    "rediss://HERE/0?ssl_certfile=%00",
    "rediss://HERE/0?ssl_certfile=/dev/null&ssl_keyfile=%00",
    "http://127.0.0.1",
    "unix:///tmp/x",
    "\0",
)


def check_cache(registry: Registry, url: str) -> None:
    """The address is refused and nothing is changed, or the change is made and the result tells of the cache."""
    emptied(registry)
    registry.add("ready")
    before = registry.versions()
    params = {**MODULES[model_registry_entry], "database_url": registry.url, "connect_timeout": 1, "cache_settle": 0}
    result = run(model_registry_entry, {**params, "redis_url": url, "state": "disabled"}, ["redis_url"])
    if result.get("failed"):
        assert registry.versions() == before
        return
    assert registry.routed() is None
    if url:
        assert result["cache"] == "stale", result
        warnings = json.dumps(result["warnings"])
        assert "2 minutes" in warnings
        assert len(warnings) < LONGEST_MESSAGE


@on_one_layout
@pytest.mark.parametrize("url", CACHES, ids=lambda url: ascii(url)[:40])
def test_cache(registry: Registry, valkey_url: str, url: str) -> None:
    check_cache(registry, url.replace("HERE", valkey_url.split("/")[2]))


@on_one_layout
@given(
    raw_texts
    | raw_texts.map(lambda text: f"redis://{text}.invalid:1/0")
    | raw_texts.map(lambda text: f"redis://user:long{text}@127.0.0.1:1/0")
    | raw_texts.map(lambda text: f"rediss://127.0.0.1:1/{text}")
)
@sampled
def test_any_cache(registry: Registry, url: str) -> None:
    check_cache(registry, url)


@on_two_layouts
@pytest.mark.parametrize(
    "columns",
    [
        {"model_name": "dem\no\u202e"},
        {"model_name": "demo" + "x" * 20_000},
        {"deployment_endpoint": "a\nb\u202e"},
        {"deployment_endpoint": ""},
        {"cost_per_1k_tokens": "NaN"},
        {"last_health_check_at": "infinity"},
        {"last_health_check_at": "-infinity"},
        {"last_health_check_at": "4000-01-01 BC"},
        {"last_health_check_at": "20000-01-01"},
        {"created_at": "infinity"},
        {"metadata": "[1]"},
        {"metadata": "null"},
        {"metadata": '{"a":1e5000}'},
        {"metadata": '{"a":' * 3000 + "1" + "}" * 3000},
    ],
    ids=lambda columns: str(columns)[:45],
)
def test_row_of_another_tool(registry: Registry, columns: Params) -> None:
    """What the table can hold, the modules can list, disable and speak of. What Python cannot read is named."""
    registry.add("ready", **columns)
    row = [(columns.get("model_name", "demo"), "ready")]
    told = ["There is no entry for", "max_removals", *columns]
    where = {"environment": "development", "database_url": registry.url}
    every = "SELECT model_name, deployment_status FROM model_registry_entries"
    listed = run(model_registry_info, {"database_url": registry.url, "history": True}, columns)
    run(model_registry_info, {"database_url": registry.url, "stale_after": 5}, columns)
    run(model_registry_entry, {**where, "model_name": "demi", "state": "disabled"}, told)
    run(model_registry_sync, {**where, "entries": [], "prune": "delete", "max_removals": 0}, told)
    assert registry.execute(every) == row
    pruned = run(model_registry_sync, {**where, "entries": [], "prune": "disable"}, columns)
    assert pruned.get("failed") is listed.get("failed")
    assert registry.execute(every) == (row if pruned.get("failed") else [(row[0][0], "disabled")])
