# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps passwords out of a module's output without spoiling the output.

Ansible masks the value of a `no_log` option wherever it occurs. That is too little for a connection string,
whose password stands alone elsewhere, and too much for a password that happens to be `ready` or `8000`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.connection import MAX_URL

Action = Callable[[AnsibleModule], dict[str, Any]]

_URLS = ("database_url", "redis_url")
_MASK = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
# What users fill freely stays masked in any case.
_FREE = ("metadata", "warnings")


def guarded(action: Action) -> Action:
    """Wrap a module's action so that its passwords are masked, and its result is not."""

    @wraps(action)
    def run(module: AnsibleModule) -> dict[str, Any]:
        module.no_log_values.update(passwords(module.params))
        try:
            return _spared(module, action(module))
        except InferenceError as error:
            error.result = _spared(module, error.result)
            raise

    return run


def passwords(params: Mapping[str, Any]) -> set[str]:
    """The passwords inside connection strings, as they stand there and decoded."""
    raw = {found for option in _URLS for found in _passwords_in(params.get(option) or "")}
    return (raw | {_decoded(password) for password in raw}) - {""}


def hide(text: str, secrets: Iterable[str]) -> str:
    """A text without the passwords in it. The longest goes first, since one may hold another."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "********")
    return text


def _passwords_in(text: str) -> Iterator[str]:
    if len(text) > MAX_URL:
        # It is refused for its length, and not looked into.
        yield text
        return
    # Up to the last @, so that a password that ought to have been encoded is found whole.
    for found in re.finditer(r"://[^:@/?#]*:(.*)@", text, re.DOTALL):
        yield found[1]
    # As a parameter of a URL, or in a string of keywords, where it may stand in quotes.
    for found in re.finditer(r"password\s*=\s*(?:'((?:\\.|[^'\\])*)'|([^\s&']+))", text, re.DOTALL):
        yield re.sub(r"\\(.)", r"\1", found[1]) if found[2] is None else found[2]


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)


def _spared(module: AnsibleModule, result: dict[str, Any]) -> dict[str, Any]:
    """The result, with Ansible kept from masking words of it that only look like a password."""
    words = set(_words(result))
    module.no_log_values -= {secret for secret in module.no_log_values if any(secret in word for word in words)}
    spec = module.argument_spec
    arguments = {
        name: _MASK if value and spec.get(name, {}).get("no_log") else value for name, value in module.params.items()
    }
    return {**result, "invocation": {"module_args": arguments}}


def _words(value: object) -> Iterator[str]:
    """The texts and numbers of a result, apart from free text."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            if key not in _FREE:
                yield from _words(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _words(part)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
