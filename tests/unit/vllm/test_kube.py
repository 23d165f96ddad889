# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API server as JSON: what is asked, and what its refusals become."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import kube
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import (
    ApiError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    Kube,
    MissingError,
    UnauthorisedError,
    api_error,
    configuration_of,
)
from kubernetes import config

from tests.unit.vllm.sockets import Behaviour, Listening, raw, says, serving


def kubeconfig(path: Path, port: int, key: str = "t") -> str:
    settings = {
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": key}}],
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u"}},
            {"name": "there", "context": {"cluster": "c", "user": "nobody"}},
        ],
    }
    path.write_text(json.dumps(settings))
    return str(path)


@contextmanager
def api(path: Path, behave: Behaviour) -> Iterator[tuple[Kube, Listening]]:
    with serving(behave) as server:
        made = Kube(kubeconfig(path / "config", server.port))
        yield made, server
        made.pool.clear()


def body(document: Any) -> Behaviour:
    return says(json.dumps(document).encode(), head="Connection: close\r\n")


def test_what_is_asked(tmp_path: Path) -> None:
    with api(tmp_path, body({"items": [{"a": 1}]})) as (made, server):
        assert made.items("/api/v1/pods", labelSelector="x in (a,b)", limit=None) == [{"a": 1}]
    asked = server.requests[0].decode()
    assert asked.startswith("GET /api/v1/pods?labelSelector=x+in+%28a%2Cb%29 HTTP/1.1\r\n")
    assert "authorization: Bearer t\r\n" in asked
    assert "Accept: application/json\r\n" in asked


def test_what_is_sent(tmp_path: Path) -> None:
    answer = says(b'{"a": 2}', "201 Created", "Connection: close\r\n")
    with api(tmp_path, answer) as (made, server):
        assert made.send("PATCH", "/api/v1/x", {"a": 1}, "application/merge-patch+json") == {"a": 2}
    sent = server.requests[0].decode()
    assert sent.startswith("PATCH /api/v1/x HTTP/1.1\r\n")
    assert "Content-Type: application/merge-patch+json\r\n" in sent
    assert "authorization: Bearer t\r\n" in sent
    assert sent.endswith('{"a": 1}')


@pytest.mark.parametrize("document", [{"items": None}, {}, {"items": []}])
def test_a_list_without_items(tmp_path: Path, document: dict[str, Any]) -> None:
    with api(tmp_path, body(document)) as (made, _server):
        assert made.items("/x") == []


@pytest.mark.parametrize(
    ("content", "lines"),
    [(b"", []), (b"a\nb\n", ["a", "b"]), (b"a\r\n\xff", ["a", "\ufffd"]), (b"x" * 30, ["x" * 20])],
)
def test_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, lines: list[str]) -> None:
    monkeypatch.setattr(kube, "MAX_LOG_BYTES", 20)
    with api(tmp_path, says(content)) as (made, server):
        assert made.log("/log", container="vllm", tailLines=5, previous=None) == lines
    assert server.requests[0].startswith(b"GET /log?container=vllm&tailLines=5 HTTP")


REFUSALS: list[tuple[int, Mapping[str, str], bytes, type[ApiError], str, str]] = [
    (401, {}, b'{"message": "Unauthorized"}', UnauthorisedError, "api_unauthorised", "Unauthorized"),
    (403, {}, b'{"message": "pods is forbidden"}', ForbiddenError, "forbidden", "pods is forbidden"),
    (404, {}, b'{"message": "not found"}', MissingError, "api_unreachable", "not found"),
    (409, {}, b'{"message": "modified"}', ConflictError, "api_unreachable", "modified"),
    (410, {}, b'{"message": "too old"}', ExpiredError, "api_unreachable", "too old"),
    (429, {"Retry-After": "7"}, b"{}", ApiError, "api_unreachable", "status 429"),
    (500, {}, b'{"message": null}', ApiError, "api_unreachable", "None"),
    (502, {}, b"<html>", ApiError, "api_unreachable", "status 502"),
    (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, b"[]", ApiError, "api_unreachable", "status 503"),
    (302, {}, b"", ApiError, "api_unreachable", "status 302"),
]


@pytest.mark.parametrize(("status", "headers", "content", "error", "reason", "why"), REFUSALS)
def test_refusal(
    status: int, headers: Mapping[str, str], content: bytes, error: type[ApiError], reason: str, why: str
) -> None:
    found = api_error(status, headers, content)
    assert found.__class__ is error
    assert (found.reason, found.why) == (reason, why)
    assert found.retry_after == (7.0 if status == 429 else None)


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "410 Gone", "302 Found", "500 Error"])
def test_a_refusal_is_raised(tmp_path: Path, status: str) -> None:
    head = "Location: http://127.0.0.1:9/\r\nRetry-After: 3\r\nConnection: close\r\n"
    with (
        api(tmp_path, says(b'{"message": "told"}', status, head)) as (made, server),
        pytest.raises(ApiError) as refused,
    ):
        made.get("/x")
    assert type(refused.value) is type(api_error(int(status[:3]), {}, b""))
    assert refused.value.why == "told"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("behave", "what"),
    [
        (says(b"<html>"), "something else than JSON"),
        (lambda peer: None, "cannot be reached"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), "cannot be reached"),
        (raw(b"SSH-2.0\r\n"), "cannot be reached"),
    ],
)
def test_what_is_no_answer(tmp_path: Path, behave: Behaviour, what: str) -> None:
    with api(tmp_path, behave) as (made, _server), pytest.raises(ApiError, match=what):
        made.get("/x")


def test_an_api_server_that_is_away(tmp_path: Path) -> None:
    stack = ExitStack()
    made, _server = stack.enter_context(api(tmp_path, says(b"")))
    stack.close()
    with pytest.raises(ApiError, match="cannot be reached"):
        made.get("/x")


def test_an_error_while_a_stream_is_read_is_one_of_the_api(tmp_path: Path) -> None:
    cut = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n")
    with (
        api(tmp_path, cut) as entered,
        pytest.raises(ApiError, match="cannot be reached"),
        entered[0].opened("/x", 5.0) as response,
    ):
        list(response.stream(None))


def test_secret(tmp_path: Path) -> None:
    document = {"data": {"key": base64.b64encode(b"s3cret\n").decode()}}
    with api(tmp_path, body(document)) as (made, server):
        assert made.secret("ns", "name", "key") == "s3cret"
        with pytest.raises(InferenceError, match="Secret ns/name has no key other"):
            made.secret("ns", "name", "other")
    assert server.requests[0].startswith(b"GET /api/v1/namespaces/ns/secrets/name HTTP")


def test_credentials_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "config"
    made = Kube(kubeconfig(path, 1))
    kubeconfig(path, 1, "renewed")
    assert made.credentials() == {"authorization": "Bearer t"}
    made.renew()
    assert made.credentials() == {"authorization": "Bearer renewed"}


@pytest.mark.parametrize("content", [None, "", "{", "[]", "current-context: x"])
def test_a_kubeconfig_that_is_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InferenceError, match="No usable kubeconfig"):
        configuration_of(str(path), None)


@pytest.mark.parametrize(
    ("given", "environment", "used"),
    [
        (None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "account of the pod"),
        (None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBECONFIG": "/k"}, "file"),
        ("/k", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "file"),
        (None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOME": "with"}, "file"),
        (None, {}, "file"),
    ],
)
def test_which_credentials_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, environment: dict[str, str], used: str
) -> None:
    (tmp_path / "with/.kube").mkdir(parents=True)
    (tmp_path / "with/.kube/config").write_text("")
    for name in ("KUBERNETES_SERVICE_HOST", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "without", **environment}.items():
        monkeypatch.setenv(name, str(tmp_path / value) if name == "HOME" else value)
    seen: list[str] = []
    monkeypatch.setattr(config, "load_kube_config", lambda *_given: seen.append("file"))
    monkeypatch.setattr(config, "load_incluster_config", lambda **_given: seen.append("account of the pod"))
    configuration_of(given, None)
    assert seen == [used]


def test_a_context_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InferenceError, match="No usable kubeconfig"):
        configuration_of(kubeconfig(tmp_path / "config", 1), "nowhere")


def test_an_account_without_credentials(tmp_path: Path) -> None:
    assert Kube(kubeconfig(tmp_path / "config", 1), "there").credentials() == {}
