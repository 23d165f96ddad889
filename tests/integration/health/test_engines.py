# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for vLLM with its engine in each state that matters, and peers that are no vLLM at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.health.fleet import Fleet
from tests.integration.health.scene import Scene
from tests.integration.readiness.peers import Peer, answering, blackhole, deaf, sending
from tests.unit.lab.vllm_client import in_force, process, serving

ONE_LAYOUT = pytest.mark.parametrize("registry", ["superset"], indirect=True)
pytestmark = ONE_LAYOUT


@pytest.fixture(scope="module")
def engine() -> Iterator[int]:
    with serving() as port:
        yield port


def reasons(scene: Scene, address: str, **given: Any) -> tuple[str, str]:
    """The kind and the reason of one check of the model `a`."""
    scene.address = address
    scene.add("a")
    result = scene.check(**given)
    if result["failing"]:
        return "failing", result["failures"][0]["reason"]
    if result["unchecked"]["count"]:
        return "unknown", result["unchecked"]["models"][0]["reason"]
    return ("busy" if result["busy"] else "healthy"), ""


@pytest.mark.parametrize(
    ("fault", "given", "kind", "reason"),
    [
        (None, {}, "healthy", ""),
        (None, {"api": "chat"}, "healthy", ""),
        (None, {"probe": "text"}, "healthy", ""),
        (None, {"probe": "health"}, "healthy", ""),
        ("frozen", {}, "failing", "not_generating"),
        ("frozen", {"probe": "health"}, "healthy", ""),
        ("paused", {}, "failing", "not_generating"),
        ("metrics-missing", {}, "healthy", ""),
        ("metrics-hang", {}, "failing", "not_generating"),
        ("sleeping", {}, "failing", "sleeping"),
        ("overloaded", {}, "busy", ""),
        ("nan", {}, "healthy", ""),
        ("nan", {"probe": "text"}, "failing", "no_text"),
        ("error-500", {}, "failing", "server_error"),
        ("draining", {}, "failing", "draining"),
        ("aborts", {}, "failing", "draining"),
        ("zero-tokens", {}, "failing", "not_generating"),
        ("other-model", {}, "failing", "wrong_name"),
        ("error-400", {}, "unknown", "refused"),
        ("no-chat-template", {"api": "chat"}, "unknown", "refused"),
        ("html-ok", {}, "failing", "not_generating"),
        ("redirect", {}, "failing", "not_vllm"),
        ("truncated-body", {}, "failing", "not_vllm"),
        ("endless-stream", {}, "failing", "not_vllm"),
        ("slow-headers", {}, "failing", "not_generating"),
        ("header-bomb", {}, "failing", "not_vllm"),
    ],
)
def test_engine(scene: Scene, engine: int, fault: str | None, given: dict[str, str], kind: str, reason: str) -> None:
    if fault is None:
        assert reasons(scene, f"127.0.0.1:{engine}", **given) == (kind, reason)
        return
    with in_force(engine, fault):
        assert reasons(scene, f"127.0.0.1:{engine}", **given) == (kind, reason)


def test_a_busy_model_is_never_degraded(scene: Scene, engine: int) -> None:
    scene.address = f"127.0.0.1:{engine}"
    scene.add("a")
    with in_force(engine, "overloaded"):
        for _unused in range(4):
            assert scene.check(quorum=1.0)["busy"] == 1
    assert scene.status("a") == "ready"


def test_an_engine_that_dies_is_degraded_and_restored_when_another_serves(scene: Scene) -> None:
    place = "m.system.svc.cluster.local:8000"
    scene.add("org/m", deployment_endpoint=place)
    with process() as (server, port):
        scene.endpoint_map[place] = f"127.0.0.1:{port}"
        assert scene.check()["healthy"] == 1
        server.kill()
        server.wait()
        assert scene.check()["failures"][0]["reason"] == "not_serving"
        assert scene.check()["degraded"] == ["org/m"]
    with process() as (_server, port):
        scene.endpoint_map[place] = f"127.0.0.1:{port}"
        assert scene.check()["healthy"] == 1
        assert scene.check()["restored"] == ["org/m"]


def test_a_key_that_the_server_wants(scene: Scene) -> None:
    with process(VLLM_API_KEY="secret-key") as (_server, port):
        scene.address = f"127.0.0.1:{port}"
        scene.add("org/m", deployment_endpoint="m.system.svc.cluster.local:8000")
        scene.endpoint_map["m.system.svc.cluster.local:8000"] = scene.address
        assert scene.check()["unchecked"]["reasons"] == {"unauthorised": 1}
        result = scene.check(api_key="secret-key")
        assert result["healthy"] == 1
        assert "secret-key" not in str(result)


def test_peers_that_are_no_model_server(scene: Scene, fleet: Fleet) -> None:
    ended = threading.Event()
    cases = {
        "keeps-open": (answering(), "healthy"),
        "ssh": (sending(b"SSH-2.0-OpenSSH_9.6\r\n"), "not_vllm"),
        "closes": (sending(b""), "not_serving"),
        "deaf": (deaf(ended), "not_generating"),
        "endless": (sending(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, 40), "not_vllm"),
        "drips": (sending(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", 20_000), "not_vllm"),
    }
    for name, (handle, expected) in cases.items():
        scene.registry.execute("TRUNCATE model_registry_entries CASCADE")
        with Peer(handle) as peer:
            kind, reason = reasons(scene, peer.url.removeprefix("http://"))
        assert expected in (kind, reason), name
    ended.set()


def test_an_address_where_no_connection_is_ever_made(scene: Scene) -> None:
    with blackhole() as url:
        assert reasons(scene, url.removeprefix("http://")) == ("failing", "not_generating")
