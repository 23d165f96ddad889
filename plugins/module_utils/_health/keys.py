# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys that model servers want: one for all, or one Secret in each namespace. Never part of a message."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._health.workers import Once, Workers

Headers = dict[str, str]


def check_key(key: str) -> None:
    """Refuse a key that no header can hold.

    Raises:
        InvalidInputError: never repeats it.
    """
    if not key.isascii() or not key.isprintable():
        raise InvalidInputError("Invalid api_key", "it holds characters that no header can hold", "Correct it.")


class OneKey:
    """The same key everywhere, or none."""

    def __init__(self, key: str | None) -> None:
        if key:
            check_key(key)
        self.given = {"Authorization": f"Bearer {key}"} if key else {}

    async def headers(self, _namespace: str) -> Headers:
        return self.given


class KeyOfEachNamespace:
    """A key from a Secret of each namespace, read once in a sweep.

    Args:
        read: gives the key of a namespace; blocks.
        workers: threads in which it is read.
        secrets: learns each key, so that it is masked.
    """

    def __init__(self, read: Callable[[str], str], workers: Workers, secrets: set[str]) -> None:
        self.read, self.secrets = read, secrets
        self.known = Once(workers, self.headers_of)

    async def headers(self, namespace: str) -> Headers:
        """The headers for a server in this namespace.

        Raises:
            InferenceError: the Secret is not there, or may not be read.
        """
        return await self.known.get(namespace)

    def headers_of(self, namespace: str) -> Headers:
        if not namespace:
            raise InferenceError("Cannot read api_key_secret", "the entry has no namespace", "Give the entry one.")
        key = self.read(namespace)
        self.secrets.add(key)
        check_key(key)
        return {"Authorization": f"Bearer {key}"}
