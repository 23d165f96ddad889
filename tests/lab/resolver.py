# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's DNS: `<service>.<namespace>.svc.cluster.local:<port>` to the process of a ready pod.

There are no routable pods and no DNS here. The kubelet runs one process per pod and maps the pod's
ports to it with a PortForward of kwok; a Service's ready endpoints come from its EndpointSlices.
The mapping is pure; a mirror of the three kinds is kept by watching.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import requests

from tests.lab.kubeapi import ExpiredError, KubeApi, Object

SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
FORWARDS = "/apis/kwok.x-k8s.io/v1alpha1/portforwards"

_SERVICE_OF_SLICE = "kubernetes.io/service-name"
_RETRY_SECONDS = 0.5


class UnresolvableError(Exception):
    """There is no process behind this name now, and the message says what is missing."""


class Key(NamedTuple):
    namespace: str
    name: str


class Target(NamedTuple):
    address: str
    port: int


@dataclass(frozen=True)
class Snapshot:
    """What the cluster says at one moment."""

    services: Mapping[Key, Object]
    slices: Mapping[Key, Object]
    forwards: Mapping[Key, Object]


def candidates(snapshot: Snapshot, host: str, port: int) -> list[Target]:
    """The processes behind a service name and port, one for each ready pod."""
    service = _service_key(host)
    found = snapshot.services.get(service)
    if found is None:
        raise UnresolvableError(f"there is no Service {service.name} in namespace {service.namespace}")
    port_name = _port_name(service, found, port)
    pods = _ready_pods(snapshot.slices, service, port_name)
    if not pods:
        raise UnresolvableError(f"Service {service.name} in namespace {service.namespace} has no ready endpoint")
    targets = [_target(snapshot.forwards.get(pod), pod_port) for pod, pod_port in pods]
    reachable = [target for target in targets if target]
    if not reachable:
        names = ", ".join(sorted({pod.name for pod, _port in pods}))
        raise UnresolvableError(f"no process serves port {port} of the ready pods {names}")
    return reachable


def _service_key(host: str) -> Key:
    name, _dot, rest = host.removesuffix(".").removesuffix(".cluster.local").removesuffix(".svc").partition(".")
    if not name or not rest or "." in rest:
        raise UnresolvableError(f"{host} is not of the form <service>.<namespace>.svc.cluster.local")
    return Key(rest, name)


def _port_name(key: Key, service: Object, port: int) -> str:
    """The name that a Service port has in its EndpointSlices; a single port may have none."""
    ports = service["spec"].get("ports") or []
    for entry in ports:
        if entry["port"] == port:
            return str(entry.get("name") or "")
    known = ", ".join(str(entry["port"]) for entry in ports) or "none"
    raise UnresolvableError(f"Service {key.name} in namespace {key.namespace} has no port {port} (it has: {known})")


def _ready_pods(slices: Mapping[Key, Object], service: Key, port_name: str) -> list[tuple[Key, int]]:
    pods: list[tuple[Key, int]] = []
    for key, entry in sorted(slices.items()):
        labels = entry["metadata"].get("labels") or {}
        if key.namespace != service.namespace or labels.get(_SERVICE_OF_SLICE) != service.name:
            continue
        ports = [found["port"] for found in entry.get("ports") or [] if (found.get("name") or "") == port_name]
        for endpoint in entry.get("endpoints") or []:
            reference = endpoint.get("targetRef") or {}
            # An unknown readiness counts as ready: so the API's documentation says.
            ready = (endpoint.get("conditions") or {}).get("ready") is not False
            if ready and reference.get("kind") == "Pod":
                pods += [(Key(key.namespace, reference["name"]), port) for port in ports]
    return pods


def _target(forward: Object | None, pod_port: int) -> Target | None:
    for entry in forward["spec"]["forwards"] if forward else []:
        # A rule without ports stands for all of them.
        if not entry.get("ports") or pod_port in entry["ports"]:
            return Target(entry["target"].get("address") or "127.0.0.1", entry["target"]["port"])
    return None


class Mirror(threading.Thread):
    """Keeps the objects of one kind as the API server has them. Errors are logged and retried."""

    def __init__(self, kubeconfig: Path, path: str, stopped: threading.Event) -> None:
        super().__init__(name=f"mirror {path}", daemon=True)
        self._kubeconfig = kubeconfig
        self._path = path
        self._stopped = stopped
        self._lock = threading.Lock()
        self._objects: dict[Key, Object] = {}
        self.listed = threading.Event()

    def objects(self) -> dict[Key, Object]:
        with self._lock:
            return dict(self._objects)

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                api = KubeApi(self._kubeconfig)
                version = self._list(api)
                while not self._stopped.is_set():
                    version = self._follow(api, version)
            except ExpiredError as error:
                _complain(f"{self._path}: listing again, since the watch expired: {error}")
            except (requests.RequestException, OSError, ValueError) as error:
                if self._stopped.is_set():
                    return
                _complain(f"{self._path}: watching again in {_RETRY_SECONDS} s, since it failed: {error}")
                self._stopped.wait(_RETRY_SECONDS)

    def _list(self, api: KubeApi) -> str:
        answer = api.get(self._path)
        with self._lock:
            self._objects = {_key(item): item for item in answer["items"]}
        self.listed.set()
        return str(answer["metadata"]["resourceVersion"])

    def _follow(self, api: KubeApi, version: str) -> str:
        """Apply events until the server ends the watch; return the version to resume from."""
        for kind, item in api.watch(self._path, version):
            version = item["metadata"]["resourceVersion"]
            with self._lock:
                if kind == "DELETED":
                    self._objects.pop(_key(item), None)
                elif kind in ("ADDED", "MODIFIED"):
                    self._objects[_key(item)] = item
            if self._stopped.is_set():
                break
        return version


class Resolver:
    """Answers from the mirrors; the ready pods of a Service take turns."""

    def __init__(self, kubeconfig: Path) -> None:
        self._stopped = threading.Event()
        self._services, self._slices, self._forwards = (
            Mirror(kubeconfig, path, self._stopped) for path in (SERVICES, SLICES, FORWARDS)
        )
        self._turn = itertools.count()

    def start(self, seconds: float) -> None:
        """Begin to watch, and wait until each kind was listed once."""
        for mirror in self._mirrors:
            mirror.start()
        for mirror in self._mirrors:
            if not mirror.listed.wait(seconds):
                raise UnresolvableError(f"{mirror.name} got no list from the API server within {seconds:.0f} s")

    def stop(self) -> None:
        self._stopped.set()

    def resolve(self, host: str, port: int) -> Target:
        snapshot = Snapshot(*(mirror.objects() for mirror in self._mirrors))
        found = candidates(snapshot, host, port)
        return found[next(self._turn) % len(found)]

    @property
    def _mirrors(self) -> Sequence[Mirror]:
        return (self._services, self._slices, self._forwards)


def _key(item: Object) -> Key:
    return Key(item["metadata"]["namespace"], item["metadata"]["name"])


def _complain(message: str) -> None:
    print(f"resolver: {message}", file=sys.stderr, flush=True)
