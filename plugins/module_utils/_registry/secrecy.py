# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps passwords out of a module's output without spoiling the output.

Ansible masks the value of a `no_log` option wherever it occurs. That is too little for a connection string,
whose password stands alone elsewhere, and too much for a password that happens to be `ready` or `8000`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
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
SHORTEST_SECRET = 4


def guarded(action: Action) -> Action:
    """Wrap a module's action so that its passwords are masked, and its result is not."""

    @wraps(action)
    def run(module: AnsibleModule) -> dict[str, Any]:
        found = passwords(module.params)
        module.no_log_values.update(found)
        try:
            return _spared(module, action(module), _long_enough(found))
        except InferenceError as error:
            error.result = _spared(module, error.result, _long_enough(found))
            raise

    return run


def passwords(params: Mapping[str, Any]) -> set[str]:
    """The passwords among a module's parameters, as they stand there, decoded, and percent-encoded."""
    raw = {found for option in _URLS for found in _passwords_in(params.get(option) or "")}
    raw.add(params.get("login_password") or "")
    plain = raw | {_decoded(password) for password in raw}
    return (plain | {_encoded(password) for password in plain}) - {""}


def secrets_of(params: Mapping[str, Any]) -> list[str]:
    """The passwords that are hidden in free texts."""
    return _long_enough(passwords(params))


def hidden(value: Any, secrets: Sequence[str]) -> Any:
    """A value of JSON without passwords in its texts and keys. The longest goes first, since one may hold another."""
    if isinstance(value, Mapping):
        return {hidden(str(key), secrets): hidden(part, secrets) for key, part in value.items()}
    if isinstance(value, list):
        return [hidden(part, secrets) for part in value]
    if isinstance(value, str):
        for secret in sorted(secrets, key=len, reverse=True):
            value = value.replace(secret, "********")
    return value


def _long_enough(found: set[str]) -> list[str]:
    """A shorter one tells nothing where it stands among other letters, and would spoil every text."""
    return [password for password in found if len(password) >= SHORTEST_SECRET]


def _passwords_in(text: str) -> Iterator[str]:
    if len(text) > MAX_URL:
        # It is refused for its length, and not looked into.
        yield text
        return
    begin = re.search(r"\b\w+://[^:@/]*:", text)
    if begin and "@" in text[begin.end() :]:
        # Up to the first @, as libpq has it, and to the last one, so that a password that ought to have been encoded is
        # found whole.
        rest = text[begin.end() :]
        yield from (rest[: rest.index("@")], rest[: rest.rindex("@")])
    yield from _as_libpq_reads(text)
    if "password" not in text:
        return
    # As a parameter of a URL, or in a string of keywords, where it may stand in quotes.
    for found in re.finditer(r"password\s*=\s*(?:'((?:\\.|[^'\\])*)'|([^\s&']+))", text, re.DOTALL):
        yield re.sub(r"\\(.)", r"\1", found[1]) if found[2] is None else found[2]


def _as_libpq_reads(text: str) -> Iterator[str]:
    import psycopg2
    from psycopg2.extensions import parse_dsn

    try:
        parts = parse_dsn(text)
    except (psycopg2.Error, ValueError):
        return
    yield from (parts[name] for name in ("password", "sslpassword") if name in parts)


def _encoded(text: str) -> str:
    if re.fullmatch(r"[\w.~-]*", text, re.ASCII):
        return text
    from urllib.parse import quote

    return quote(text, safe="", errors="replace")


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)


def _spared(module: AnsibleModule, result: dict[str, Any], secrets: Sequence[str]) -> dict[str, Any]:
    """The result, with Ansible kept from masking words of it that only look like a password."""
    words = set(_words(result))
    module.no_log_values -= {secret for secret in module.no_log_values if any(secret in word for word in words)}
    spec = module.argument_spec
    arguments = {
        name: _MASK if value and spec.get(name, {}).get("no_log") else value for name, value in module.params.items()
    }
    # Ansible masks values, and not the keys of what users fill freely.
    arguments |= {name: _safe(arguments[name], secrets) for name in ("job", "metadata") if arguments.get(name)}
    return {**_safe_parts(result, secrets), "invocation": {"module_args": arguments}}


def _safe(value: Any, secrets: Sequence[str]) -> Any:
    try:
        return hidden(value, secrets)
    except RecursionError:
        # It was refused for its depth.
        return _MASK


def _safe_parts(value: Any, secrets: Sequence[str]) -> Any:
    """A result without passwords in the keys of metadata."""
    if isinstance(value, Mapping):
        return {
            key: _safe(part, secrets) if key == "metadata" else _safe_parts(part, secrets)
            for key, part in value.items()
        }
    return [_safe_parts(part, secrets) for part in value] if isinstance(value, list) else value


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
