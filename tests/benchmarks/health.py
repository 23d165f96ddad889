# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweeps over many models: how many a second, what hung ones cost the others, and how much memory it takes.

The checker is the module in a process of its own, the models are another one, and PostgreSQL is the third, all on this
machine: what they share of its cores is part of each figure.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.modules import model_registry_health

from tests.benchmarks.figures import Figures
from tests.integration.health.fleet import Fleet, running
from tests.integration.health.scene import Scene
from tests.integration.registry.conftest import ADMIN_PASSWORD, Registry, Server
from tests.lab import state, stores
from tests.lab.process import free_ports

FIGURES = Figures("health", "A health sweep over many models")
MODELS = 1000
HUNG = 50
ROUNDS = 5
TIMEOUT = 5.0
# A claim is marked by a time that is 15 s old.
WRITTEN = "SELECT count(*) FROM model_registry_entries WHERE last_health_check_at > now() - interval '5 s'"


class Run(NamedTuple):
    """One sweep: the module's result, its process's seconds and memory, and how many rows were written when."""

    result: dict[str, Any]
    seconds: float
    megabytes: float
    written: Sequence[tuple[float, int]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.health", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--models", type=int, default=MODELS)
    options = parser.parse_args()
    with scene_of(options.models) as (scene, fleet):
        healthy = [sweep(scene) for _unused in range(options.rounds)]
        assert all(run.result["healthy"] == options.models for run in healthy)
        rates = [options.models / run.result["timings"]["sweep"] for run in healthy]
        FIGURES.add("healthy models a second, claimed, asked and written", rates, ">= 500 1/s", "1/s")
        FIGURES.add("the whole module", [run.seconds for run in healthy])
        FIGURES.add("its writes", [run.result["timings"]["write"] for run in healthy])
        models = sorted(scene.statuses())
        fleet.behave(dict.fromkeys(models[:: options.models // HUNG], "hung"))
        hung = [sweep(scene, failures=1000) for _unused in range(options.rounds)]
        assert all(run.result["failing"] == HUNG for run in hung)
        what = f"of {options.models} with {HUNG} hung, timeout {TIMEOUT:g} s"
        FIGURES.add(f"a sweep {what}", [run.result["timings"]["sweep"] for run in hung], "< 10 s")
        others = options.models - HUNG
        FIGURES.add(f"until the {others} others are written", [moment(run, others) for run in hung])
        FIGURES.add("peak memory of the process", [run.megabytes for run in healthy + hung], "< 200 MB", "MB")
    FIGURES.save()
    return 0


@contextlib.contextmanager
def scene_of(count: int) -> Iterator[tuple[Scene, Fleet]]:
    """A registry of the collection's own layout with so many models."""
    with tempfile.TemporaryDirectory() as folder, running() as fleet:
        try:
            port = free_ports(["postgres"])["postgres"]
            os.chmod(folder, 0o755)  # noqa: S103
            stores.start_postgres(Path(folder), port, ADMIN_PASSWORD)
            server = Server(port)
            server.execute("postgres", "CREATE DATABASE superset")
            registry = Registry(server, "superset")
            registry.schema()
            scene = Scene(registry, fleet.address)
            scene.add_many(count)
            yield scene, fleet
        finally:
            state.end_all(Path(folder), grace=5)


def sweep(scene: Scene, **given: Any) -> Run:
    """One sweep in a process of its own, while the rows that it has written are counted."""
    scene.make_due()
    params = scene.params(timeout=TIMEOUT, interval=60.0, jitter=0.5, **given)
    arguments = {"ANSIBLE_MODULE_ARGS": {name: value for name, value in params.items() if value is not None}}
    with tempfile.TemporaryDirectory() as folder:
        file, output = Path(folder) / "arguments.json", Path(folder) / "output.json"
        file.write_text(json.dumps(arguments))
        begin, ended = time.monotonic(), threading.Event()
        written: list[tuple[float, int]] = []
        counting = threading.Thread(target=count_rows, args=(scene, begin, ended, written))
        with output.open("w") as stdout:
            command = [sys.executable, str(model_registry_health.__file__), str(file)]
            process = subprocess.Popen(command, stdout=stdout)
            counting.start()
            _pid, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        counting.join()
        assert process.returncode == 0, output.read_text()
        return Run(json.loads(output.read_text()), seconds, usage.ru_maxrss / 1024, written)


def count_rows(scene: Scene, begin: float, ended: threading.Event, written: list[tuple[float, int]]) -> None:
    while not ended.wait(0.1):
        count = scene.registry.execute(WRITTEN)[0][0]
        written.append((time.monotonic() - begin, count))


def moment(run: Run, count: int) -> float:
    """Seconds from the start of the process until so many rows were written."""
    return next(seconds for seconds, rows in run.written if rows >= count)


if __name__ == "__main__":
    sys.exit(main())
