# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mapping of service names to processes, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.resolver import Key, Snapshot, Target, UnresolvableError, candidates

HOST = "llama.models.svc.cluster.local"


def service(*ports: tuple[str | None, int]) -> dict[str, Any]:
    return {"spec": {"ports": [{"port": port} | ({"name": name} if name else {}) for name, port in ports]}}


def endpoints(*pods: tuple[str, bool | None], ports: list[tuple[str | None, int]], of: str = "llama") -> dict[str, Any]:
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": of}},
        "ports": [{"name": name, "port": port} for name, port in ports],
        "endpoints": [
            {"conditions": {} if ready is None else {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}}
            for pod, ready in pods
        ],
    }


def forward(port: int, *, ports: list[int] | None = None) -> dict[str, Any]:
    rule: dict[str, Any] = {"target": {"address": "127.0.0.1", "port": port}}
    return {"spec": {"forwards": [rule | ({"ports": ports} if ports else {})]}}


def snapshot(
    service_: dict[str, Any] | None,
    slices: list[dict[str, Any]],
    forwards: dict[str, dict[str, Any]],
) -> Snapshot:
    return Snapshot(
        services={Key("models", "llama"): service_} if service_ else {},
        slices={Key("models", f"slice-{number}"): entry for number, entry in enumerate(slices)},
        forwards={Key("models", name): entry for name, entry in forwards.items()},
    )


NAMED = service(("http", 8000))


@pytest.mark.parametrize("host", [HOST, f"{HOST}.", "llama.models.svc", "llama.models"])
def test_forms_of_a_name(host: str) -> None:
    found = snapshot(NAMED, [endpoints(("pod", True), ports=[("http", 8000)])], {"pod": forward(1001)})
    assert candidates(found, host, 8000) == [Target("127.0.0.1", 1001)]


@pytest.mark.parametrize("host", ["llama", "", "a.b.c.svc.cluster.local", "example.com.", ".models.svc.cluster.local"])
def test_other_names_are_refused(host: str) -> None:
    with pytest.raises(UnresolvableError):
        candidates(snapshot(NAMED, [], {}), host, 8000)


@pytest.mark.parametrize(
    ("slices", "forwards", "expected"),
    [
        pytest.param(
            [endpoints(("a", True), ("b", True), ports=[("http", 8000)])],
            {"a": forward(1), "b": forward(2)},
            [1, 2],
            id="all ready pods",
        ),
        pytest.param(
            [endpoints(("a", False), ("b", True), ports=[("http", 8000)])],
            {"a": forward(1), "b": forward(2)},
            [2],
            id="not the unready",
        ),
        pytest.param([endpoints(("a", None), ports=[("http", 8000)])], {"a": forward(1)}, [1], id="unknown is ready"),
        pytest.param(
            [endpoints(("a", True), ports=[("http", 8000)]), endpoints(("b", True), ports=[("http", 8000)])],
            {"a": forward(1), "b": forward(2)},
            [1, 2],
            id="several slices",
        ),
        pytest.param(
            [endpoints(("a", True), ports=[("metrics", 9), ("http", 8000)])],
            {"a": forward(1, ports=[8000])},
            [1],
            id="the port of that name",
        ),
        pytest.param(
            [endpoints(("a", True), ("b", True), ports=[("http", 8000)])],
            {"b": forward(2)},
            [2],
            id="pods without a process are passed over",
        ),
        pytest.param(
            [
                endpoints(("a", True), ports=[("http", 8000)], of="other"),
                endpoints(("b", True), ports=[("http", 8000)]),
            ],
            {"a": forward(1), "b": forward(2)},
            [2],
            id="not another service's",
        ),
    ],
)
def test_ready_pods(slices: list[dict[str, Any]], forwards: dict[str, dict[str, Any]], expected: list[int]) -> None:
    found = candidates(snapshot(NAMED, slices, forwards), HOST, 8000)
    assert [target.port for target in found] == expected


def test_the_service_port_may_differ_from_the_pods() -> None:
    slices = [endpoints(("a", True), ports=[("http", 8000)])]
    found = snapshot(service(("http", 80)), slices, {"a": forward(1, ports=[8000])})
    assert candidates(found, HOST, 80) == [Target("127.0.0.1", 1)]


def test_a_single_port_needs_no_name() -> None:
    found = snapshot(service((None, 80)), [endpoints(("a", True), ports=[(None, 8000)])], {"a": forward(1)})
    assert candidates(found, HOST, 80) == [Target("127.0.0.1", 1)]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (snapshot(None, [], {}), "no Service llama in namespace models"),
        (snapshot(NAMED, [], {}), "no ready endpoint"),
        (snapshot(NAMED, [endpoints(("a", False), ports=[("http", 8000)])], {"a": forward(1)}), "no ready endpoint"),
        (snapshot(service(("http", 80)), [], {}), r"no port 8000 \(it has: 80\)"),
        (snapshot({"spec": {}}, [], {}), r"it has: none"),
        (snapshot(NAMED, [endpoints(("a", True), ports=[("http", 8000)])], {}), "no process serves port 8000"),
        (
            snapshot(NAMED, [endpoints(("a", True), ports=[("http", 8000)])], {"a": forward(1, ports=[9])}),
            "no process serves port 8000 of the ready pods a",
        ),
    ],
)
def test_what_is_missing_is_said(found: Snapshot, words: str) -> None:
    with pytest.raises(UnresolvableError, match=words):
        candidates(found, HOST, 8000)
