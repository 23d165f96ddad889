# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry's modules beside community.postgresql.postgresql_query, task by task in one run.

Both write to the collection's own table, whose triggers keep the history of either.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.benchmarks.figures import Figures
from tests.integration.lab_cli import LabCli
from tests.lab.__main__ import search_path, variables
from tests.lab.paths import default_name

FIGURES = Figures("registry", "The registry beside postgresql_query")
ROUNDS = 20
BULK_ROUNDS = 5
BULK = 10_000
PATIENCE = 10.0
ENTRY = "ai_aas.inference.model_registry_entry"
SYNC = "ai_aas.inference.model_registry_sync"
QUERY = "community.postgresql.postgresql_query"
UPSERT = """INSERT INTO model_registry_entries
    (model_name, deployment_environment, deployment_endpoint, deployment_namespace, deployment_status,
     cost_per_1k_tokens)
    VALUES {values} ON CONFLICT (model_name, deployment_environment) DO UPDATE
    SET deployment_endpoint = EXCLUDED.deployment_endpoint, deployment_namespace = EXCLUDED.deployment_namespace,
        deployment_status = EXCLUDED.deployment_status, cost_per_1k_tokens = EXCLUDED.cost_per_1k_tokens"""

Task = dict[str, Any]
Durations = dict[str, list[float]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.registry", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of single tasks")
    parser.add_argument("--bulk-rounds", type=int, default=BULK_ROUNDS, help="of many entries at once")
    parser.add_argument("--bulk", type=int, default=BULK, help="entries at once")
    options = parser.parse_args()
    with laboratory() as env:
        prepare(env)
        single = single_tasks(env, options.rounds)
        FIGURES.compare("one entry / UPSERT", single["entry"], single["query"], "<= 1.0")
        FIGURES.compare("one entry with cache / UPSERT", single["cached"], single["query"], "<= 1.2")
        FIGURES.compare("one unchanged entry / UPSERT", single["unchanged"], single["query"])
        many = bulk_tasks(env, options.bulk_rounds, options.bulk)
        FIGURES.compare(f"sync of {options.bulk} new entries / one statement", many["sync"], many["query"], "<= 3")
        FIGURES.compare(f"sync of {options.bulk} by file / one statement", many["file"], many["query"], "<= 3")
        FIGURES.add(f"no-op sync of {options.bulk}, after validation", many["noop"], "<= 1 s")
        denied, inside = denials(env, options.rounds)
        FIGURES.add("disable to denied by the router", denied, "<= 2 s")
        FIGURES.add("the same in the module, until the cache is cleared", inside, "<= 0.2 s")
    FIGURES.save()
    return 0


@contextmanager
def laboratory() -> Iterator[dict[str, str]]:
    """The environment of a lab of the benchmark's own."""
    lab = LabCli(f"{default_name()}-bench")
    running = lab.up()
    try:
        search = os.pathsep.join([*search_path(), os.environ["PATH"]])
        yield {**os.environ, **variables(running, "development"), "PATH": search}
    finally:
        lab.down()


def prepare(env: Mapping[str, str]) -> None:
    play(env, [{"name": "schema", "ai_aas.inference.model_registry_schema": {}}])


def single_tasks(env: Mapping[str, str], rounds: int) -> Durations:
    """One change of one entry at a time: ours, ours with a cache, the reference, in turn."""
    url = env["DATABASE_URL"]
    tasks: list[Task] = []
    for number in range(rounds + 1):
        cost = number / 100
        ours = {
            "environment": "development",
            "endpoint": endpoint("a"),
            "cost_per_1k_tokens": cost,
            "database_url": url,
        }
        upsert = UPSERT.format(values=row("query", cost))
        tasks += [
            {"name": "entry", ENTRY: {**ours, "model_name": "entry"}},
            {"name": "query", QUERY: {"query": upsert, **login(url)}},
            {"name": "cached", ENTRY: {**ours, "model_name": "cached", "redis_url": env["REDIS_URL"]}},
            {"name": "unchanged", ENTRY: {**ours, "model_name": "entry"}},
        ]
    results = play({name: value for name, value in env.items() if name != "REDIS_URL"}, tasks)
    durations: Durations = {}
    for task in results[4:]:
        assert task["changed"] is (task["name"] != "unchanged"), task
        durations.setdefault(task["name"], []).append(task["seconds"])
    return durations


def bulk_tasks(env: Mapping[str, str], rounds: int, size: int) -> Durations:
    """Many new entries at once: as an option, as a file, and as one statement; then once more without a change."""
    durations: Durations = {}
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for result in play(env, bulk_round(Path(folder), env["DATABASE_URL"], number, size)):
                assert result["changed"] is (result["name"] != "noop"), result["name"]
                seconds = result["seconds"]
                if result["name"] == "noop":
                    assert result["counts"]["unchanged"] == size, result["counts"]
                    seconds = sum(result["timings"].values())
                durations.setdefault(result["name"], []).append(seconds)
    return durations


def bulk_round(folder: Path, url: str, number: int, size: int) -> list[Task]:
    names = {kind: [f"{kind}-{number}-{place}" for place in range(size)] for kind in ("sync", "file", "query")}
    entries = {kind: [{"model_name": name, "endpoint": endpoint("a")} for name in names[kind]] for kind in names}
    (folder / "entries.json").write_text(json.dumps(entries["sync"]))
    (folder / "entries.jsonl").write_text("\n".join(map(json.dumps, entries["file"])))
    (folder / "query.sql").write_text(UPSERT.format(values=", ".join(row(name, 0.0) for name in names["query"])))
    declared = f"{{{{ lookup('ansible.builtin.file', '{folder}/entries.json') | from_json }}}}"
    ours = {"environment": "development", "database_url": url}
    statement = f"{{{{ lookup('ansible.builtin.file', '{folder}/query.sql') }}}}"
    return [
        {"name": "sync", SYNC: {**ours, "entries": declared}},
        {"name": "query", QUERY: {"query": statement, **login(url)}},
        {"name": "file", SYNC: {**ours, "entries_file": f"{folder}/entries.jsonl"}},
        {"name": "noop", SYNC: {**ours, "entries": declared}},
    ]


def denials(env: Mapping[str, str], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds from the start of a disabling task until the router denies, and those that the module needed."""
    denied, inside = [], []
    place = {"model_name": "routed", "environment": "development"}
    for _unused in range(rounds):
        enabled = {**place, "state": "enabled", "endpoint": endpoint("a")}
        play(env, [{"name": "enable", ENTRY: enabled}])
        assert status(env) == 502, "the route leads to a Service that is not there, so it is found and fails"
        with tempfile.TemporaryDirectory() as folder:
            task = {"name": "disable", ENTRY: {**place, "state": "disabled"}}
            process = start(env, [task], Path(folder))
            deadline = time.monotonic() + PATIENCE
            while status(env) != 404:
                assert time.monotonic() < deadline, "the router never denied"
            seen = time.time()
            (result,) = finish(process)
        timings = result["timings"]
        # The wait and the second delete come after the route was denied.
        denied.append(seen - result["start"])
        inside.append(sum(seconds for name, seconds in timings.items() if name != "settle"))
    return denied, inside


def status(env: Mapping[str, str]) -> int:
    body = {"model": "routed", "prompt": "hi", "max_tokens": 1}
    return requests.post(f"{env['ROUTER_URL']}/v1/completions", json=body, timeout=PATIENCE).status_code


def play(env: Mapping[str, str], tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """Run tasks in one play and return their results, each with its name, its start and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        return finish(start(env, tasks, Path(folder)))


def start(env: Mapping[str, str], tasks: Sequence[Task], folder: Path) -> subprocess.Popen[str]:
    content = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
            "tasks": list(tasks),
        }
    ]
    (folder / "play.yml").write_text(json.dumps(content))
    settings = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_LOCALHOST_WARNING": "0"}
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return subprocess.Popen(
        [program, str(folder / "play.yml")],
        env={**env, **settings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, output[-3000:] + errors
    results = []
    for task in json.loads(output)["plays"][0]["tasks"]:
        begin, end = (moment(task["task"]["duration"][side]) for side in ("start", "end"))
        results.append(
            {**task["hosts"]["localhost"], "name": task["task"]["name"], "start": begin, "seconds": end - begin}
        )
    return results


def moment(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def login(url: str) -> dict[str, Any]:
    from psycopg2.extensions import parse_dsn

    parts = parse_dsn(url)
    return {
        "login_host": parts["host"],
        "login_port": int(parts["port"]),
        "login_user": parts["user"],
        "login_password": parts["password"],
        "login_db": parts["dbname"],
    }


def endpoint(service: str) -> str:
    return f"{service}.nowhere.svc.cluster.local:8000"


def row(name: str, cost: float) -> str:
    return f"('{name}', 'development', '{endpoint('a')}', 'nowhere', 'ready', {cost})"


if __name__ == "__main__":
    sys.exit(main())
