# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments, volumes and what is missing for them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.lab.kubelet.env import ConfigError, expand, references, resolve
from tests.lab.kubelet.volumes import mount_problem, volume_references

SECRET = {"data": {"token": base64.b64encode(b"s3cret").decode()}}
CONFIG = {"data": {"A": "1", "B": "2"}}
OBJECTS: dict[tuple[str, str], Any] = {
    ("Secret", "s"): SECRET,
    ("ConfigMap", "c"): CONFIG,
    ("Secret", "gone"): None,
    ("ConfigMap", "gone"): None,
}
POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"app": "x"}},
    "spec": {"nodeName": "n"},
    "status": {"podIP": "10.244.0.1", "podIPs": [{"ip": "10.244.0.1"}]},
}


def env(*entries: Any, **more: Any) -> dict[str, Any]:
    return {"env": list(entries), **more}


def key_of(kind: str, name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {f"{kind}KeyRef": {"name": name, "key": key, **more}}}


def field(path: str) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({}, {}),
        (env({"name": "X", "value": "v"}), {"X": "v"}),
        (env({"name": "X"}), {"X": ""}),
        (env({"name": "X", "value": "v"}, {"name": "Y", "value": "$(X)-$(Z)"}), {"X": "v", "Y": "v-$(Z)"}),
        (env(key_of("secret", "s", "token")), {"X": "s3cret"}),
        (env(key_of("configMap", "c", "A")), {"X": "1"}),
        (env(key_of("secret", "gone", "token", optional=True)), {}),
        (env(key_of("secret", "s", "other", optional=True)), {}),
        ({"envFrom": [{"configMapRef": {"name": "c"}, "prefix": "P_"}]}, {"P_A": "1", "P_B": "2"}),
        ({"envFrom": [{"secretRef": {"name": "gone", "optional": True}}]}, {}),
        (env({"name": "A", "value": "own"}, envFrom=[{"configMapRef": {"name": "c"}}]), {"A": "own", "B": "2"}),
        (env(field("metadata.name")), {"X": "p"}),
        (env(field("metadata.labels['app']")), {"X": "x"}),
        (env(field("metadata.annotations['none']")), {"X": ""}),
        (env(field("status.podIP")), {"X": "10.244.0.1"}),
        (env(field("status.podIPs")), {"X": "10.244.0.1"}),
        (
            env(
                {"name": "X", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
                resources={"limits": {"memory": "2Gi"}},
            ),
            {"X": "2048"},
        ),
        (
            env(
                {"name": "X", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}}},
                resources={"requests": {"cpu": "1500m"}},
            ),
            {"X": "2"},
        ),
    ],
)
def test_environment(container: dict[str, Any], expected: dict[str, str]) -> None:
    assert resolve(container, POD, OBJECTS) == expected


@pytest.mark.parametrize(
    ("container", "message"),
    [
        (env(key_of("secret", "gone", "token")), 'secret "gone" not found'),
        (env(key_of("configMap", "gone", "A")), 'configmap "gone" not found'),
        (env(key_of("secret", "s", "other")), "couldn't find key other in Secret ns/s"),
        (env(key_of("configMap", "c", "other")), "couldn't find key other in ConfigMap ns/c"),
        ({"envFrom": [{"secretRef": {"name": "gone"}}]}, 'secret "gone" not found'),
        ({"envFrom": [{"configMapRef": {"name": "gone"}}]}, 'configmap "gone" not found'),
    ],
)
def test_what_is_missing_is_named_as_a_kubelet_names_it(container: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        resolve(container, POD, OBJECTS)
    assert str(error.value) == message


def test_references_are_all_that_is_looked_up() -> None:
    container = env(key_of("secret", "s", "k"), field("metadata.name"), envFrom=[{"configMapRef": {"name": "c"}}])
    assert references(container) == {("Secret", "s"), ("ConfigMap", "c")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(A)", "x1y1"),
        ("$(NONE)", "$(NONE)"),
        ("$$(A)", "$(A)"),
        ("$$", "$"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("100$", "100$"),
        ("", ""),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


def volume(**source: Any) -> dict[str, Any]:
    return {"spec": {"volumes": [{"name": "v", **source}]}}


HEAD = 'MountVolume.SetUp failed for volume "v" : '


@pytest.mark.parametrize(
    ("pod", "problem"),
    [
        ({"spec": {}}, None),
        (volume(emptyDir={}), None),
        (volume(secret={"secretName": "s"}), None),
        (volume(secret={"secretName": "gone"}), HEAD + 'secret "gone" not found'),
        (volume(secret={"secretName": "gone", "optional": True}), None),
        (volume(secret={"secretName": "s", "items": [{"key": "k"}]}), HEAD + "references non-existent secret key: k"),
        (volume(configMap={"name": "gone"}), HEAD + 'configmap "gone" not found'),
        (volume(configMap={"name": "c", "items": [{"key": "k"}]}), HEAD + "references non-existent config key: k"),
        (volume(projected={"sources": [{"secret": {"name": "gone"}}]}), HEAD + 'secret "gone" not found'),
        (
            volume(persistentVolumeClaim={"claimName": "gone"}),
            HEAD + 'persistentvolumeclaim "gone" not found',
        ),
    ],
)
def test_volumes(pod: dict[str, Any], problem: str | None) -> None:
    assert mount_problem(pod, OBJECTS) == problem
    assert volume_references(pod) <= {*OBJECTS, ("PersistentVolumeClaim", "gone")}
