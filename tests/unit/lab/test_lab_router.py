# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The router's pure parts, and its gate."""

from __future__ import annotations

import threading

import pytest

from tests.lab.router import model_of, split_path
from tests.lab.routes import Gate, RouteError


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/completions", ("development", "/v1/completions")),
        ("/v1/chat/completions", ("development", "/v1/chat/completions")),
        ("/development/v1/completions", ("development", "/v1/completions")),
        ("/staging/v1/completions", ("staging", "/v1/completions")),
        ("/production/v1/chat/completions?x=1", ("production", "/v1/chat/completions")),
    ],
)
def test_paths(path: str, expected: tuple[str, str]) -> None:
    assert split_path(path) == expected


@pytest.mark.parametrize("path", ["/", "/v1/models", "/qa/v1/completions", "/staging/staging/v1/completions"])
def test_other_paths_are_not_found(path: str) -> None:
    with pytest.raises(RouteError) as caught:
        split_path(path)
    assert caught.value.status == 404


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"model": ""}', b'{"model": 1}', b"\xff", b"1"])
def test_a_body_without_a_model_is_refused(body: bytes) -> None:
    with pytest.raises(RouteError) as caught:
        model_of(body)
    assert caught.value.status == 400


def test_the_gate_holds_until_it_is_released() -> None:
    gate = Gate()
    gate.passing(0)
    gate.hold()
    passed = threading.Event()

    def pass_through() -> None:
        gate.passing(30)
        passed.set()

    thread = threading.Thread(target=pass_through)
    thread.start()
    assert not passed.wait(0.05)
    assert gate.waiting() == 1
    gate.release()
    assert passed.wait(10)
    thread.join()
    assert gate.waiting() == 0
