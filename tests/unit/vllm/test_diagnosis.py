# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a pod that does not get on, and what its events and its requests tell."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.diagnosis import (
    holders_of,
    is_node_lost,
    judge_pull,
    judge_volume,
    lacking,
    oversized_request,
    unhealthy,
    wanted_details,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Event, Pod
from hypothesis import given
from hypothesis import strategies as st

GPU = "nvidia.com/gpu"


@pytest.mark.parametrize(
    ("pod", "wanted"),
    [
        (Pod("p", ready=True, node="n", running=True), ""),
        (Pod("p", node="n", phase="Failed"), ""),
        (Pod("p"), ""),
        (Pod("p", unschedulable="0/2 nodes"), "resources"),
        (Pod("p", node="n"), "events"),
        (Pod("p", node="n", waiting="ContainerCreating"), "events"),
        (Pod("p", node="n", waiting="PodInitializing"), "events"),
        (Pod("p", node="n", waiting="ImagePullBackOff"), ""),
        (Pod("p", node="n", waiting="CrashLoopBackOff", exit_code=1), "events log"),
        (Pod("p", node="n", exit_code=0), "events log"),
        (Pod("p", node="n", running=True), "events serving"),
        (Pod("p", node="n", running=True, started=True), "events serving"),
        (Pod("p", node="n", running=True, exit_code=1), "events log serving"),
    ],
)
def test_wanted_details(pod: Pod, wanted: str) -> None:
    assert wanted_details(pod) == set(wanted.split())


@pytest.mark.parametrize(
    ("message", "resources"),
    [
        ("", []),
        ("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", [GPU]),
        ("0/3 nodes are available: 1 Insufficient cpu, 2 Insufficient memory.", ["cpu", "memory"]),
        (
            "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. preemption: 2 Insufficient nvidia.com/gpu",
            [GPU],
        ),
        ("1 Insufficient ephemeral-storage, 1 Insufficient hugepages-2Mi.", ["ephemeral-storage", "hugepages-2Mi"]),
        ("1 Insufficient nvidia.com/mig-1g.5gb, 1 Too many pods", ["nvidia.com/mig-1g.5gb"]),
        ("0/2 nodes are available: 2 node(s) had untolerated taint {nvidia.com/gpu: present}.", []),
    ],
)
def test_lacking(message: str, resources: list[str]) -> None:
    assert lacking(message) == resources


NAMES = ("cpu", "memory", GPU, "nvidia.com/mig-1g.5gb", "hugepages-2Mi", "x.y/z_0")


@pytest.mark.parametrize("some", range(4))
def test_each_resource_is_named_once(some: int) -> None:
    for names in itertools.permutations(NAMES, some):
        message = f"0/9 nodes are available: {', '.join(f'1 Insufficient {name}' for name in names * 2)}."
        assert lacking(message) == list(names)


def exact(amounts: dict[str, int | str]) -> dict[str, Decimal]:
    return {name: Decimal(amount) for name, amount in amounts.items()}


@pytest.mark.parametrize(
    ("requests", "nodes", "told"),
    [
        ({GPU: 2}, [{GPU: 2}, {}], ""),
        ({GPU: 3}, [{GPU: 2}, {GPU: 2}], "it requests nvidia.com/gpu: 3, and no node of 2 has more than 2 of it"),
        ({"amd.com/gpu": 1}, [{GPU: 2}], "it requests amd.com/gpu: 1, and no node of 1 has more than 0 of it"),
        ({"b": 9, "a": 9}, [{}], "it requests a: 9, and no node of 1 has more than 0 of it"),
        ({"cpu": "0.5"}, [{"cpu": "0.25"}], "it requests cpu: 0.5, and no node of 1 has more than 0.25 of it"),
        ({"memory": "1E+12"}, [{}], "it requests memory: 1000000000000, and no node of 1 has more than 0 of it"),
        ({"cpu": 1}, [], ""),
        ({}, [{"cpu": 1}], ""),
        ({"cpu": 0}, [{}], ""),
    ],
)
def test_oversized_request(requests: dict[str, int | str], nodes: list[dict[str, int | str]], told: str) -> None:
    assert oversized_request(exact(requests), [exact(node) for node in nodes]) == told


AMOUNTS = st.dictionaries(st.sampled_from(["cpu", "memory", GPU]), st.integers(0, 9).map(Decimal))


@given(AMOUNTS, st.lists(AMOUNTS, max_size=3))
def test_a_request_is_oversized_if_no_node_holds_it(
    requests: dict[str, Decimal], nodes: list[dict[str, Decimal]]
) -> None:
    fits = not nodes or all(
        any(node.get(name, 0) >= wanted for node in nodes) or not wanted for name, wanted in requests.items()
    )
    assert (oversized_request(requests, nodes) == "") == fits


@pytest.mark.parametrize(
    ("pods", "told"),
    [
        ({}, f"no pod that may be read holds {GPU}"),
        ({"a/x": 0}, f"no pod that may be read holds {GPU}"),
        ({"a/x": 1}, f"{GPU} is held by a/x (1)"),
        ({"b/x": 1, "a/y": 1, "a/x": 4}, f"{GPU} is held by a/x (4), a/y (1), b/x (1)"),
        ({"a/x": "0.5"}, f"{GPU} is held by a/x (0.5)"),
        (dict.fromkeys("fedcba", 1), f"{GPU} is held by a (1), b (1), c (1), d (1), e (1), …"),
    ],
)
def test_holders(pods: dict[str, int | str], told: str) -> None:
    assert holders_of(GPU, exact(pods)) == told


@given(st.dictionaries(st.text("ab/", min_size=1, max_size=3), st.integers(0, 9).map(Decimal)))
def test_the_greatest_holder_is_named_first(pods: dict[str, Decimal]) -> None:
    told, most = holders_of(GPU, pods), max(pods.values(), default=Decimal(0))
    if most:
        name, _rest = told.removeprefix(f"{GPU} is held by ").split(" ", 1)
        assert pods[name] == most
    assert told.count("(") == min(5, sum(amount > 0 for amount in pods.values()))
    assert told.endswith("…") == (sum(amount > 0 for amount in pods.values()) > 5)


@pytest.mark.parametrize(
    ("message", "reason", "severity"),
    [
        ("", "image_pull", "heals"),
        ('Back-off pulling image "vllm/vllm-openai:v0.32.0"', "image_pull", "heals"),
        ("dial tcp 10.0.0.1:443: i/o timeout", "image_pull", "heals"),
        ("dial tcp: lookup registry.local on 10.96.0.10:53: no such host", "image_pull", "heals"),
        ("net/http: TLS handshake timeout", "image_pull", "heals"),
        ("unexpected status from HEAD request: 429 Too Many Requests", "image_pull", "heals"),
        ("unexpected status code 503 Service Unavailable", "image_pull", "heals"),
        ("failed to copy: read tcp: connection reset by peer", "image_pull", "heals"),
        ("failed to extract layer: no space left on device", "image_pull", "heals"),
        ('failed to resolve reference "docker.io/x/y:z": docker.io/x/y:z: not found', "image_not_found", "permanent"),
        ("manifest unknown: manifest unknown", "image_not_found", "permanent"),
        ("MANIFEST UNKNOWN", "image_not_found", "permanent"),
        ("repository does not exist", "image_not_found", "permanent"),
        ("failed to authorize: failed to fetch oauth token: 401 Unauthorized", "image_unauthorized", "permanent"),
        ("unauthorized: authentication required", "image_unauthorized", "permanent"),
        ("unexpected status from HEAD request to https://x/: 403 Forbidden", "image_unauthorized", "permanent"),
        (
            "pull access denied, repository does not exist or may require authorization: server message: "
            "insufficient_scope: authorization failed",
            "image_unauthorized",
            "permanent",
        ),
    ],
)  # fmt: skip
def test_pull(message: str, reason: str, severity: str) -> None:
    assert judge_pull(message) == (reason, severity)


MOUNT = 'MountVolume.SetUp failed for volume "v" : '


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], None),
        ([("Scheduled", "Successfully assigned"), ("Pulling", 'secret "x" not found')], None),
        ([("FailedMount", f'{MOUNT}secret "x" not found')], "config_missing"),
        ([("FailedMount", f'{MOUNT}configmap "x" not found')], "config_missing"),
        ([("FailedMount", f"{MOUNT}references non-existent config key: x")], "config_missing"),
        ([("FailedMount", f"{MOUNT}references non-existent secret key: x")], "config_missing"),
        ([("FailedMount", f"{MOUNT}mount failed: exit status 32")], "volume"),
        ([("FailedMount", "Unable to attach or mount volumes: unmounted volumes=[v]: timed out")], "volume"),
        ([("FailedAttachVolume", "Multi-Attach error for volume")], "volume"),
        ([("FailedMapVolume", "MapVolume.SetUpDevice failed")], "volume"),
        ([("FailedMount", f'{MOUNT}secret "x" not found'), ("FailedMount", f"{MOUNT}timed out")], "volume"),
        ([("FailedMount", f"{MOUNT}timed out"), ("FailedMount", f'{MOUNT}secret "x" not found')], "config_missing"),
    ],
)
def test_volume(events: list[tuple[str, str]], reason: str | None) -> None:
    found = judge_volume([Event(*each) for each in events])
    assert (found[0] if found else None) == reason
    if found:
        assert found[1] in [message for _reason, message in events]


@pytest.mark.parametrize(
    ("events", "told", "lost"),
    [
        ([], "", False),
        ([("Killing", "x")], "", False),
        ([("Unhealthy", "first"), ("Unhealthy", "last"), ("Killing", "x")], " (last)", False),
        ([("Unhealthy", "x" * 999)], f" ({'x' * 500}…)", False),
        ([("NodeNotReady", "Node is not ready")], "", True),
        ([("Unhealthy", "x"), ("NodeNotReady", "Node is not ready")], " (x)", True),
    ],
)
def test_events(events: list[tuple[str, str]], told: str, lost: bool) -> None:
    read = [Event(*each) for each in events]
    assert unhealthy(read) == told
    assert is_node_lost(read) is lost
