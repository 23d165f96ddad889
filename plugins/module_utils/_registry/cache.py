# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The router's cache in Redis or Valkey: the key of an entry is dropped when the entry has changed.

One DEL needs three lines of Redis's protocol. Importing a client library takes 0.37 s, which is as long as
a whole task, so it is spoken here.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

# How long the router keeps a route that nobody drops.
TTL_MINUTES = 2

_DEFAULT_PORT = 6379
# What redis-py takes for a no.
_NO = ("0", "f", "false", "n", "no")
# Commands that are sent before their answers are read: few enough that neither side has to wait for the other.
_PIPELINE = 500
# A route takes some hundred bytes.
_MAX_VALUE = 1024 * 1024


class CacheError(Exception):
    """The cache could not be reached, or refused; the text holds no secret."""


@dataclass(frozen=True)
class Cache:
    """Where the cache is."""

    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    database: int = 0
    tls: Mapping[str, str] | None = None
    timeout: float = 5.0

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


def cache_from(url: str, timeout: float) -> Cache:
    """Read redis[s]://[user[:password]@]host[:port][/database], with redis-py's ssl_ parameters.

    Raises:
        InvalidInputError: it cannot be read. Never repeats it.
    """
    try:
        return _parsed(url, timeout)
    except ValueError:
        raise InvalidInputError(
            "Invalid redis_url",
            "it is no address of a cache",
            "Write redis://user:password@host:6379/0, or rediss:// for TLS, "
            "with the characters @ : / ? # % of user and password percent-encoded.",
        ) from None


def _parsed(url: str, timeout: float) -> Cache:
    """The parts of an address. A ValueError means that it has none."""
    url.encode()
    parts = urlsplit(url)
    port = _DEFAULT_PORT if parts.port is None else parts.port
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or not port:
        raise ValueError
    # As the socket will do.
    parts.hostname.encode("idna")
    if not parts.hostname.isprintable():
        raise ValueError
    tls = {name: values[-1] for name, values in parse_qs(parts.query).items()} if parts.scheme == "rediss" else None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Cache(parts.hostname, port, user, password, int(parts.path.strip("/") or 0), tls, timeout)


def key_of(environment: str, model_name: str) -> str:
    """The key under which the router keeps an entry."""
    return f"model_registry:{environment}:{model_name}"


def drop(cache: Cache, places: Sequence[tuple[str, str]]) -> None:
    """Delete the keys of entries, each named by its environment and its model.

    Raises:
        CacheError: says why in a few words.
    """
    delete(cache, [key_of(*place) for place in places])


def delete(cache: Cache, keys: Sequence[str]) -> None:
    """Delete keys, whether they are there or not.

    Raises:
        CacheError: says why in a few words.
    """
    # One key a command, since a cluster refuses keys of several slots in one.
    _converse(cache, [["DEL", key] for key in keys])


def read(cache: Cache, keys: Sequence[str]) -> list[str | None]:
    """What the cache holds under each of the keys, as text, or None.

    Raises:
        CacheError: says why in a few words.
    """
    answers = _converse(cache, [["GET", key] for key in keys])
    return [None if answer is None else answer.decode(errors="replace") for answer in answers]


def _converse(cache: Cache, asked: Sequence[list[str]]) -> list[bytes | None]:
    """Send commands, and return what each of them was answered."""
    commands: list[list[str]] = []
    if cache.password:
        commands.append(["AUTH", *([cache.username] if cache.username else []), cache.password])
    if cache.database:
        commands.append(["SELECT", str(cache.database)])
    answers: list[bytes | None] = []
    greeting, commands = len(commands), [*commands, *asked]
    try:
        with _connected(cache) as connection, connection.makefile("rb") as replies:
            for start in range(0, len(commands), _PIPELINE):
                some = commands[start : start + _PIPELINE]
                connection.sendall(b"".join(encoded(command) for command in some))
                answers += [_answer(command[0], replies) for command in some]
        return answers[greeting:]
    except TimeoutError:
        raise CacheError("timeout") from None
    except OSError as error:
        raise CacheError(error.strerror or type(error).__name__) from None
    except ValueError:
        # Of a certificate's path or content.
        raise CacheError("its options cannot be used") from None


def stale(cache: Cache, error: CacheError) -> str:
    """The warning about a cache that could not be cleared."""
    return (
        f"The registry is as wanted, but the router's cache at {cache.target} could not be cleared ({error}). "
        f"Routers may use an old route for up to {TTL_MINUTES} minutes."
    )


def encoded(command: list[str]) -> bytes:
    """A command in Redis's protocol: each word with its length, so no value can break out of its place."""
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def _answer(command: str, replies: BinaryIO) -> bytes | None:
    """Read one reply: a line, a text of some length, or nothing."""
    reply = replies.readline(1024)
    if not reply.endswith(b"\n"):
        raise CacheError(f"no answer to {command}")
    if reply[:1] == b"$":
        return _text(command, reply[1:].strip(), replies)
    if reply[:1] not in (b"+", b":"):
        # The first word is the kind of the error: WRONGPASS, NOAUTH, NOPERM, READONLY, MOVED …
        kind = reply[1:].split()[0].decode("ascii", "replace") if reply[1:].split() else "no reason"
        raise CacheError(f"{command} was refused: {kind}")
    return reply[1:].strip()


def _text(command: str, length: bytes, replies: BinaryIO) -> bytes | None:
    """Read a text whose length is known. Of a missing one it is -1."""
    if length == b"-1":
        return None
    if not length.isdigit() or int(length) > _MAX_VALUE:
        raise CacheError(f"the answer to {command} cannot be read")
    # With the end of its line.
    size = int(length) + 2
    text = replies.read(size)
    if len(text) < size:
        raise CacheError(f"no answer to {command}")
    return text[:-2]


def _connected(cache: Cache) -> socket.socket:
    connection = socket.create_connection((cache.host, cache.port), timeout=cache.timeout)
    if cache.tls is None:
        return connection
    import ssl

    try:
        context = ssl.create_default_context(cafile=cache.tls.get("ssl_ca_certs"))
        if cache.tls.get("ssl_certfile"):
            context.load_cert_chain(cache.tls["ssl_certfile"], cache.tls.get("ssl_keyfile"))
        context.check_hostname = cache.tls.get("ssl_check_hostname", "").lower() not in _NO
        if cache.tls.get("ssl_cert_reqs") == "none":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(connection, server_hostname=cache.host)
    except BaseException:
        connection.close()
        raise
