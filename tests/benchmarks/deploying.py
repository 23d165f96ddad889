# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models from nothing to routed: one playbook, beside the shell script that people write instead, in the same run.

The script does what the manual workflow says, model after model: helm with its wait, kubectl wait, a completion by curl
through a port-forward, one INSERT, and the router. A second script does so for all models at once.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.figures import Figures
from tests.integration.conftest import SharedLab
from tests.integration.lab_cli import LabCli
from tests.integration.main_path.sites import CHART, Json, Site, run
from tests.lab import stores
from tests.lab.__main__ import search_path, variables
from tests.lab.paths import default_name

FIGURES = Figures("deploying", "Deploys, from nothing to routed")
SCRIPT = Path(__file__).with_name("deploy_models.sh")
# Of the stand-in.
LOAD_SECONDS = 30
LIMIT = 3600.0
ROUNDS: dict[int, int] = {1: 10, 10: 3}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.deploying", description=__doc__)
    parser.add_argument("--models", type=int, nargs="*", default=list(ROUNDS), help="how many at once")
    parser.add_argument("--rounds", type=int, help="of each")
    parser.add_argument("--load", type=float, default=LOAD_SECONDS, help="seconds that a model takes to load")
    options = parser.parse_args()
    with laboratory() as lab:
        for count in options.models:
            rounds = options.rounds or ROUNDS.get(count, 1)
            sides = [one_round(lab, count, options.load) for _unused in range(rounds)]
            ours, script, parallel = ([side[index] for side in sides] for index in range(3))
            what = f"{count} models that load for {options.load:g} s"
            FIGURES.compare(f"{what} / script", ours, script, "<= 1.1" if count == 1 else "< 1")
            FIGURES.compare(f"{what} / parallel script", ours, parallel)
    FIGURES.save()
    return 0


@contextmanager
def laboratory() -> Iterator[SharedLab]:
    """A lab of the benchmark's own."""
    cli = LabCli(f"{default_name()}-bench-deploy")
    running = cli.up()
    try:
        env = variables(running, "development")
        programs = str(stores.postgres_program("psql").parent)
        env["PATH"] = os.pathsep.join([*search_path(), programs, os.environ["PATH"]])
        yield SharedLab(running, env, Path(running.state_dir), Path(running.kubeconfig))
    finally:
        cli.down()


def one_round(lab: SharedLab, count: int, load: float) -> tuple[float, float, float]:
    """Seconds of ours, of the script, and of the parallel script, each in a namespace of its own."""
    return playbook(lab, count, load), script(lab, count, load, "1"), script(lab, count, load, str(count))


def playbook(lab: SharedLab, count: int, load: float) -> float:
    with site_of(lab, count, load) as (site, names):
        begin = time.monotonic()
        site.succeed("deploy", "--forks", str(max(count, 5)))
        seconds = time.monotonic() - begin
        check(site, names)
        return seconds


def script(lab: SharedLab, count: int, load: float, at_once: str) -> float:
    with site_of(lab, count, load) as (site, names):
        site.call("kubectl", "create", "namespace", site.name)
        given = {"NAMESPACE": site.name, "CHART": str(CHART), "VALUES": str(site.values), "AT_ONCE": at_once}
        begin = time.monotonic()
        ended = run(["bash", str(SCRIPT), *names], {**site.env, **given}, site.folder, LIMIT)
        seconds = time.monotonic() - begin
        assert ended.returncode == 0, ended.stdout + ended.stderr
        check(site, names)
        return seconds


@contextmanager
def site_of(lab: SharedLab, count: int, load: float) -> Iterator[tuple[Site, Sequence[str]]]:
    """Declared models that nothing serves yet."""
    values: Json = {"extraEnv": [{"name": "LAB_VLLM_LOAD_SECONDS", "value": str(load)}]}
    with tempfile.TemporaryDirectory() as folder:
        site = Site(lab, Path(folder), f"bench-{uuid.uuid4().hex[:6]}", seconds=LIMIT)
        try:
            yield site, [site.model(f"m{number}", values, vllm_ready_timeout=600) for number in range(count)]
        finally:
            site.remove()


def check(site: Site, names: Sequence[str]) -> None:
    """All of them are served, registered and routed."""
    assert site.rows() == dict.fromkeys(names, "ready")
    assert {site.ask(name) for name in names} == {200}


if __name__ == "__main__":
    sys.exit(main())
