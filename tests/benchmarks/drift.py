# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a look at many models takes, beside asking Helm and the database for each model, as a shell script would.

The releases are there as Helm keeps them, with all their objects; their pods are objects that no node runs, since a few
hundred servers have no room on one machine.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
import yaml
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.ddl import CREATE
from ansible_collections.ai_aas.inference.plugins.modules import model_drift

from tests.benchmarks.figures import Figures
from tests.integration.lab.conftest import wait_for_service_account
from tests.integration.lab_cli import LabCli
from tests.lab.__main__ import search_path, variables
from tests.lab.kubelet.api import Api
from tests.lab.paths import default_name

Json = dict[str, Any]

FIGURES = Figures("drift", "A look at the drift of many models")
MODELS, REFERENCE, ROUNDS, EDITED = 500, 50, 5, 3
NAMESPACE, PATTERN = "bench-drift", "m-0000"
CHART = Path(__file__).parents[2] / "charts" / "vllm-deployment"
VALUES: Json = {"model": {"name": "org/tiny", "servedNames": [PATTERN]}}
PATHS = {
    "Deployment": "/apis/apps/v1",
    "Service": "/api/v1",
    "ServiceAccount": "/api/v1",
    "NetworkPolicy": "/apis/networking.k8s.io/v1",
}


class Run(NamedTuple):
    """One look: the module's result, and its process's seconds and memory."""

    result: Json
    seconds: float
    megabytes: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.drift", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--models", type=int, default=MODELS)
    options = parser.parse_args()
    with laboratory() as (env, api), tempfile.TemporaryDirectory() as folder:
        names = [f"m-{number:04}" for number in range(options.models)]
        populate(env, api, names)
        some = names[:REFERENCE]
        looks, scripts = [], []
        for _unused in range(options.rounds):
            looks.append(look(env, Path(folder), names))
            scripts.append(script(env, some))
        assert all(not run.result["drifted"] for run in looks), looks[0].result["differences_table"][:5]
        scaled = [one * options.models / len(some) for one in scripts]
        what = f"a look at {options.models} models"
        beside = "beside `helm status` and a SELECT for each"
        FIGURES.compare(f"{what}, {beside}", [run.seconds for run in looks], scaled, "<= 10 s")
        for step in looks[0].result["timings"]:
            FIGURES.add(f"its step {step}", [run.result["timings"][step] for run in looks])
        FIGURES.add(f"peak memory of {what}", [run.megabytes for run in looks], unit="MB")
        runs = [converge(env, Path(folder), some) for _unused in range(options.rounds)]
        FIGURES.compare(f"a deploy of {len(some)} models that are right, {beside}", runs, scripts, "<= 30 s")
        for name in names[:EDITED]:
            body = {"spec": {"revisionHistoryLimit": 3}}
            api.request("PATCH", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}-vllm-deployment", body)
        edited = look(env, Path(folder), names)
        assert edited.result["counts"]["differing"] == EDITED, edited.result["counts"]
    FIGURES.save()
    return 0


@contextmanager
def laboratory() -> Iterator[tuple[dict[str, str], Api]]:
    """A lab of the benchmark's own, with the registry's table."""
    lab = LabCli(f"{default_name()}-bench-drift")
    running = lab.up()
    try:
        env = {**os.environ, **variables(running, "development")}
        env["PATH"] = os.pathsep.join([*search_path(), os.environ["PATH"]])
        with psycopg2.connect(env["DATABASE_URL"]) as connection, connection.cursor() as cursor:
            for statement in CREATE:
                cursor.execute(statement)
        with tempfile.TemporaryDirectory() as folder:
            api = Api(Path(running.kubeconfig), Path(folder))
            api.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            wait_for_service_account(api, NAMESPACE)
            yield env, api
    finally:
        lab.down()


def populate(env: dict[str, str], api: Api, names: Sequence[str]) -> None:
    """Make the releases as Helm would, by one rendering, and register them."""
    words = ["helm", "install", PATTERN, str(CHART), "--namespace", NAMESPACE, "--dry-run=server", "--output=json"]
    rendered = subprocess.run(
        [*words, "--values=-"], env=env, input=json.dumps(VALUES), text=True, capture_output=True, check=True
    ).stdout
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: release(api, name, rendered), names))
    with psycopg2.connect(env["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        for name in names:
            cursor.execute(
                "INSERT INTO model_registry_entries (model_name, revision, deployment_target, deployment_endpoint,"
                " deployment_environment, deployment_namespace, deployment_status)"
                " VALUES (%s, 1, 'self_hosted', %s, 'development', %s, 'disabled')",
                [name, endpoint(name), NAMESPACE],
            )


def release(api: Api, name: str, rendered: str) -> None:
    """All that there is of one release."""
    document = json.loads(rendered.replace(PATTERN, name))
    document["info"]["status"] = "deployed"
    # No pod: whether they are ready is no question of how long a look takes.
    assert "\n  replicas: 1\n" in document["manifest"]
    document["manifest"] = document["manifest"].replace("\n  replicas: 1\n", "\n  replicas: 0\n")
    for item in yaml.load_all(document["manifest"], getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if item:
            path = f"{PATHS[item['kind']]}/namespaces/{NAMESPACE}"
            plural = "networkpolicies" if item["kind"] == "NetworkPolicy" else f"{item['kind'].lower()}s"
            if item["kind"] == "Service":
                # The lab has no more than some 250 addresses.
                item["spec"]["clusterIP"] = "None"
            # Whoever makes an object is kept as who wrote its defaults.
            api.request("POST", f"{path}/{plural}?fieldManager=helm", item)
    content = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(document).encode()))).decode()
    labels = {"name": name, "owner": "helm", "status": "deployed", "version": "1"}
    core = f"/api/v1/namespaces/{NAMESPACE}"
    secret = {"metadata": {"name": f"sh.helm.release.v1.{name}.v1", "labels": labels}, "type": "helm.sh/release.v1"}
    api.request("POST", f"{core}/secrets", {**secret, "data": {"release": content}})
    own = {"app.kubernetes.io/instance": name, "app.kubernetes.io/managed-by": "ai_aas.inference"}
    record = {"metadata": {"name": f"{name}-verified", "labels": own}, "data": {"1": json.dumps({"revision": 1})}}
    api.request("POST", f"{core}/configmaps", record)
    pod = {"schedulerName": "none", "containers": [{"name": "vllm", "image": "vllm:1"}]}
    api.request("POST", f"{core}/pods", {"metadata": {"name": name, "labels": own}, "spec": pod})


def endpoint(name: str) -> str:
    return f"{name}-vllm-deployment.{NAMESPACE}.svc.cluster.local:8000"


def look(env: dict[str, str], folder: Path, names: Sequence[str]) -> Run:
    """The module in a process of its own."""
    models = [
        {
            "model_name": name,
            "release": name,
            "namespace": NAMESPACE,
            "endpoint": endpoint(name),
            "chart": str(CHART),
            "values": json.loads(json.dumps(VALUES).replace(PATTERN, name)),
        }
        for name in names
    ]
    arguments = {"environment": "development", "models": models, "complete": True}
    file, output = folder / "arguments.json", folder / "output.json"
    file.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    begin = time.monotonic()
    with output.open("w") as stdout:
        process = subprocess.Popen([sys.executable, str(model_drift.__file__), str(file)], stdout=stdout, env=env)
        _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, output.read_text()
    return Run(json.loads(output.read_text()), seconds, usage.ru_maxrss / 1024)


def converge(env: dict[str, str], folder: Path, names: Sequence[str]) -> float:
    """The playbook, for models of which each is as it is declared."""
    for layer in ("bench", "development"):
        (folder / f"values-{layer}.yaml").write_text("{}\n")
    own = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "environment_name": "development",
        "vllm_namespace": NAMESPACE,
        "vllm_values_dir": str(folder),
        "vllm_values_name": "bench",
    }
    hosts = {
        name: {"vllm_release": name, "vllm_values": json.loads(json.dumps(VALUES).replace(PATTERN, name))}
        for name in names
    }
    (folder / "inventory.json").write_text(json.dumps({"development": {"hosts": hosts, "vars": own}}))
    words = ["ansible-playbook", "ai_aas.inference.deploy", "-i", str(folder / "inventory.json")]
    begin = time.monotonic()
    program = str(Path(sys.executable).with_name(words[0]))
    ended = subprocess.run(
        [program, *words[1:]], env={**env, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - begin
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr
    stats = json.loads(ended.stdout)["stats"]
    assert {name: each["changed"] for name, each in stats.items()} == dict.fromkeys([*names, "localhost"], 0)
    # The first one bears what is done once for all of them.
    assert max(stats[name]["ok"] + stats[name]["skipped"] for name in names[1:]) <= 3, stats
    return seconds


def script(env: dict[str, str], names: Sequence[str]) -> float:
    """What a shell script does at least, one model after another, without comparing anything."""
    begin = time.monotonic()
    for name in names:
        subprocess.run(["helm", "status", name, "--namespace", NAMESPACE], env=env, capture_output=True, check=True)
        with psycopg2.connect(env["DATABASE_URL"]) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT deployment_status FROM model_registry_entries WHERE model_name = %s", [name])
    return time.monotonic() - begin


if __name__ == "__main__":
    sys.exit(main())
