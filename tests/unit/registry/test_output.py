# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people see: the table of entries, the report on a schema, and no password."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.change import nearest
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Desired, Entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.listing import HEADINGS, entry_cells, lines
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.secrecy import guarded, passwords
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.table import plain_default


def test_table() -> None:
    entry = Entry("gpt-oss-20b", "staging", "a:1", "lab", "ready", id=42, last_health_check_at="2025-01-27T12:00:59.1Z")
    assert lines(HEADINGS, [entry_cells(entry), entry_cells(Entry("x", "production", model_id="0b1f"))]) == [
        "ID   | Model Name  | Endpoint | Status | Environment | Namespace | Last Health      | Updated",
        "42   | gpt-oss-20b | a:1      | ready  | staging     | lab       | 2025-01-27 12:00 |",
        "0b1f | x           |          |        | production  |           |                  |",
    ]


@pytest.mark.parametrize(
    ("default", "value"),
    [
        (None, None),
        ("0", "0"),
        ("'{}'::jsonb", "{}"),
        ("'self_hosted'::text", "self_hosted"),
        ("(0)::numeric", "0"),
        ("'it''s'::character varying(9)", "it's"),
        ("nextval('numbers'::regclass)", None),
        ("now()", None),
    ],
)
def test_default_of_a_column(default: str | None, value: str | None) -> None:
    assert plain_default(default) == value


def test_nearest_names() -> None:
    known = [("gpt-oss-20b", "development"), ("gpt-oss-20b", "production"), ("mixtral", "production")]
    asked = Desired("gpt-os-20b", "staging", "disabled")
    assert nearest(asked, known) == ["'gpt-oss-20b' in development", "'gpt-oss-20b' in production"]
    assert nearest(Desired("llama", "staging"), known) == []


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql://u:p%40ss@h/d", {"p%40ss", "p@ss"}),
        ("postgresql://u:plain@h/d", {"plain"}),
        ("postgresql://u:a@b/c:d@h/d", {"a@b/c:d"}),
        ("postgresql://h/d?user=u&password=p%25w&sslmode=require", {"p%25w", "p%w"}),
        ("host=h password=plain dbname=d", {"plain"}),
        (r"host=h password = 'it\'s \\ it' dbname=d", {r"it's \ it"}),
        ("postgresql://u@h/d", set()),
        ("nonsense", set()),
        ("http://[", set()),
        ("", set()),
        (None, set()),
    ],
)
def test_passwords_in_a_url(url: str | None, found: set[str]) -> None:
    for option in ("database_url", "redis_url"):
        # Besides them the same percent-encoded, as it may stand elsewhere.
        assert bool(passwords({option: url})) is bool(found)
        assert found <= passwords({option: url})


class Module:
    """What the guard uses of AnsibleModule."""

    def __init__(self, password: str) -> None:
        self.argument_spec = {"database_url": {"no_log": True}, "environment": {}}
        self.params = {"database_url": f"postgresql://u:{password}@h/d", "environment": "staging"}
        self.no_log_values = {self.params["database_url"]}


@pytest.mark.parametrize(
    ("password", "result", "masked"),
    [
        ("s3cret", {"entry": {"status": "ready"}}, True),
        ("ready", {"entry": {"status": "ready"}}, False),
        ("rea", {"entry": {"status": "ready"}}, False),
        ("1", {"timings": {"read": 0.0123}}, False),
        ("ready", {"entry": {"metadata": {"note": "ready"}}}, True),
        ("ready", {"warnings": ["ready"]}, True),
        ("update", {"actions": ["update:endpoint"]}, False),
    ],
)
def test_words_of_the_result_are_spared(password: str, result: dict[str, Any], masked: bool) -> None:
    module: Any = Module(password)
    spared = guarded(lambda _unused: result)(module)
    assert (password in module.no_log_values) is masked
    assert module.params["database_url"] in module.no_log_values
    assert spared["invocation"]["module_args"] == {
        "database_url": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER",
        "environment": "staging",
    }


def test_a_failure_is_guarded_too() -> None:
    module: Any = Module("s3cret")

    def fail(_unused: Any) -> dict[str, Any]:
        raise InferenceError("no", result={"layout": "foreign"})

    with pytest.raises(InferenceError) as caught:
        guarded(fail)(module)
    assert "s3cret" in module.no_log_values
    assert caught.value.result["layout"] == "foreign"
    assert "s3cret" not in str(caught.value.result["invocation"])
