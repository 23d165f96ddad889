# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference router on the real cluster, database and cache, in front of a model server of this test.

The test plays the kubelet: it makes the Service, its EndpointSlice and the PortForward by hand. The
router under test has a database of its own, so that these tests disturb no others.
"""

from __future__ import annotations

import json
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import psycopg2
import pytest
import redis
import requests
from psycopg2 import sql

from tests.integration.conftest import SharedLab
from tests.integration.lab.router_world import DEADLINE, TABLE, ModelServer, World, create, wait_for
from tests.lab import state
from tests.lab.health import http_problem
from tests.lab.kubeapi import KubeApi
from tests.lab.process import free_ports, start, wait_until


@pytest.fixture(scope="module")
def model_server() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), ModelServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def namespace(lab: SharedLab, model_server: int) -> Iterator[str]:
    """A namespace with Service llama, whose one ready endpoint is the model server, and Service lonely without any."""
    api, name = KubeApi(lab.kubeconfig), f"router-{uuid.uuid4().hex[:8]}"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}, "kind": "Namespace"})
    for service in ("llama", "lonely"):
        spec = {"ports": [{"name": "http", "port": 80, "targetPort": 8000}]}
        create(api, f"/api/v1/namespaces/{name}/services", "Service", service, spec=spec)
    labels = {"kubernetes.io/service-name": "llama"}
    address = {
        "addresses": ["10.0.0.1"],
        "conditions": {"ready": True},
        "targetRef": {"kind": "Pod", "name": "llama-0"},
    }
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{name}/endpointslices"
    ports = [{"name": "http", "port": 8000}]
    create(api, slices, "EndpointSlice", "llama-1", labels, addressType="IPv4", endpoints=[address], ports=ports)
    rule = {"ports": [8000], "target": {"address": "127.0.0.1", "port": model_server}}
    forwards = f"/apis/kwok.x-k8s.io/v1alpha1/namespaces/{name}/portforwards"
    create(api, forwards, "PortForward", "llama-0", spec={"forwards": [rule]})
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def database_url(lab: SharedLab) -> Iterator[str]:
    """An empty database of these tests' own."""
    name = f"router_{uuid.uuid4().hex[:8]}"
    connection = psycopg2.connect(lab.env["DATABASE_URL"])
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            yield lab.env["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    finally:
        connection.close()


@pytest.fixture(scope="module")
def start_router(
    lab: SharedLab, database_url: str, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., World]]:
    """Starts routers, each with a database of Valkey of its own number, and ends them."""
    folder = tmp_path_factory.mktemp("routers")

    def begin(name: str, *options: str, number: int = 1, **environ: str) -> World:
        redis_url = lab.env["REDIS_URL"].rpartition("/")[0] + f"/{number}"
        settings = {"KUBECONFIG": str(lab.kubeconfig), "DATABASE_URL": database_url, "REDIS_URL": redis_url, **environ}
        port = free_ports(["router"])["router"]
        command = [sys.executable, "-m", "tests.lab.router", "--port", str(port), *options]
        daemon = start(folder, name, command, extra_environment=settings)
        wait_until("the router", lambda: http_problem(port, "/healthz"), [daemon], DEADLINE)
        cache = redis.Redis.from_url(redis_url, decode_responses=True)
        return World(f"http://127.0.0.1:{port}", database_url, cache, namespace)

    try:
        yield begin
    finally:
        state.end_all(folder, grace=2)


@pytest.fixture(scope="module")
def router(start_router: Callable[..., World]) -> World:
    world = start_router("router", "--deadline", "1")
    # Before the table exists, so that the first of these tests sees a registry without one.
    assert world.complete("nobody").status_code == 404
    assert world.complete("nobody").json()["error"]["code"] == "model_not_found"
    world.execute(TABLE)
    return world


def test_a_completion_goes_through(router: World) -> None:
    router.register("through")
    first, second = (router.complete("through", headers={"Authorization": "Bearer key"}) for _unused in range(2))
    assert first.status_code == 200
    assert first.json() == {"path": "/v1/completions", "model": "through", "authorization": "Bearer key"}
    assert first.headers["X-Route-Endpoint"] == router.endpoint
    assert [answer.headers["X-Route-Source"] for answer in (first, second)] == ["database", "cache"]


def test_the_cache_holds_the_route_for_two_minutes(router: World) -> None:
    router.register("cached", environment="staging")
    assert router.complete("cached", environment="staging").status_code == 200
    key = "model_registry:staging:cached"
    content = json.loads(str(router.cache.get(key)))
    assert content.pop("model_id")
    assert content == {
        "model_name": "cached",
        "revision": 1,
        "deployment_status": "ready",
        "deployment_endpoint": router.endpoint,
        "deployment_namespace": router.namespace,
    }
    assert 110 < int(str(router.cache.ttl(key))) <= 120


def test_environments_are_apart(router: World) -> None:
    router.register("apart", environment="production")
    assert router.complete("apart", environment="production").status_code == 200
    for environment in (None, "development", "staging"):
        answer = router.complete("apart", environment=environment)
        assert answer.status_code == 404
        assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("columns", "status", "code"),
    [
        ({"deployment_status": "disabled"}, 404, "model_not_found"),
        ({"deployment_status": "deploying"}, 404, "model_not_found"),
        ({"deployment_endpoint": None}, 404, "model_not_found"),
        ({"deployment_namespace": None}, 500, "registry_error"),
        ({"deployment_endpoint": "missing.nowhere.svc.cluster.local:80"}, 502, "bad_gateway"),
        ({"deployment_endpoint": "llama.nowhere.svc.cluster.local:80"}, 502, "bad_gateway"),
        ({"deployment_endpoint": "http://with-scheme:80"}, 502, "bad_gateway"),
        ({"deployment_endpoint": "no-port"}, 502, "bad_gateway"),
    ],
)
def test_what_cannot_be_routed(router: World, columns: dict[str, Any], status: int, code: str) -> None:
    name = f"case-{uuid.uuid4().hex[:8]}"
    router.register(name, **columns)
    answer = router.complete(name)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(("endpoint", "words"), [("lonely.{}:80", "no ready endpoint"), ("llama.{}:81", "no port 81")])
def test_a_service_without_a_way_is_a_bad_gateway(router: World, endpoint: str, words: str) -> None:
    name = f"case-{uuid.uuid4().hex[:8]}"
    host = f"{router.namespace}.svc.cluster.local"
    router.register(name, deployment_endpoint=endpoint.format(host))
    answer = router.complete(name)
    assert answer.status_code == 502
    assert words in answer.json()["error"]["message"]


def test_disabling_shows_once_the_cache_key_is_dropped(router: World) -> None:
    router.register("disabled")
    assert router.complete("disabled").status_code == 200
    router.execute("UPDATE model_registry_entries SET deployment_status = 'disabled' WHERE model_name = 'disabled'")
    assert router.complete("disabled").headers["X-Route-Source"] == "cache"
    router.cache.delete("model_registry:development:disabled")
    assert router.complete("disabled").status_code == 404


def test_a_held_request_fills_the_cache_after_the_change(router: World) -> None:
    """The race that a single deletion of the key loses."""
    router.register("raced")
    requests.post(f"{router.url}/_lab/hold", timeout=5).raise_for_status()
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(router.complete("raced").status_code))
    thread.start()
    wait_for(
        "the request to be held", lambda: requests.get(f"{router.url}/_lab/hold", timeout=5).json()["waiting"] == 1
    )
    router.execute("DELETE FROM model_registry_entries WHERE model_name = 'raced'")
    router.cache.delete("model_registry:development:raced")
    requests.post(f"{router.url}/_lab/release", timeout=5).raise_for_status()
    thread.join(DEADLINE)
    assert answers == [200]
    assert router.complete("raced").headers["X-Route-Source"] == "cache"


def test_errors_streams_and_deadlines_of_the_model_server(router: World) -> None:
    router.register("moody")
    assert router.complete("moody", prompt="fail").status_code == 400
    assert router.complete("moody", prompt="stream").json()["model"] == "moody"
    late = router.complete("moody", prompt="dawdle")
    assert (late.status_code, late.json()["error"]["code"]) == (504, "gateway_timeout")


def test_a_broken_cache_entry_is_a_miss(router: World) -> None:
    router.register("broken")
    router.cache.set("model_registry:development:broken", "{")
    assert router.complete("broken").headers["X-Route-Source"] == "database"


def test_an_api_key_is_asked_for(router: World, start_router: Callable[..., World]) -> None:
    guarded = start_router("guarded", LAB_ROUTER_API_KEY="secret", number=2)
    router.register("guarded")
    for headers in ({}, {"X-API-Key": "wrong"}):
        answer = guarded.complete("guarded", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert guarded.complete("guarded", headers={"X-API-Key": "secret"}).status_code == 200


def test_without_a_cache_or_a_database(router: World, start_router: Callable[..., World]) -> None:
    nowhere = free_ports(["nothing"])["nothing"]
    router.register("uncached")
    uncached = start_router("uncached", REDIS_URL=f"redis://127.0.0.1:{nowhere}/0")
    assert uncached.complete("uncached").headers["X-Route-Source"] == "database"
    blind = start_router("blind", DATABASE_URL=f"postgresql://nobody@127.0.0.1:{nowhere}/none", number=3)
    answer = blind.complete("uncached")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "registry_error")
