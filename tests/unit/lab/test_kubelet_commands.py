# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs for a container, with which words, and where its ports are."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.kubelet.commands import (
    choose_program,
    image_name,
    is_reachable,
    is_vllm,
    own_port,
    place,
    substitute,
    vllm_arguments,
)

IMAGE = "vllm/vllm-openai:v0.32.0"
SCRIPT = "set -e; export X=1 && exec vllm serve $MODEL --port ${PORT:-8001} \\\n  --served-model-name 'a b' | tee log"


def which(name: str) -> str | None:
    return f"/bin/{name}" if name in ("sh", "curl", "true") else None


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"image": IMAGE}, True),
        ({"image": IMAGE, "args": ["org/m"]}, True),
        ({"image": "x", "command": ["vllm", "serve"]}, True),
        ({"image": "x", "command": ["/usr/bin/vllm"], "args": ["serve"]}, True),
        ({"image": "x", "command": ["python3", "-m", "vllm.entrypoints.openai.api_server"]}, True),
        ({"image": "x", "command": ["sh", "-c", "exec vllm serve m"]}, True),
        ({"image": "x", "command": ["sh", "-c"], "args": [SCRIPT]}, True),
        ({"image": IMAGE, "command": ["python3", "-c", "print()"]}, False),
        ({"image": "curl", "command": ["curl", "http://release-vllm-deployment:8000/health"]}, False),
        ({"image": "x", "command": ["sh", "-c", "curl http://a-vllm:8000"]}, False),
        ({"image": "vllm.example.com/nginx:1"}, False),
        ({"image": "nginx"}, False),
    ],
)
def test_which_containers_are_vllm(container: dict[str, Any], expected: bool) -> None:
    assert is_vllm(container) is expected


@pytest.mark.parametrize(
    ("image", "name"),
    [("nginx", "/nginx"), ("a/vllm:1", "a/vllm"), ("r.io:5000/a/b@sha256:0", "a/b"), ("localhost/x:1", "/x")],
)
def test_image_names(image: str, name: str) -> None:
    assert image_name(image) == name


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"image": IMAGE, "args": ["org/m", "--port", "9"]}, ["org/m", "--port", "9"]),
        ({"image": IMAGE, "args": ["--model=$(MODEL)", "--port=$(PORT)"]}, ["--model=org/m", "--port=9"]),
        ({"image": "x", "command": ["vllm", "serve"], "args": ["m"]}, ["m"]),
        (
            {"image": "x", "command": ["python3", "-m", "vllm.entrypoints.openai.api_server", "--model", "m"]},
            ["--model", "m"],
        ),
        ({"image": "x", "command": ["sh", "-c", SCRIPT]}, ["org/m", "--port", "9", "--served-model-name", "a b"]),
    ],
)
def test_arguments_of_vllm(container: dict[str, Any], expected: list[str]) -> None:
    assert vllm_arguments(container, {"MODEL": "org/m", "PORT": "9"}) == expected


@pytest.mark.parametrize(
    ("container", "finishes", "words", "ends"),
    [
        ({"image": "x", "command": ["curl", "u"], "args": ["$(A)"]}, True, ["curl", "u", "1"], False),
        ({"image": "x", "command": ["curl", "u"]}, False, None, False),
        ({"image": "x", "command": ["unknown"]}, True, None, True),
        ({"image": "x", "args": ["curl"]}, True, None, True),
        ({"image": "x", "command": ["true"], "volumeMounts": [{"mountPath": "/data"}]}, True, None, True),
        (
            {
                "image": "x",
                "command": ["true"],
                "volumeMounts": [{"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
            },
            True,
            ["true"],
            False,
        ),
    ],
)
def test_other_programs(container: dict[str, Any], finishes: bool, words: list[str] | None, ends: bool) -> None:
    program = choose_program(container, {"A": "1"}, finishes, which)
    assert (program.words, program.is_vllm) == (words, False)
    assert program.finishes is ends


@pytest.mark.parametrize(
    ("words", "port", "reachable", "placed"),
    [
        (["m"], 8000, True, ["m"]),
        (["m", "--port", "9", "--host", "::"], 9, True, ["m"]),
        (["m", "--port=9", "--host=127.0.0.1", "--x"], 9, False, ["m", "--x"]),
        (["m", "--host", "localhost"], 8000, False, ["m"]),
    ],
)
def test_ports(words: list[str], port: int, reachable: bool, placed: list[str]) -> None:
    assert (own_port(words), is_reachable(words)) == (port, reachable)
    assert place(words, 20001) == [*placed, "--host", "127.0.0.1", "--port", "20001"]


def test_a_port_that_is_no_number_is_left_to_the_server() -> None:
    assert place(["m", "--port", "http"], 20001) == ["m", "--port", "http"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("curl localhost:8000/health", "curl 127.0.0.1:20001/health"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:20001/"),
        ("10.244.0.7:8000", "127.0.0.1:20001"),
        ("localhost:9000", "localhost:9000"),
        ("localhost:80001", "localhost:80001"),
        ("mylocalhost:8000", "mylocalhost:8000"),
        ("localhost", "localhost"),
    ],
)
def test_addresses_in_commands_are_replaced(text: str, expected: str) -> None:
    assert substitute(text, {8000: 20001}, "10.244.0.7") == expected
