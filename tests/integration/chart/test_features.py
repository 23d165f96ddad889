# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a cluster shows: `helm test`, a drain with a request in flight, a download before the pod."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.chart.places import CHART, HELMS, QUICK, Json, Place, RefusedError
from tests.unit.chart.rendering import merge

WAIT = ("--wait", "--timeout=60s")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
KEY = {"apiKey": {"existingSecret": {"name": "key"}}}
# A request of 60 tokens takes 3 s.
SLOW = {"name": "LAB_VLLM_TOKEN_SECONDS", "value": "0.05"}
DOWNLOAD: Json = {
    "model": {
        "revision": COMMIT,
        "source": {"type": "claim", "claim": {"name": "weights"}},
        "download": {"enabled": True, "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}},
    }
}


def server(place: Place) -> str:
    """Return where the only pod's process listens."""
    (pod,) = place.get("pods", "--selector=app.kubernetes.io/instance=tiny")
    forward = json.loads(place.kubectl("get", "portforwards", pod["metadata"]["name"], "--output=json"))
    return f"http://127.0.0.1:{forward['spec']['forwards'][0]['target']['port']}"


def complete(url: str, tokens: int) -> Json:
    """Ask for a completion."""
    body = {"model": "tiny", "prompt": "Hello", "max_tokens": tokens, "ignore_eos": True}
    request = urllib.request.Request(f"{url}/v1/completions", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: Json = json.load(answer)
    return found


def is_running_one(url: str) -> bool:
    """Whether the server is at work."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
        return re.search(rb"^vllm:num_requests_running\S* 1.0$", answer.read(), re.MULTILINE) is not None


def in_flight(place: Place, drain: dict[str, int]) -> str:
    """Delete the pod while it answers, and return how the answer ended."""
    values = {**QUICK, "drain": {**QUICK["drain"], **drain}, "extraEnv": [*QUICK["extraEnv"], SLOW]}
    place.helm("Helm 3", "install", "tiny", str(CHART), *WAIT, values=values)
    url = server(place)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(complete, url, 60)
        place.wait("a request in flight", lambda: is_running_one(url))
        place.kubectl("delete", "pods", "--selector=app.kubernetes.io/instance=tiny")
        reason: str = asked.result()["choices"][0]["finish_reason"]
    return reason


# `helm test`


@pytest.mark.parametrize("helm", HELMS)
def test_helm_test_completes_one_token(place: Place, helm: str) -> None:
    place.kubectl("create", "secret", "generic", "key", "--from-literal=api-key=hunter2")
    place.helm(helm, "install", "tiny", str(CHART), *WAIT, values=merge(QUICK, KEY))
    report = place.helm(helm, "test", "tiny", "--timeout=30s").stdout
    assert "Succeeded" in report


def test_helm_test_fails_when_the_key_is_another(place: Place) -> None:
    place.kubectl("create", "secret", "generic", "key", "--from-literal=api-key=hunter2")
    place.helm("Helm 3", "install", "tiny", str(CHART), *WAIT, values=merge(QUICK, KEY))
    place.kubectl("patch", "secret", "key", "--patch", '{"stringData": {"api-key": "other"}}')
    with pytest.raises(RefusedError):
        place.helm("Helm 3", "test", "tiny", "--timeout=30s")
    log = place.kubectl("logs", "tiny-vllm-deployment-test")
    assert "tiny does not generate" in log
    assert "HTTP 401" in log
    assert "other" not in log


# The drain


def test_request_in_flight_ends_before_the_pod(place: Place) -> None:
    assert in_flight(place, {"requestsSeconds": 30}) == "length"


def test_without_a_drain_it_is_aborted(place: Place) -> None:
    """Else the test above would prove nothing."""
    assert in_flight(place, {}) == "abort"


def test_drain_that_is_too_short_is_told(place: Place) -> None:
    assert in_flight(place, {"requestsSeconds": 1}) == "abort"
    events = place.get("events", "--field-selector=reason=FailedPreStopHook")
    assert ["not drained after 1 s: 1 requests" in event["message"] for event in events] == [True]


# The download


@pytest.fixture
def claim(place: Place) -> Iterator[None]:
    """A claim with its volume, which belongs to no namespace."""
    size, modes = {"storage": "1Gi"}, ["ReadWriteMany"]
    common = {"accessModes": modes, "storageClassName": ""}
    held = {"hostPath": {"path": "/srv/weights"}, "claimRef": {"name": "weights", "namespace": place.namespace}}
    apply(place, "PersistentVolume", place.namespace, {**common, "capacity": size, **held})
    apply(place, "PersistentVolumeClaim", "weights", {**common, "resources": {"requests": size}})
    yield
    place.kubectl("delete", "persistentvolume", place.namespace, "--wait=false")


def apply(place: Place, kind: str, name: str, spec: Json) -> None:
    """Make an object."""
    item = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    place.run("sh", "-c", 'printf %s "$0" | kubectl apply --filename - "$@"', json.dumps(item))


def uids(place: Place, kind: str, *words: str) -> list[Any]:
    """Identities of all objects of a kind."""
    return [item["metadata"]["uid"] for item in place.get(kind, *words)]


@pytest.mark.parametrize("helm", HELMS)
def test_download_has_ended_before_there_is_a_pod(place: Place, claim: None, helm: str) -> None:
    place.helm(helm, "install", "tiny", str(CHART), *WAIT, values=merge(QUICK, DOWNLOAD))
    (job,) = place.get("jobs")
    assert job["status"]["succeeded"] == 1
    assert job["status"]["completionTime"] <= place.deployment("tiny")["metadata"]["creationTimestamp"]
    place.helm(helm, "upgrade", "tiny", str(CHART), *WAIT, values=merge(QUICK, DOWNLOAD))
    assert uids(place, "jobs") != [job["metadata"]["uid"]], "each upgrade asks again"


def test_download_that_fails_leaves_what_serves_alone(place: Place, claim: None) -> None:
    place.helm("Helm 3", "install", "tiny", str(CHART), *WAIT, values=QUICK)
    before = uids(place, "pods", "--selector=app.kubernetes.io/instance=tiny")
    broken = merge(merge(QUICK, DOWNLOAD), {"image": {"tag": "missing"}, "model": {"download": {"timeoutSeconds": 2}}})
    with pytest.raises(RefusedError) as refused:
        place.helm("Helm 3", "upgrade", "tiny", str(CHART), *WAIT, values=broken)
    assert "pre-upgrade hooks failed" in str(refused.value)
    assert uids(place, "pods", "--selector=app.kubernetes.io/instance=tiny") == before
