# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of the cache, and what is said to it."""

from __future__ import annotations

import socket
import threading

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.cache import (
    Cache,
    CacheError,
    cache_from,
    delete,
    encoded,
    key_of,
    read,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h", Cache("h", 6379)),
        ("redis://h:1234/7", Cache("h", 1234, database=7)),
        ("redis://:p%40ss@h", Cache("h", 6379, password="p@ss")),
        ("redis://u:p%2F%25@h:1/", Cache("h", 1, "u", "p/%")),
        ("redis://[::1]:6380/0", Cache("::1", 6380)),
        ("rediss://h?ssl_cert_reqs=none", Cache("h", 6379, tls={"ssl_cert_reqs": "none"})),
        ("rediss://h", Cache("h", 6379, tls={})),
    ],
)
def test_address(url: str, expected: Cache) -> None:
    assert cache_from(url, 5.0) == expected
    assert "p@ss" not in repr(cache_from(url, 5.0))


@pytest.mark.parametrize(
    "url", ["s3cret", "http://h", "redis://", "redis://h:s3cret", "redis://h/s3cret", "redis://h:0"]
)
def test_address_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInputError, match="Invalid redis_url") as caught:
        cache_from(url, 5.0)
    assert "s3cret" not in caught.value.message


def test_command() -> None:
    assert encoded(["DEL", "ü"]) == b"*2\r\n$3\r\nDEL\r\n$2\r\n\xc3\xbc\r\n"
    assert key_of("staging", "a:b") == "model_registry:staging:a:b"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_no_word_breaks_out_of_its_place(words: list[str]) -> None:
    data = encoded(words)
    head, _unused, rest = data.partition(b"\r\n")
    assert head == b"*%d" % len(words)
    for word in words:
        size, _unused, rest = rest.partition(b"\r\n")
        length = int(size[1:])
        assert rest[:length].decode() == word
        assert rest[length : length + 2] == b"\r\n"
        rest = rest[length + 2 :]
    assert rest == b""


def answer(reply: bytes) -> Cache:
    """A server that reads one request and answers with this, and then closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as peer:
            peer.recv(4096)
            peer.sendall(reply)

    threading.Thread(target=serve, daemon=True).start()
    return Cache("127.0.0.1", listener.getsockname()[1], password="s3cret", timeout=5)


def test_good_answers() -> None:
    delete(answer(b"+OK\r\n:0\r\n"), ["key"])


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"", "no answer to AUTH"),
        (b"+OK\r\n", "no answer to DEL"),
        (b"-WRONGPASS invalid username-password pair\r\n:1\r\n", "AUTH was refused: WRONGPASS"),
        (b"+OK\r\n-NOPERM no rights\r\n", "DEL was refused: NOPERM"),
        (b"+OK\r\n-MOVED 866 10.0.0.1:6379\r\n", "DEL was refused: MOVED"),
        (b"+OK\r\n-\r\n", "DEL was refused: no reason"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "AUTH was refused"),
    ],
)
def test_bad_answers(reply: bytes, why: str) -> None:
    with pytest.raises(CacheError, match=why):
        delete(answer(reply), ["key"])


def test_reading() -> None:
    cache = answer(b"+OK\r\n$4\r\na\r\nb\r\n$-1\r\n$0\r\n\r\n")
    assert read(cache, ["a", "b", "c"]) == ["a\r\nb", None, ""]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"+OK\r\n$9\r\nshort\r\n", "no answer to GET"),
        (b"+OK\r\n$x\r\n", "the answer to GET cannot be read"),
        (b"+OK\r\n$9999999\r\n", "the answer to GET cannot be read"),
        (b"+OK\r\n-NOPERM no rights\r\n", "GET was refused: NOPERM"),
    ],
)
def test_bad_answers_to_reading(reply: bytes, why: str) -> None:
    with pytest.raises(CacheError, match=why):
        read(answer(reply), ["key"])


def test_silence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cache = Cache("127.0.0.1", listener.getsockname()[1], timeout=0.05)
        with pytest.raises(CacheError, match="timeout"):
            delete(cache, ["key"])


def test_plain_server_where_tls_is_expected() -> None:
    plain = answer(b"-ERR\r\n")
    with pytest.raises(CacheError):
        delete(Cache(plain.host, plain.port, tls={}, timeout=5), ["key"])
