# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon a router that keeps routes for two minutes does what was declared, as a client sees it."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.deploying import laboratory
from tests.benchmarks.figures import Figures
from tests.integration.main_path.sites import BIN, Site, server_env
from tests.integration.readiness.waiting import eventually

FIGURES = Figures("propagation", "Until clients see it, with a router that keeps routes for two minutes")
ROUNDS, ROLLBACK_ROUNDS, SQL_ROUNDS = 10, 3, 2
ENTRY = "ai_aas.inference.model_registry_entry"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.propagation", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rollback-rounds", type=int, default=ROLLBACK_ROUNDS)
    parser.add_argument("--sql-rounds", type=int, default=SQL_ROUNDS, help="of the UPDATE alone: two minutes each")
    options = parser.parse_args()
    with laboratory() as lab, tempfile.TemporaryDirectory() as folder:
        site = Site(lab, Path(folder), "bench-route")
        try:
            model = site.model("one")
            site.succeed("deploy")
            entries(site, model, options.rounds)
            by_hand = [sql(site, model) for _unused in range(options.sql_rounds)]
            FIGURES.add("an UPDATE to disabled alone -> denied", by_hand)
            FIGURES.add(
                "rollback begun -> verified and routed", [rollback(site) for _unused in range(options.rollback_rounds)]
            )
        finally:
            site.remove()
    FIGURES.save()
    return 0


def entries(site: Site, model: str, rounds: int) -> None:
    """Ad hoc calls, from their start."""
    denied, routed, registered = [], [], []
    for _unused in range(rounds):
        denied.append(until(site, model, 404, "state=disabled"))
        routed.append(until(site, model, 200, "state=enabled"))
        site.execute("DELETE FROM model_registry_entries WHERE model_name = %s", model)
        until(site, model, 404, "state=absent")
        where = f"endpoint={site.endpoint(model)} namespace={site.name}"
        registered.append(until(site, model, 200, f"state=present {where}"))
    FIGURES.add("register begun -> routed", registered, "<= 120 s")
    FIGURES.add("disable begun -> denied", denied, "<= 130 s")
    FIGURES.add("enable begun -> routed", routed)


def until(site: Site, model: str, status: int, arguments: str) -> float:
    """Seconds from the start of a call until the router answers so."""
    words = ["ansible", "localhost", "-m", ENTRY, "-a", f"model_name={model} environment=development {arguments}"]
    begin = time.monotonic()
    with subprocess.Popen([str(BIN / words[0]), *words[1:]], env=site.env, stdout=-1, stderr=-1, text=True) as process:
        seconds = answered(site, model, status, begin)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, output + errors
    return seconds


def answered(site: Site, model: str, status: int, begin: float) -> float:
    eventually(lambda: site.ask(model) == status, 300, f"the router's answer {status}")
    return time.monotonic() - begin


def sql(site: Site, model: str) -> float:
    """What a person does who knows of no cache."""
    assert site.ask(model) == 200
    begin = time.monotonic()
    site.execute("UPDATE model_registry_entries SET deployment_status = 'disabled' WHERE model_name = %s", model)
    seconds = answered(site, model, 404, begin)
    until(site, model, 200, "state=enabled")
    return seconds


def rollback(site: Site) -> float:
    """To the revision before, which was verified."""
    site.model("one", server_env(LAB_CHANGED=str(time.time())))
    site.succeed("deploy")
    return timed(lambda: site.succeed("rollback", "-e", "vllm_rollback_to=previous"))


def timed(work: Callable[[], object]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


if __name__ == "__main__":
    sys.exit(main())
