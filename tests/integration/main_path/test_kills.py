# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed at any moment is followed by one that makes all sides agree, and clients meet no dead server.

`KILLS` says how often (once by default), `KILLS_SEED` when. `make soak` does it 50 times in the place of the old pod,
and 50 times beside it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.main_path.client import Client, requesting
from tests.integration.main_path.sites import BIN, Json, Site, merged, server_env

KILLS = int(os.environ.get("KILLS", "1"))
SEED = int(os.environ.get("KILLS_SEED", "1"))
ALONE: Json = {"gpu": {"count": 1}, "strategy": {"surge": False}}
BESIDE: Json = {"gpu": {"count": 1}, "strategy": {"surge": True}}
# The chart's own drain: what lets a pod's requests end when Kubernetes replaces it.
DRAIN: Json = {"drain": {"preStopSleepSeconds": 2, "requestsSeconds": 20}}
# About as long as a deploy takes.
LONGEST = 20.0
# How long a router may need to see what the registry says.
TOLD = timedelta(seconds=2)


def children(pid: int) -> list[int]:
    """A process and all that it has started, workers in sessions of their own included."""
    found = [pid]
    for child in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = child.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found += children(int(child.parent.name))
    return found


def kill_after(site: Site, seconds: float, *, all_of_it: bool) -> bool:
    """Begin a deploy and kill it; whether it was still running. Its workers live on, or are killed with it."""
    words = [str(BIN / "ansible-playbook"), "ai_aas.inference.deploy", "-i", str(site.inventory)]
    process = subprocess.Popen(
        words, env=site.env, cwd=site.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        was_running = process.poll() is None
        for pid in children(process.pid) if all_of_it else [process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return was_running
    finally:
        process.kill()
        process.wait()


def unexplained(client: Client, site: Site, model: str) -> list[tuple[datetime, int]]:
    """Requests that failed, but for those that were denied while the registry said so."""
    windows = denied(site.moments(model))
    return [
        (each.at, each.status)
        for each in client.requests
        if each.status != 200
        and not (each.status == 404 and any(begin <= each.until and each.at <= end + TOLD for begin, end in windows))
    ]


def denied(moments: Sequence[tuple[str, datetime]]) -> list[tuple[datetime, datetime]]:
    """From when to when an entry was not ready."""
    ends = [at for _status, at in moments[1:]] + [datetime.now(UTC)]
    return [(at, end) for (status, at), end in zip(moments, ends, strict=True) if status != "ready"]


@pytest.mark.parametrize("place", [ALONE, BESIDE][: 1 if KILLS == 1 else 2], ids=lambda each: str(each["strategy"]))
def test_a_run_that_is_killed_is_made_good_by_the_next(site: Site, place: Json) -> None:
    chance = random.Random(SEED)  # noqa: S311
    site.write("values-development.yaml", DRAIN)
    model = site.model("one", merged(place, server_env(LAB_VLLM_TOKEN_SECONDS="0.2")))
    site.succeed("deploy")
    killed = 0
    for number in range(KILLS):
        site.model("one", merged(place, server_env(LAB_VLLM_TOKEN_SECONDS="0.2", LAB_ROUND=str(number))))
        seconds = chance.uniform(0, LONGEST)
        with requesting(site, model) as client:
            killed += kill_after(site, seconds, all_of_it=chance.random() < 0.5)
            site.succeed("deploy")
        told = f"KILLS_SEED={SEED}, kill {number} after {seconds:.2f} s"
        assert unexplained(client, site, model) == [], told
        assert site.play("drift", "--limit", model).code == 0, told
        assert (site.ask(model), site.rows()) == (200, {model: "ready"}), told
    assert killed, "each run was over before it was killed"
