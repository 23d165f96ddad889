# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod network: addresses that nobody can reach, and the ports of this machine that stand for theirs."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab.kubelet.api import Api, ApiError
from tests.lab.kubelet.commands import Program, is_reachable, own_port, place
from tests.lab.kubelet.names import Address, find_addresses, ready_ports, replace
from tests.lab.kubelet.probe_io import Target

Json = dict[str, Any]

# Below the range that the kernel takes for outgoing connections, which would take them away again.
PORTS = range(20000, 30000)
APPLY = "application/apply-patch+yaml"
KWOK = "kwok.x-k8s.io/v1alpha1"


class Network:
    """Shared by all pods."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.addresses: dict[str, str] = {}
        self.ports: dict[str, dict[int, int]] = {}
        self._last = 0

    def assign(self, pod: Json, host_ip: str) -> str:
        """A pod's address: the one that it had if that is still free, else a new one."""
        uid = pod["metadata"]["uid"]
        if pod["spec"].get("hostNetwork"):
            return host_ip
        taken = {address for other, address in self.addresses.items() if other != uid}
        address = pod.get("status", {}).get("podIP") or ""
        while not address or address in taken:
            self._last = self._last % (255 * 254) + 1
            address = f"10.244.{(self._last - 1) // 254}.{(self._last - 1) % 254 + 1}"
        self.addresses[uid] = address
        return address

    def reserve(self, pod: Json) -> None:
        """Take note of the address of a pod that was there before this kubelet."""
        address = pod.get("status", {}).get("podIP")
        if address and not pod["spec"].get("hostNetwork"):
            self.addresses.setdefault(pod["metadata"]["uid"], address)

    def open(self, uid: str, program: Program) -> list[str]:
        """A program's words, with a real port for a server's own."""
        words = program.words or []
        if not program.is_vllm:
            return words
        port = own_port(words)
        known = self.ports.setdefault(uid, {})
        if port not in known or not is_free(known[port]):
            known[port] = self._free_port()
        return place(words, known[port])

    async def resolve(self, program: Program) -> Program:
        """The program with the names of Services in its words replaced by where a ready pod of theirs really is."""
        if program.words is None or program.is_vllm:
            return program
        real = {address: await self._real_port(address) for address in find_addresses(program.words)}
        known = {address: port for address, port in real.items() if port is not None}
        return program._replace(words=replace(program.words, known))

    async def _real_port(self, address: Address) -> int | None:
        slices = f"/apis/discovery.k8s.io/v1/namespaces/{address.namespace}/endpointslices"
        try:
            service = await self.api.call("GET", f"/api/v1/namespaces/{address.namespace}/services/{address.service}")
            found = await self.api.call("GET", f"{slices}?labelSelector=kubernetes.io/service-name={address.service}")
        except ApiError:
            return None
        ports = (self.ports.get(uid, {}).get(port) for uid, port in ready_ports(service, found["items"], address.port))
        return next((port for port in ports if port is not None), None)

    def _free_port(self) -> int:
        taken = {real for ports in self.ports.values() for real in ports.values()}
        # Two kubelets beside each other seldom meet when they do not begin at the same end.
        for port in random.sample(PORTS, len(PORTS)):
            if port not in taken and is_free(port):
                return port
        raise OSError(f"no free port in {PORTS}")

    def target(self, pod: Json, container: Json, program: Program, env: Mapping[str, str], folder: Path) -> Target:
        """How probes and hooks reach a container."""
        uid = pod["metadata"]["uid"]
        named = {entry["name"]: entry["containerPort"] for entry in container.get("ports", []) if "name" in entry}
        reachable = not program.is_vllm or is_reachable(program.words or [])
        address = self.addresses.get(uid, "")
        return Target(address, named, self.ports.setdefault(uid, {}), reachable, env, folder)

    def release(self, uid: str) -> None:
        """The pod is gone."""
        self.addresses.pop(uid, None)
        self.ports.pop(uid, None)

    async def publish_ports(self, pod: Json) -> None:
        """Tell kwok, so that `kubectl port-forward` finds the processes."""
        forwards = [
            {"ports": [port], "target": {"address": "127.0.0.1", "port": real}}
            for port, real in self.ports.get(pod["metadata"]["uid"], {}).items()
        ]
        if forwards:
            await self._apply(pod, "PortForward", {"forwards": forwards})

    async def publish_logs(self, pod: Json, folder: Path, names: Sequence[str]) -> None:
        """Tell kwok, so that `kubectl logs` finds the files."""
        logs = [
            {
                "containers": [name],
                "logsFile": str(folder / name / "current.log"),
                "previousLogsFile": str(folder / name / "previous.log"),
            }
            for name in names
        ]
        await self._apply(pod, "Logs", {"logs": logs})

    async def _apply(self, pod: Json, kind: str, spec: Json) -> None:
        meta = pod["metadata"]
        owner = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        head = {"name": meta["name"], "namespace": meta["namespace"], "ownerReferences": [owner]}
        path = f"{_collection(pod, kind)}/{meta['name']}?fieldManager=lab-kubelet&force=true"
        await self.api.call("PATCH", path, {"apiVersion": KWOK, "kind": kind, "metadata": head, "spec": spec}, APPLY)

    async def withdraw(self, pod: Json) -> None:
        """Remove both again."""
        for kind in ("PortForward", "Logs"):
            try:
                await self.api.call("DELETE", f"{_collection(pod, kind)}/{pod['metadata']['name']}")
            except ApiError as error:
                if error.status != 404:
                    raise


def _collection(pod: Json, kind: str) -> str:
    plural = {"PortForward": "portforwards", "Logs": "logs"}[kind]
    return f"/apis/{KWOK}/namespaces/{pod['metadata']['namespace']}/{plural}"


def is_free(port: int) -> bool:
    """Whether a server could bind it."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
