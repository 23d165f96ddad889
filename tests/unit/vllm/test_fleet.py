# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the waits for several models share, and what looks at each of them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import readiness
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ForbiddenError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observer import ReleaseObserver, UrlObserver
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.readiness import Fleet
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.target import Target, targets_from
from ansible_collections.ai_aas.inference.plugins.modules import vllm_ready

DEFAULTS = {name: option.get("default") for name, option in vllm_ready.ARGUMENTS.items()}


class Releases:
    """Followed releases that are never read."""

    made: list[Releases]

    def __init__(self, kube: Any, namespace: str, names: list[str], *, once: bool) -> None:
        self.kube, self.namespace, self.names, self.once = kube, namespace, names, once
        self.changes = dict.fromkeys(names)
        self.begun = self.ended = False
        self.made.append(self)

    def begin(self) -> None:
        self.begun = True

    def end(self) -> None:
        self.ended = True


class Secrets:
    """An API server that has a key in each namespace."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        self.source = kubeconfig, context

    def secret(self, namespace: str, name: str, key: str) -> str:
        if namespace == "closed":
            raise ForbiddenError("The Kubernetes API forbids to look", "secrets is forbidden")
        return "" if key == "empty" else f"{namespace}/{name}/{key}"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> type[Releases]:
    Releases.made = []
    monkeypatch.setattr(readiness, "Kube", Secrets)
    monkeypatch.setattr(readiness, "Releases", Releases)
    return Releases


def member(**given: Any) -> dict[str, Any]:
    return {**dict.fromkeys(vllm_ready.MODEL), **given}


def fleet_of(*models: dict[str, Any], **given: Any) -> tuple[Fleet, list[Target]]:
    params = {**DEFAULTS, "releases": [member(**each) for each in models], **given}
    targets = targets_from(params)
    return Fleet(params, targets, set(), once=False), targets


AN = {"model": "m", "release": "r", "namespace": "a"}
BN = {"model": "n", "release": "s", "namespace": "b"}
URL = {"model": "u", "url": "http://127.0.0.1:1"}


def test_each_namespace_is_followed_once(cluster: type[Releases]) -> None:
    fleet, targets = fleet_of(AN, BN, URL, {**BN, "model": "o"}, {**AN, "release": "q"})
    assert {each.namespace: each.names for each in cluster.made} == {"a": ["q", "r"], "b": ["s"]}
    assert all(each.begun for each in cluster.made)
    kinds = [type(fleet.observer(target)) for target in targets]
    assert kinds == [ReleaseObserver, ReleaseObserver, UrlObserver, ReleaseObserver, ReleaseObserver]
    fleet.end()
    assert all(each.ended for each in cluster.made)


def test_a_url_needs_no_cluster(cluster: type[Releases]) -> None:
    fleet, targets = fleet_of(URL)
    assert cluster.made == []
    assert isinstance(fleet.observer(targets[0]), UrlObserver)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({}, None),
        ({"api_key": "k"}, "k"),
        ({"api_key_secret": {"name": "s", "key": "x"}}, "a/s/x"),
        ({"api_key_secret": {"name": "s", "key": "empty"}}, ""),
    ],
)
def test_the_key_is_sent(cluster: type[Releases], given: dict[str, Any], key: str | None) -> None:
    fleet, targets = fleet_of(AN, **given)
    observer = fleet.observer(targets[0])
    assert isinstance(observer, ReleaseObserver)
    assert observer.route.authorise() == ({"Authorization": f"Bearer {key}"} if key else {})
    # Ansible knows those that were given to it itself.
    assert fleet.hidden == ({key} if key and "api_key_secret" in given else set())


def test_each_release_has_the_key_of_its_own_namespace(cluster: type[Releases]) -> None:
    """`api_key_secret` is "the Secret in the release's namespace", and holds for each of `releases`."""
    fleet, targets = fleet_of(AN, BN, api_key_secret={"name": "s", "key": "x"})
    observers = [fleet.observer(target) for target in targets]
    keys = [each.route.authorise()["Authorization"] for each in observers if isinstance(each, ReleaseObserver)]
    assert keys == ["Bearer a/s/x", "Bearer b/s/x"]


def test_a_key_that_may_not_be_read(cluster: type[Releases]) -> None:
    fleet, targets = fleet_of({**AN, "namespace": "closed"}, api_key_secret={"name": "s", "key": "x"})
    observer = fleet.observer(targets[0])
    assert isinstance(observer, ReleaseObserver)
    with pytest.raises(InferenceError, match="secrets is forbidden"):
        observer.route.authorise()


@pytest.mark.parametrize("key", ["k\n", "k\r\nX: y", "k\0", "schlüssel"])
def test_a_key_that_no_header_can_hold_is_refused_unseen(cluster: type[Releases], key: str) -> None:
    fleet, targets = fleet_of(URL, api_key=key)
    with pytest.raises(InvalidInputError, match="Invalid api_key") as caught:
        fleet.observer(targets[0])
    assert key not in caught.value.message


def test_the_proxy_takes_no_key(cluster: type[Releases]) -> None:
    fleet, targets = fleet_of(AN, URL, transport="api_proxy", api_key="k")
    with pytest.raises(InvalidInputError, match="Invalid transport: api_proxy"):
        fleet.observer(targets[0])
    assert isinstance(fleet.observer(targets[1]), UrlObserver)
    fleet, targets = fleet_of(AN, transport="api_proxy")
    assert isinstance(fleet.observer(targets[0]), ReleaseObserver)


@pytest.mark.parametrize(
    ("given", "tls"),
    [
        ({}, None),
        ({"scheme": "https"}, ("r.a.svc.cluster.local", True, None)),
        ({"scheme": "https", "tls_server_name": "x", "validate_certs": False, "ca_cert": "/ca"}, ("x", False, "/ca")),
    ],
)
def test_tls_of_a_release(
    cluster: type[Releases], given: dict[str, Any], tls: tuple[str, bool, str | None] | None
) -> None:
    fleet, targets = fleet_of(AN, **given)
    observer = fleet.observer(targets[0])
    assert isinstance(observer, ReleaseObserver)
    found = observer.route.tls
    assert (found and (found.name, found.validate, found.ca_cert)) == tls


@pytest.mark.parametrize(("interval", "of_url", "of_release"), [(None, 0.1, 1.0), (0.05, 0.05, 0.05), (7.0, 7.0, 7.0)])
def test_interval(cluster: type[Releases], interval: float | None, of_url: float, of_release: float) -> None:
    fleet, targets = fleet_of(URL, AN, interval=interval)
    assert [fleet.observer(target).interval for target in targets] == [of_url, of_release]
