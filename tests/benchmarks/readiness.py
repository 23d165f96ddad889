# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon vllm_ready tells that a model generates, or never will, beside helm's wait and retries of uri.

The moments that it is measured from are seen by a watch and by questions of the benchmark's own, in another process.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figures
from tests.benchmarks.registry import finish as finish_play
from tests.benchmarks.registry import play
from tests.benchmarks.registry import start as start_play
from tests.benchmarks.scene import DELAY, Bench, end_of, helm, laboratory, loading, uri
from tests.benchmarks.watching import Starter, able, generates, stand_in
from tests.integration.readiness.deployments import MODEL, container, document, parameters
from tests.integration.readiness.measured import Measured, finish, measured, waiting
from tests.lab.process import free_ports

FIGURES = Figures("readiness", "How soon it is known that a model generates, or never will")
ROUNDS = 20
TASK_ROUNDS = 8
FAULT_ROUNDS = 5
MANY = 50
PATIENCE = 120.0
READY = "ai_aas.inference.vllm_ready"
# Random, so that nothing becomes ready in step with whoever looks at it; as tasks, over a whole delay of uri's retries.
LOAD = 1.5, 2.5
LOAD_FOR_TASKS = 2.5, 7.5
# All of many processes have been started before the first of them is loaded.
LOAD_OF_MANY = 20.0, 25.0
MISSING_SECRET = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "x"}}}
# What each mistake is told as: the container, and the model that is waited for.
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "bad_flag": (container(env={"LAB_VLLM_FAULT": "bad-flag"}), MODEL),
    "config_missing": (container(env_from=[MISSING_SECRET]), MODEL),
    "image_not_found": (container(image="vllm/vllm-openai:missing"), MODEL),
    "wrong_name": (container(env={"LAB_VLLM_LOAD_SECONDS": "0.5"}), "b"),
}

Seconds = list[float]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.readiness", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of waits in a process")
    parser.add_argument("--task-rounds", type=int, default=TASK_ROUNDS, help="of Ansible's tasks")
    parser.add_argument("--fault-rounds", type=int, default=FAULT_ROUNDS, help="of each mistake")
    parser.add_argument("--many", type=int, default=MANY, help="releases in one process")
    options = parser.parse_args()
    urls(options.rounds)
    url_tasks(options.task_rounds)
    with laboratory() as bench:
        releases(bench, options.rounds)
        release_tasks(bench, options.task_rounds)
        mistakes(bench, options.fault_rounds)
        many(bench, options.many)
    FIGURES.save()
    return 0


def urls(rounds: int) -> None:
    """Waits for a server by its URL, in a process."""
    lags, found = [], []
    for _unused in range(rounds):
        port = free_ports(["server"])["server"]
        given = parameters(model=MODEL, url=f"http://127.0.0.1:{port}", timeout=PATIENCE)
        with stand_in(port, random.uniform(*LOAD)), waiting(given) as process:  # noqa: S311
            moment = able(port)
            found.append(finished(process))
        lags += [found[-1].end - moment] if found[-1].begin < moment else []
    FIGURES.add("url: able to answer -> wait_until_ready returned", lags, "p95 <= 0.3 s")
    FIGURES.add("url: peak memory of one wait", [each.megabytes for each in found], "<= 100 MB", "MB")


def url_tasks(rounds: int) -> None:
    """The same as whole tasks, beside uri with retries."""
    with tempfile.TemporaryDirectory() as folder:
        ports = list(free_ports([str(number) for number in range(2 * rounds)]).values())
        loads = [random.uniform(*LOAD_FOR_TASKS) for _unused in ports]  # noqa: S311
        tasks = []
        for number, port in enumerate(ports):
            url = f"http://127.0.0.1:{port}"
            begin = {"name": "begin", "ansible.builtin.file": {"path": f"{folder}/{number}", "state": "touch"}}
            ours = {"name": "ours", READY: {"model": MODEL, "url": url, "timeout": PATIENCE}}
            tasks += [begin, uri(url) if number % 2 else ours]
        with Starter(Path(folder), ports, loads) as starter:
            results = [each for each in play(os.environ, tasks) if each["name"] != "begin"]
            lags = [end_of(each) - starter.moments[number] for number, each in enumerate(results)]
    FIGURES.add("url: able to answer -> task vllm_ready ended", lags[::2])
    FIGURES.add(f"url: able to answer -> task uri (delay {DELAY}) ended", lags[1::2])


def releases(bench: Bench, rounds: int) -> None:
    """Waits for a release by port-forward, in a process."""
    lags, own, rest, memory = [], [], [], []
    for number in range(rounds):
        name = f"single-{number}"
        bench.deployments.create(name, loading(*LOAD))
        with waiting(bench.deployments.parameters(name, timeout=PATIENCE)) as process:
            found = finished(process)
        ready, available = bench.watcher.moment(name, "ready"), bench.watcher.moment(name, "available")
        assert generates(bench.deployments.address(name))
        bench.deployments.delete(name)
        memory.append(found.megabytes)
        if found.begin < ready:
            lags.append(found.end - ready)
            own.append(available - ready)
            rest.append(found.end - max(ready, available))
    FIGURES.add("release: pod Ready -> wait_until_ready returned, by port_forward", lags, "p95 <= 0.5 s")
    FIGURES.add("release: the Deployment's own lag, pod Ready -> available", own)
    FIGURES.add("release: both -> wait_until_ready returned", rest)
    FIGURES.add("release: peak memory of one wait", memory, "<= 100 MB", "MB")
    module = measured(bench.deployments.parameters(loaded(bench), timeout=PATIENCE), "module")
    FIGURES.add("release: peak memory of the module itself", [module.megabytes], "<= 100 MB", "MB")


def loaded(bench: Bench) -> str:
    """A release that serves."""
    bench.deployments.create("loaded")
    bench.watcher.moment("loaded", "available")
    return "loaded"


def release_tasks(bench: Bench, rounds: int) -> None:
    """Deploy and wait as whole tasks: helm and vllm_ready, beside helm's wait and uri with retries."""
    names = [f"task-{number}" for number in range(2 * rounds)]
    with tempfile.TemporaryDirectory() as place:
        folder, tasks = Path(place), []
        for number, name in enumerate(names):
            chart = document(name, loading(*LOAD))
            tasks += [helm(folder, bench.deployments.namespace, name, chart, wait=bool(number % 2))]
            given = {"model": MODEL, "release": name, "namespace": bench.deployments.namespace, "timeout": PATIENCE}
            ours = {"name": "ours", READY: given}
            tasks += [uri(f"{{{{ lookup('ansible.builtin.file', '{folder}/{name}.url') }}}}") if number % 2 else ours]
        results, moments = watched(bench, tasks, names, folder)
    for name in names:
        bench.deployments.delete(name)
    lags = differences([end_of(each) for each in results], moments)
    FIGURES.add("release: pod Ready -> task vllm_ready ended, after helm", lags[::2])
    FIGURES.add(f"release: pod Ready -> task uri (delay {DELAY}) ended, after helm's wait", lags[1::2])


def watched(
    bench: Bench, tasks: Sequence[dict[str, Any]], names: Sequence[str], folder: Path
) -> tuple[list[dict[str, Any]], Seconds]:
    """The results of the waits among the tasks, and when the pods were Ready. Each pod's URL is put into a file."""
    moments = []
    with start_play(bench.env, tasks, folder) as process:
        try:
            for name in names:
                moments.append(bench.watcher.moment(name, "ready"))
                url = bench.deployments.address(name)
                (folder / f"{name}.url").write_text(url)
                assert generates(url)
            return [each for each in finish_play(process) if each["name"] != "helm"], moments
        finally:
            process.kill()


def mistakes(bench: Bench, rounds: int) -> None:
    """From a permanent fault that the API shows to the failure."""
    everything: Seconds = []
    for reason, (mistaken, model) in MISTAKES.items():
        lags = [mistake(bench, f"{reason.replace('_', '-')}-{number}", mistaken, model) for number in range(rounds)]
        FIGURES.add(f"fault {reason}: visible in the API -> wait_until_ready failed", lags)
        everything += lags
    FIGURES.add("faults of all kinds: visible in the API -> wait_until_ready failed", everything, "p95 <= 3 s")


def mistake(bench: Bench, name: str, mistaken: dict[str, Any], model: str) -> float:
    """The seconds for one of them, which is made while it is waited for."""
    bench.deployments.create(name, mistaken, paused=True)
    with tempfile.NamedTemporaryFile("r") as progress:
        given = bench.deployments.parameters(name, model=model, timeout=PATIENCE, progress_file=progress.name)
        with waiting(given) as process:
            deadline = time.monotonic() + PATIENCE
            while not progress.read():
                assert time.monotonic() < deadline, "no progress"
                time.sleep(0.01)
            time.sleep(random.uniform(0, 1))  # noqa: S311
            bench.deployments.patch(name, {"paused": False})
            found = finish(process)
    moment = bench.watcher.moment(name, "ready" if model != MODEL else "fault")
    bench.deployments.delete(name)
    assert found.reason == name.rpartition("-")[0].replace("-", "_"), found
    return found.end - moment


def many(bench: Bench, count: int) -> None:
    """Many releases in one process, which become ready at random moments."""
    names = [f"many-{number}" for number in range(count)]
    wanted = [{"model": MODEL, "release": name, "namespace": bench.deployments.namespace} for name in names]
    given = parameters(
        releases=wanted, kubeconfig=bench.deployments.kubeconfig, timeout=2 * PATIENCE, fail_fast="never"
    )
    with waiting(given) as process:
        for name in names:
            bench.deployments.create(name, loading(*LOAD_OF_MANY))
        found = finished(process, 3 * PATIENCE)
    ready = [bench.watcher.moment(name, "ready") for name in names]
    available = [bench.watcher.moment(name, "available") for name in names]
    # The waits begin together, and the result follows the last of their ends at once.
    seconds = [each["seconds"] for each in found.result["releases"]]
    detected = [found.end - max(seconds) + one for one in seconds]
    print(f"{count} releases became ready within {max(ready) - min(ready):.1f} s")
    FIGURES.add(f"{count} releases in one process: pod Ready -> detected", differences(detected, ready), "p95 <= 1.5 s")
    FIGURES.add(f"{count} releases: the Deployments' own lag, pod Ready -> available", differences(available, ready))
    both = [max(pair) for pair in zip(ready, available, strict=True)]
    FIGURES.add(f"{count} releases: both -> detected", differences(detected, both))
    print(f"{count} releases: {found.core_seconds:.1f} s of a core in {found.seconds:.1f} s")
    FIGURES.add(f"{count} releases: peak memory of the process", [found.megabytes], "<= 150 MB", "MB")


def differences(later: Seconds, earlier: Seconds) -> Seconds:
    return [one - other for one, other in zip(later, earlier, strict=True)]


def finished(process: subprocess.Popen[str], seconds: float = PATIENCE) -> Measured:
    """The end of a wait that must be well."""
    found = finish(process, seconds)
    assert found.result["ready"], found.result
    return found


if __name__ == "__main__":
    sys.exit(main())
