# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether each component of a running lab lives and answers."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab import cluster, state
from tests.lab.config import Lab
from tests.lab.kubeapi import KubeApi
from tests.lab.process import LOOPBACK
from tests.lab.stores import postgres_problem, valkey_problem

KUBELET_READY = "kubelet.ready"
_SECONDS = 3.0


@dataclass(frozen=True)
class Health:
    name: str
    pid: int | None
    address: str
    problem: str | None


def examine(lab: Lab) -> list[Health]:
    """One entry for each component, in the order in which they depend on each other."""
    living = state.living(Path(lab.state_dir))
    found = []
    for name, (address, problem) in _probes(lab).items():
        pid = living.get(name)
        found.append(Health(name, pid, address, problem() if pid else "its process has ended"))
    return found


def problem_of(lab: Lab) -> str | None:
    """The first thing that is wrong with this lab; None when it is healthy."""
    return next((f"{entry.name}: {entry.problem}" for entry in examine(lab) if entry.problem), None)


def http_problem(port: int, path: str, *, tls: bool = False) -> str | None:
    """Why a component's health page is not good; None when it answers 200."""
    connection = (
        http.client.HTTPSConnection(LOOPBACK, port, timeout=_SECONDS, context=_trusting())
        if tls
        else http.client.HTTPConnection(LOOPBACK, port, timeout=_SECONDS)
    )
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return None if status == http.HTTPStatus.OK else f"{path} answers {status}"


def _probes(lab: Lab) -> dict[str, tuple[str, Callable[[], str | None]]]:
    ports = {name: f"{LOOPBACK}:{port}" for name, port in lab.ports.items()}
    manager, scheduler = "kube-controller-manager", "kube-scheduler"
    return {
        "postgres": (ports["postgres"], lambda: postgres_problem(lab.database_url)),
        "valkey": (ports["valkey"], lambda: valkey_problem(lab.redis_url)),
        "etcd": (ports["etcd"], lambda: http_problem(lab.ports["etcd"], "/health")),
        "kube-apiserver": (ports["kube-apiserver"], lambda: KubeApi(Path(lab.kubeconfig)).ready_problem()),
        manager: (ports[manager], lambda: http_problem(lab.ports[manager], "/healthz", tls=True)),
        scheduler: (ports[scheduler], lambda: http_problem(lab.ports[scheduler], "/healthz", tls=True)),
        cluster.KWOK: (ports[cluster.KWOK], lambda: http_problem(lab.ports[cluster.KWOK], "/healthz")),
        "kubelet": ("-", lambda: kubelet_problem(Path(lab.state_dir))),
        "router": (ports["router"], lambda: http_problem(lab.ports["router"], "/healthz")),
    }


def kubelet_problem(state_dir: Path) -> str | None:
    return None if (state_dir / KUBELET_READY).exists() else "it does not watch its pods yet"


def _trusting() -> ssl.SSLContext:
    # These components sign their own certificates; the question is only whether they are healthy.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
