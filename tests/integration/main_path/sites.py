# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's own site: an inventory, values files, a namespace; and readers that are not the collection."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import requests
import yaml

from tests.integration.conftest import SharedLab

Json = dict[str, Any]

BIN = Path(sys.executable).parent
CHART = Path(__file__).parents[3] / "charts" / "vllm-deployment"
SECONDS_PER_RUN = 150
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
JSON_OUTPUT = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_NOCOLOR": "1"}
# Ends and starts within a second, and needs no GPU.
QUICK: Json = {
    "gpu": {"count": 0},
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
    "probes": {"startup": {"periodSeconds": 1}, "readiness": {"periodSeconds": 1}},
    "extraEnv": [{"name": "LAB_VLLM_LOAD_SECONDS", "value": "0.3"}],
}
NO_DRAIN: Json = {"drain": {"preStopSleepSeconds": 0, "requestsSeconds": 0, "shutdownTimeoutSeconds": 0}}


def merged(*layers: Mapping[str, Any]) -> Json:
    """Maps deeply, everything else replaced."""
    result: Json = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(result.get(key), dict) and isinstance(value, dict)
            result[key] = merged(result[key], value) if both else value
    return result


def server_env(**variables: str) -> Json:
    """Values that give the server these environment variables besides a short load."""
    return {"extraEnv": [*QUICK["extraEnv"], *({"name": name, "value": value} for name, value in variables.items())]}


def run(
    words: list[str], env: Mapping[str, str], cwd: Path, seconds: float = SECONDS_PER_RUN
) -> subprocess.CompletedProcess[str]:
    """Run a program, and end it with its children if it takes too long."""
    process = subprocess.Popen(
        words, env=dict(env), cwd=cwd, text=True, stdout=-1, stderr=-1, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)


@dataclass(frozen=True)
class Play:
    """What a run of a playbook came to. `output` is what a JSON stdout callback printed."""

    code: int
    output: Json
    stderr: str

    def stats(self, host: str) -> dict[str, int]:
        found: dict[str, int] = self.output["stats"][host]
        return found

    @property
    def changed(self) -> int:
        return sum(each["changed"] for each in self.output["stats"].values())

    def results(self, host: str) -> list[tuple[str, Json]]:
        """Each task's name and result, in order."""
        tasks = [task for play in self.output["plays"] for task in play["tasks"]]
        return [(task["task"]["name"], task["hosts"][host]) for task in tasks if host in task["hosts"]]

    def result(self, host: str, name: str) -> Json:
        """The last result of the task whose name holds this."""
        return [result for task, result in self.results(host) if name in task][-1]

    def failure(self, host: str) -> str:
        """What a user reads last."""
        return str([result for _unused, result in self.results(host) if result.get("failed")][-1]["msg"])

    def explain(self) -> str:
        failed = [
            (task, result.get("msg"))
            for host in self.output["stats"]
            for task, result in self.results(host)
            if result.get("failed")
        ]
        return json.dumps({"failed": failed, "stats": self.output["stats"]}, indent=1) + self.stderr


@dataclass
class Site:
    """One test's models, in a namespace of their own. `name` is the namespace, and what all their names begin with."""

    lab: SharedLab
    folder: Path
    name: str
    environment: str = "development"
    hosts: dict[str, Json] = field(default_factory=dict)
    # Whether the test plays a person who disables a model.
    person_disables: bool = False
    seconds: float = SECONDS_PER_RUN

    def model(self, short: str, values: Json | None = None, **variables: Any) -> str:
        """Declare a model, and return its name. It is declared anew if it was before."""
        name = f"{self.name}-{short}"
        own = {"model": {"name": "org/tiny", "servedNames": [name]}}
        self.write(f"values-{short}.yaml", merged(QUICK, own, values or {}))
        names = {"vllm_release": short, "vllm_namespace": self.name, "vllm_values_name": short}
        self.hosts[name] = {**names, "vllm_values_dir": str(self.values), "vllm_ready_timeout": 60, **variables}
        if not (self.values / f"values-{self.environment}.yaml").exists():
            self.write(f"values-{self.environment}.yaml", NO_DRAIN)
        self.write_inventory()
        return name

    @property
    def values(self) -> Path:
        return self.folder / "values"

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory.yml"

    def write(self, file: str, content: object) -> None:
        self.values.mkdir(exist_ok=True)
        (self.values / file).write_text(yaml.safe_dump(content))

    def write_inventory(self) -> None:
        group = {"hosts": self.hosts, "vars": {"environment_name": self.environment, **LOCAL}}
        self.inventory.write_text(yaml.safe_dump({self.environment: group}))

    @property
    def env(self) -> dict[str, str]:
        """A user's shell with the lab's variables."""
        return {**os.environ, **self.lab.env, "ROUTER_URL": self.lab.router_url(self.environment), **self.state}

    @property
    def state(self) -> dict[str, str]:
        """Where runs leave their records."""
        return {"XDG_STATE_HOME": str(self.folder / "state")}

    def ansible(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run one of Ansible's programs."""
        return run([str(BIN / words[0]), *words[1:]], {**self.env, **env}, self.folder, self.seconds)

    def play(self, verb: str, *flags: str, inventory: Path | None = None, **env: str) -> Play:
        """Run a playbook as a user does, with output as JSON."""
        words = ["ansible-playbook", f"ai_aas.inference.{verb}", "-i", str(inventory or self.inventory), *flags]
        ended = self.ansible(*words, **{**JSON_OUTPUT, **env})
        assert ended.stdout.startswith("{"), ended.stdout + ended.stderr
        return Play(ended.returncode, json.loads(ended.stdout), ended.stderr)

    def succeed(self, verb: str, *flags: str, **more: Any) -> Play:
        play = self.play(verb, *flags, **more)
        assert play.code == 0, play.explain()
        return play

    def fail(self, verb: str, *flags: str, **more: Any) -> Play:
        play = self.play(verb, *flags, **more)
        assert play.code == 2, play.explain()
        return play

    # Readers and writers that are not the collection.

    def call(self, *words: str, check: bool = True) -> str:
        """Run helm or kubectl in the namespace."""
        ended = run([words[0], "--namespace", self.name, *words[1:]], self.env, self.folder)
        assert not check or ended.returncode == 0, ended.stderr
        return ended.stdout

    def get(self, kind: str, *flags: str) -> list[Json]:
        """Kubernetes objects of the namespace."""
        found: list[Json] = json.loads(self.call("kubectl", "get", kind, "--output", "json", *flags))["items"]
        return found

    def releases(self) -> dict[str, Json]:
        """Helm's releases, by name, whatever their status."""
        found = json.loads(self.call("helm", "list", "--all", "--output", "json"))
        return {each["name"]: each for each in found}

    def install(self, *names: str, check: bool = True) -> None:
        """Bring models up with Helm alone, from the very values files that a user has."""
        for name in names:
            host = self.hosts[name]
            release, chart = host["vllm_release"], host.get("vllm_chart", str(CHART))
            files = [f"values-{release}.yaml", f"values-{self.environment}.yaml"]
            flags = [word for file in files for word in ("--values", str(self.values / file))]
            self.call("helm", "upgrade", "--install", "--create-namespace", release, chart, *flags, check=check)

    def wait_available(self, name: str) -> None:
        deployment = f"deployment/{self.hosts[name]['vllm_release']}-vllm-deployment"
        self.call("kubectl", "rollout", "status", deployment, "--timeout=30s")

    def serve(self, *names: str, status: str = "ready") -> None:
        """Bring models up and register them without the collection: what a deploy would have come to."""
        self.install(*names)
        for name in names:
            self.wait_available(name)
            self.register(name, status)

    def endpoint(self, name: str) -> str:
        return f"{self.hosts[name]['vllm_release']}-vllm-deployment.{self.name}.svc.cluster.local:8000"

    def register(self, name: str, status: str = "ready") -> None:
        self.execute(
            "INSERT INTO model_registry_entries (model_name, revision, deployment_target, deployment_endpoint,"
            " deployment_environment, deployment_namespace, deployment_status)"
            " VALUES (%s, 1, 'self_hosted', %s, %s, %s, %s)",
            name, self.endpoint(name), self.environment, self.name, status,
        )  # fmt: skip

    def execute(self, statement: str, *values: object) -> list[Json]:
        with contextlib.closing(psycopg2.connect(self.lab.env["DATABASE_URL"])) as connection:
            connection.autocommit = True
            with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                cursor.execute(statement, values or None)
                return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def rows(self) -> dict[str, str]:
        """The status of each entry of this site, by the model's name."""
        found = self.execute(
            "SELECT model_name, deployment_status FROM model_registry_entries WHERE model_name LIKE %s",
            f"{self.name}-%",
        )
        return {row["model_name"]: row["deployment_status"] for row in found}

    def history(self, name: str) -> list[str]:
        """Each status that the entry was ever given, in order."""
        return [status for status, _unused in self.moments(name)]

    def moments(self, name: str) -> list[tuple[str, datetime]]:
        """The same with the times."""
        found = self.execute("SELECT status, at FROM status_history WHERE model_name = %s ORDER BY number", name)
        return [(row["status"], row["at"]) for row in found]

    def ask(self, name: str, seconds: float = 10) -> int:
        """The router's status for a completion; 200 only with a token."""
        url = self.lab.router_url(self.environment) + "/v1/completions"
        answer = requests.post(url, json={"model": name, "prompt": "Hi", "max_tokens": 1}, timeout=seconds)
        assert answer.status_code != 200 or answer.json()["usage"]["completion_tokens"] == 1
        return answer.status_code

    def remove(self) -> None:
        """Take everything away, at once."""
        self.call("kubectl", "delete", "deployments,pods", "--all", "--force", "--grace-period=0", check=False)
        self.call("kubectl", "delete", "namespace", self.name, "--wait=false", "--ignore-not-found")
        self.execute("DELETE FROM model_registry_entries WHERE model_name LIKE %s", f"{self.name}-%")
