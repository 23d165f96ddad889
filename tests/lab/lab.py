# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing a lab up and taking it down."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from tests.lab import build, cluster, config, health, state, stores
from tests.lab.config import Lab
from tests.lab.errors import StartError
from tests.lab.lock import held
from tests.lab.paths import make_private
from tests.lab.process import Daemon, Watched, free_ports, start, wait_until

Report = Callable[[str], None]

_PORTS = ("postgres", "valkey", "router", *cluster.PORTS)
_ATTEMPTS = 3
_GRACE_SECONDS = 5.0
_SECONDS = 60.0


def up(state_dir: Path, report: Report) -> Lab:
    """A running lab: the one that is there if it is healthy, a new one otherwise."""
    with _only_one(state_dir, report):
        current = config.load(state_dir)
        reason = _why_anew(current)
        if current is not None and reason is None:
            report(f"lab {current.name} is up already")
            return current
        if current is not None:
            report(f"lab {current.name} is started anew: {reason}")
        build.ensure(report)
        return _start_with_retries(state_dir, report)


def down(state_dir: Path, report: Report) -> None:
    """End everything that belongs to the lab and remove its state."""
    if not state_dir.exists():
        report(f"lab {state_dir.name} is not up")
        return
    with _only_one(state_dir, report):
        _clear(state_dir)
    report(f"lab {state_dir.name} is down")


def _why_anew(lab: Lab | None) -> str | None:
    if lab is None:
        return "it is not up"
    if lab.build != build.key():
        return "its control plane is of another build"
    return health.problem_of(lab)


def _start_with_retries(state_dir: Path, report: Report) -> Lab:
    """Ports are chosen before they are bound; if another process takes one meanwhile, choose new ones."""
    for attempt in range(1, _ATTEMPTS + 1):
        began = time.monotonic()
        _clear(state_dir)
        make_private(state_dir)
        try:
            lab = _start(state_dir, report)
        except BaseException as error:
            # Nothing may stay behind, whatever the reason, Ctrl-C included. The logs stay.
            state.end_all(state_dir, grace=0)
            if not isinstance(error, StartError) or not error.port_taken or attempt == _ATTEMPTS:
                raise
            report("another process took one of the ports; trying again with others")
        else:
            report(f"lab {lab.name} is up after {time.monotonic() - began:.1f} s, state in {state_dir}")
            return lab
    raise AssertionError("unreachable: the last attempt returns or raises")


def _start(state_dir: Path, report: Report) -> Lab:
    lab = _plan(state_dir)
    report("starting PostgreSQL, Valkey and the control plane")
    with ThreadPoolExecutor() as pool:
        started = [
            pool.submit(stores.start_postgres, state_dir, lab.ports["postgres"], _password(lab)),
            pool.submit(stores.start_valkey, state_dir, lab.ports["valkey"]),
        ]
        cluster.start_control_plane(state_dir, lab.ports)
        for future in started:
            future.result()
    report("starting the router and the kubelet, waiting for the nodes")
    router = _start_router(lab)
    kubelet = _start_kubelet(lab)
    kwok = cluster.add_nodes(state_dir, lab.ports[cluster.KWOK])
    watched: list[Watched] = [router, kubelet, kwok, *cluster.components(state_dir)]
    wait_until("all components to be healthy", lambda: health.problem_of(lab), watched, _SECONDS)
    lab.save()
    return lab


def _plan(state_dir: Path) -> Lab:
    ports = free_ports(_PORTS)
    password = secrets.token_urlsafe(16)
    return Lab(
        name=state_dir.name,
        state_dir=str(state_dir),
        build=build.key(),
        ports=ports,
        database_url=stores.database_url(ports["postgres"], password),
        superuser_url=stores.database_url(ports["postgres"], password, stores.SUPERUSER, "postgres"),
        redis_url=stores.redis_url(ports["valkey"]),
        kubeconfig=str(cluster.kubeconfig(state_dir)),
        router_api_key=os.environ.get("LAB_ROUTER_API_KEY") or None,
    )


def _password(lab: Lab) -> str:
    return lab.database_url.partition("//")[2].partition("@")[0].partition(":")[2]


def _start_router(lab: Lab) -> Daemon:
    # By environment and not as arguments: process lists are for everyone to read.
    settings = {"KUBECONFIG": lab.kubeconfig, "DATABASE_URL": lab.database_url, "REDIS_URL": lab.redis_url}
    settings["LAB_ROUTER_API_KEY"] = lab.router_api_key or ""
    command = [sys.executable, "-m", "tests.lab.router", "--port", str(lab.ports["router"])]
    return start(Path(lab.state_dir), "router", command, extra_environment=settings)


def _start_kubelet(lab: Lab) -> Daemon:
    command = [sys.executable, "-m", "tests.lab.kubelet", "--kubeconfig", lab.kubeconfig, "--state-dir", lab.state_dir]
    return start(Path(lab.state_dir), "kubelet", command)


def _clear(state_dir: Path) -> None:
    """End what the records name and remove the state."""
    # The kubelet first, and with patience: it ends the pods' processes itself.
    state.end(state_dir, "kubelet", _GRACE_SECONDS)
    state.end(state_dir, "postgres", _GRACE_SECONDS)
    # The others lose nothing that will be kept.
    state.end_all(state_dir, grace=0)
    stores.free_shared_memory(state_dir)
    if state_dir.exists():
        shutil.rmtree(state_dir)


def _only_one(state_dir: Path, report: Report) -> AbstractContextManager[None]:
    """One `up` or `down` of a lab at a time. The lock lies beside the state, which comes and goes."""
    make_private(state_dir.parent)
    return held(state_dir.with_name(f"{state_dir.name}.lock"), f"lab {state_dir.name}", report)
