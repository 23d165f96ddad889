# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server may write into its answers: no terminal obeys it, no message grows by it, none of it is a proof."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.diagnosis import cause_of
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import REASONS

from tests.integration.readiness.deployments import Deployments, container, parameters, ready
from tests.integration.readiness.measured import measured
from tests.integration.readiness.peers import CHOICE, COMPLETION, MODELS, Peer, answering, response

# As long as the registry's may be.
LONGEST_MESSAGE = 3000
SECONDS_OF_A_LOG = 0.5
LOG_BYTES = 256 * 1024

HOSTILE = {
    "colours": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;pwned\x07",
    "clear": "\x1b[2J\x1b[H\x1bc",
    "c1": "\x9b31m\x9d0;pwned\x9c",
    "bell": "\x07\x08\x7f",
    "lines": "first\r\nfatal: [localhost]: FAILED!\nlast",
    "separators": "first\u2028second\u2029third\x85",
    "bidi": "\u202egpj.exe\u202c\u2066x\u2069",
    "invisible": "a\u200b\u200d\ufeff\U000e0041",
    "nul": "a\x00b",
    "lone surrogates": "a\ud800b\udfff",
    "long": "x" * 1_000_000,
}
every_text = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())


def wait_for(handle: Any, **params: Any) -> dict[str, Any]:
    """What is told of a server that is not ready; a suspect reason ends the wait, so that it takes no time."""
    with Peer(handle) as peer:
        given = {"model": "a", "url": peer.url, "timeout": 0.5, "fail_fast": "suspect", **params}
        found = ready(parameters(**given))
    assert found["ready"] is False, found
    assert found["reason"] in REASONS
    return found


def check_message(found: Mapping[str, Any]) -> None:
    """A person may look at it in a terminal."""
    told = [found["failed"], found["slowest"]["waited_for"]]
    for text in told:
        assert text.isprintable(), text[:300]
        assert len(text) <= LONGEST_MESSAGE, f"{len(text)} characters"


def ascii_json(document: Any) -> bytes:
    """With lone surrogates as JSON can tell them."""
    return response(json.dumps(document).encode())


@every_text
def test_the_name_of_another_model(text: str) -> None:
    check_message(wait_for(answering(models=ascii_json({"data": [{"id": text}]}))))


def test_ten_thousand_other_models() -> None:
    names = [{"id": f"model-{number}", "object": "model"} for number in range(10_000)]
    found = wait_for(answering(models=ascii_json({"data": names})))
    assert found["reason"] == "wrong_name"
    assert len(found["served_models"]) == 10_000
    check_message(found)


def test_ten_thousand_other_models_beside_the_right_one() -> None:
    names = [{"id": f"model-{number}", "object": "model"} for number in range(10_000)]
    with Peer(answering(models=ascii_json({"data": [*names, {"id": "a"}]}))) as peer:
        assert ready(parameters(model="a", url=peer.url))["ready"]


@every_text
@pytest.mark.parametrize("status", [400, 500])
def test_the_text_of_an_error(text: str, status: int) -> None:
    for error in ({"message": text}, text, {"message": [text]}, [text]):
        check_message(wait_for(answering(completion=ascii_error({"error": error}, status)), timeout=0.1))


def ascii_error(document: Any, status: int) -> bytes:
    return response(json.dumps(document).encode(), f"{status} Error")


@every_text
def test_the_text_of_a_status_as_an_api_server_sends_it(text: str) -> None:
    status = {"kind": "Status", "apiVersion": "v1", "message": text}
    check_message(wait_for(answering(models=ascii_error(status, 503)), timeout=0.1))


@every_text
def test_a_body_that_is_no_json(text: str) -> None:
    body = text.encode("utf-8", "surrogatepass")
    check_message(wait_for(answering(models=response(body))))
    check_message(wait_for(answering(health=response(body, "500 Error"))))


@every_text
def test_what_a_completion_says(text: str) -> None:
    choices: list[Any] = [{**CHOICE, "finish_reason": text}]
    check_message(wait_for(answering(completion=ascii_json({**COMPLETION, "choices": choices}))))
    usage: Any = {"completion_tokens": [text]}
    check_message(wait_for(answering(completion=ascii_json({**COMPLETION, "usage": usage}))))


@pytest.mark.parametrize("line", ["Location: http://x/\x1b]0;pwned\x07", "Location: http://x/\x9b31m\x85"])
def test_a_header_that_is_told(line: str) -> None:
    check_message(wait_for(answering(models=response(b"", "302 Found", line))))


@pytest.mark.parametrize("status", ["302 \x1b[31mred", "999999 \x1b[31mred", "abc \x1b[31m", "\x9b31m"])
def test_a_status_line_that_is_told(status: str) -> None:
    check_message(wait_for(answering(models=response(b"", status))))


@pytest.mark.parametrize("name", HOSTILE)
def test_the_real_module_prints_what_ansible_can_read(name: str) -> None:
    """Also in what is more than its message: the names that are served."""
    models = ascii_json({"data": [{"id": HOSTILE[name]}, {"id": "b"}]})
    with Peer(answering(models=models)) as peer:
        given = {"model": "a", "url": peer.url, "timeout": 1.0}
        found = measured(given, "module")
    assert found.result["reason"] == "wrong_name"
    assert len(found.result["served_models"]) == 2
    assert found.stderr == ""


def test_a_line_of_progress_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "progress"
    file.touch()
    for text in HOSTILE.values():
        wait_for(answering(models=ascii_json({"data": [{"id": text}]})), progress_file=str(file))
    lines = file.read_text(encoding="utf-8").split("\n")
    assert len(lines) == len(HOSTILE) + 1
    for line in lines:
        assert line.isprintable(), line[:300]


NUMBERS = (
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    "-Infinity",
    "-1",
    "0",
    "0.5",
    "1.0",
    "true",
    "null",
    '"1"',
    "[1]",
    "{}",
)


@pytest.mark.parametrize("number", [*NUMBERS, pytest.param("9" * 5000, id="digits")])
def test_a_number_that_counts_no_token(number: str) -> None:
    text = json.dumps(COMPLETION).replace('"completion_tokens": 1', f'"completion_tokens": {number}')
    found = wait_for(answering(completion=response(text.encode())))
    assert found["reason"] == "not_generating"
    check_message(found)


@pytest.mark.parametrize(
    ("models", "completion"),
    [
        pytest.param('{"data": [{"id": "a"}], "data": []}', None, id="data"),
        pytest.param('{"data": [{"id": "a", "id": "b"}]}', None, id="id"),
        pytest.param('{"data": [{"id": "a\\u0000"}, {"id": "A"}, {"id": " a"}, {"id": ["a"]}]}', None, id="names"),
        pytest.param(None, '{"choices": [{"finish_reason": "stop", "finish_reason": "abort"}]}', id="reason"),
        pytest.param(None, '{"choices": [{"finish_reason": "stop"}], "usage": {"completion_tokens": 1}, "usage": 1}'),
        pytest.param(None, '{"usage": {"completion_tokens": 1}, "choices": {"finish_reason": "stop"}}', id="object"),
        pytest.param(None, '{"usage": {"completion_tokens": 1}, "choices": [[]]}', id="list"),
        pytest.param(None, '{"usage": {"completion_tokens": 1}, "choices": "stop"}', id="text"),
        pytest.param(None, '{"error": {"message": "no"}}', id="error"),
        pytest.param(None, "[]", id="no object"),
        pytest.param(None, "null", id="null"),
        pytest.param(None, "", id="nothing"),
    ],
)
def test_keys_that_come_twice_and_values_of_other_kinds(models: str | None, completion: str | None) -> None:
    first = MODELS if models is None else response(models.encode())
    second = COMPLETION if completion is None else response(completion.encode())
    check_message(wait_for(answering(first, second)))


def test_a_log_that_is_made_to_be_slow_to_read() -> None:
    """A line of a container's log is as long as all that is read of it, and holds the beginnings of many causes."""
    words = "architecture ", "Access to model ", "Connection ", "Free memory on device ", "max seq len ", "error: "
    begin = time.monotonic()
    assert cause_of([word * (LOG_BYTES // len(words) // len(word)) for word in words]) is None
    assert time.monotonic() - begin < SECONDS_OF_A_LOG


@pytest.mark.parametrize("key", ["hunter2\n", "hunter2\nrest", "hunter2…rest"])
def test_a_key_that_no_header_can_hold_is_not_told(key: str) -> None:
    """Ansible hides it only where it is written as it was given."""
    with Peer(answering()) as peer:
        found = measured({"model": "a", "url": peer.url, "api_key": key, "timeout": 0.1}, "module")
    assert not found.result.get("ready")
    assert "hunter2" not in json.dumps(found.result)


def test_a_key_that_a_server_repeats_is_not_told(deployments: Deployments, release: str, tmp_path: Path) -> None:
    """The key was read from a Secret, so Ansible was not given it."""
    progress, key = tmp_path / "progress", "hunter2"
    deployments.create(release, container("--api-key", key, "--served-model-name", key))
    secrets = f"/api/v1/namespaces/{deployments.namespace}/secrets"
    deployments.api.request("POST", secrets, {"metadata": {"name": release}, "stringData": {"key": key}})
    given = {
        "model": "a",
        "release": release,
        "namespace": deployments.namespace,
        "kubeconfig": deployments.kubeconfig,
        "api_key_secret": {"name": release, "key": "key"},
        "progress_file": str(progress),
        "timeout": 20,
    }
    found = measured(given, "module")
    assert found.reason == "wrong_name"
    for told in (json.dumps(found.result), progress.read_text(), found.stderr):
        assert key not in told
