# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes control plane and its fake nodes, started by kwokctl from our own binaries."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.lab import build, state
from tests.lab.kubeapi import KubeApi, Object
from tests.lab.paths import MANIFESTS
from tests.lab.process import LOOPBACK, Daemon, environment, run, start, wait_until

# What kwokctl starts. kwok itself is ours to start: begun before its CRDs exist, it backs off for seconds.
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
KWOK = "kwok-controller"
_PORT_OPTIONS = {
    "etcd": "etcdPort",
    "etcd-peer": "etcdPeerPort",
    "kube-apiserver": "kubeApiserverPort",
    "kube-controller-manager": "kubeControllerManagerPort",
    "kube-scheduler": "kubeSchedulerPort",
}
PORTS = (*_PORT_OPTIONS, KWOK)
NODES = ("gpu-node-0", "gpu-node-1", "cpu-node-0")

_NAME = "lab"
_SECONDS = 60.0
_CRDS = ("Stage", "PortForward", "Logs")
_BINARY_OPTIONS = {
    "etcdBinary": build.ETCD,
    "kubeApiserverBinary": "kube-apiserver",
    "kubeControllerManagerBinary": "kube-controller-manager",
    "kubeSchedulerBinary": "kube-scheduler",
    "kubectlBinary": "kubectl",
}


def kubeconfig(state_dir: Path) -> Path:
    return state_dir / "kubeconfig"


@dataclass(frozen=True)
class Component:
    """A process that kwokctl started; its pid file is all that kwokctl tells of it."""

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "logs" / f"{self.name}.log"

    def pid(self) -> int | None:
        """None before it was started."""
        path = self.folder / "pids" / f"{self.name}.pid"
        content = path.read_text(encoding="ascii") if path.is_file() else ""
        return int(content) if content else None

    def has_ended(self) -> bool:
        pid = self.pid()
        return pid is not None and state.start_time(pid) is None


def components(state_dir: Path) -> list[Component]:
    return [Component(name, state_dir / "kwok" / "clusters" / _NAME) for name in COMPONENTS]


def start_control_plane(state_dir: Path, ports: Mapping[str, int]) -> None:
    """Create the cluster and record its processes. Afterwards its API answers, without nodes."""
    try:
        run(
            state_dir,
            "kwokctl",
            _command(state_dir, ports),
            seconds=_SECONDS,
            extra_environment=_environment(state_dir),
            watched=components(state_dir),
        )
    finally:
        _record(state_dir)


def add_nodes(state_dir: Path, port: int) -> Daemon:
    """Make the nodes, start kwok to keep them alive, and wait until pods could be scheduled on them."""
    api = KubeApi(kubeconfig(state_dir))
    for node in _manifest("nodes.yaml"):
        api.create("/api/v1/nodes", node)
    watched = components(state_dir)
    wait_until("kwok's CRDs", lambda: _not_served(api), watched, _SECONDS, watched[-1].log)
    kwok = _start_kwok(state_dir, port)
    # The API server holds the first object of a new CRD back for two seconds.
    for stage in yaml.safe_load((MANIFESTS / "stages.yaml").read_text(encoding="utf-8"))["items"]:
        api.create("/apis/kwok.x-k8s.io/v1alpha1/stages", stage)
    wait_until("the nodes to be schedulable", lambda: _not_schedulable(api), [kwok, *watched], _SECONDS)
    return kwok


def _manifest(name: str) -> list[Object]:
    items: list[Object] = yaml.safe_load((MANIFESTS / name).read_text(encoding="utf-8"))["items"]
    return items


def _start_kwok(state_dir: Path, port: int) -> Daemon:
    pki = state_dir / "kwok" / "clusters" / _NAME / "pki"
    return start(
        state_dir,
        KWOK,
        [
            build.binaries() / "kwok",
            "--manage-all-nodes=true",
            f"--kubeconfig={kubeconfig(state_dir)}",
            f"--config={os.devnull}",
            f"--tls-cert-file={pki / 'admin.crt'}",
            f"--tls-private-key-file={pki / 'admin.key'}",
            f"--node-ip={LOOPBACK}",
            f"--node-port={port}",
            f"--server-address={LOOPBACK}:{port}",
            "--node-lease-duration-seconds=200",
            f"--enable-crds={','.join(_CRDS)}",
        ],
    )


def _configuration(ports: Mapping[str, int]) -> dict[str, object]:
    """kwokctl's configuration: nothing is left to its defaults, which bind to all interfaces and download binaries."""
    options: dict[str, object] = {"runtime": "binary", "bindAddress": LOOPBACK, "enableCRDs": list(_CRDS)}
    for name, option in _PORT_OPTIONS.items():
        options[option] = ports[name]
    for option, binary in _BINARY_OPTIONS.items():
        options[option] = str(build.binaries() / binary)
    return {"apiVersion": "config.kwok.x-k8s.io/v1alpha1", "kind": "KwokctlConfiguration", "options": options}


def _command(state_dir: Path, ports: Mapping[str, int]) -> list[str | Path]:
    configuration = state_dir / "kwokctl.yaml"
    configuration.write_text(yaml.safe_dump(_configuration(ports)), encoding="utf-8")
    command: list[str | Path] = [build.binaries() / "kwokctl", "--name", _NAME, "--config", configuration]
    return [*command, "create", "cluster", "--kubeconfig", kubeconfig(state_dir), "--disable", KWOK]


def _environment(state_dir: Path) -> dict[str, str]:
    # Our own kubectl first in PATH: kwokctl would download one.
    return {"KWOK_WORKDIR": str(state_dir / "kwok"), "PATH": f"{build.tools()}:{environment(state_dir)['PATH']}"}


def _record(state_dir: Path) -> None:
    """kwokctl leaves pid files without a start time: turn them into records as soon as it has ended."""
    for component in components(state_dir):
        if (pid := component.pid()) and not component.has_ended():
            state.record(state_dir, component.name, pid)


def _not_served(api: KubeApi) -> str | None:
    served = [api.is_served(f"/apis/kwok.x-k8s.io/v1alpha1/{kind.lower().removesuffix('s')}s") for kind in _CRDS]
    return None if all(served) else "the API server does not serve them yet"


def _not_schedulable(api: KubeApi) -> str | None:
    """Why a pod could not be scheduled yet; None when it could."""
    nodes = {node["metadata"]["name"]: node for node in api.get("/api/v1/nodes")["items"]}
    for name in NODES:
        conditions = nodes.get(name, {}).get("status", {}).get("conditions", [])
        if not any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions):
            return f"node {name} is not Ready"
        taints = [taint["key"] for taint in nodes[name]["spec"].get("taints", [])]
        if any(taint.startswith("node.kubernetes.io/") for taint in taints):
            return f"node {name} is still tainted with {', '.join(taints)}"
    # Without it the API server refuses every pod.
    accounts = api.get("/api/v1/namespaces/default/serviceaccounts")["items"]
    return None if accounts else "namespace default has no service account yet"
