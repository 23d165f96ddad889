# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main path on the local lab, from deploy to route, then three mistakes and what they are answered with.

Every step runs the command that it shows and compares what came of it with what was expected. `make demo` runs it.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import psycopg2.extras
import requests

CHECKOUT = Path(__file__).resolve().parent.parent
INVENTORY = ["-i", "inventories/lab"]
MODEL = "gpt-oss-20b"
TOO_LARGE = {
    "vllm_release": "too-large",
    "vllm_served_name": "too-large",
    "vllm_values": {"model": {"servedNames": ["too-large"]}, "gpu": {"count": 16}},
}
SECONDS_PER_COMMAND = 1500


@dataclass
class Demo:
    """The environment of the lab, and what the steps so far have come to."""

    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    steps: list[tuple[str, float, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def step(self, title: str, act: Callable[[], str]) -> None:
        """Do one step, and note its seconds and its outcome."""
        print(f"\n=== {title}", flush=True)
        begin = time.monotonic()
        try:
            outcome = act()
        except UnexpectedError as error:
            outcome = f"UNEXPECTED: {error}"
            self.wrong.append(title)
        self.steps.append((title, time.monotonic() - begin, outcome))
        print(f"--> {outcome}", flush=True)

    def run(self, command: Sequence[str]) -> tuple[int, str]:
        """Show a command, run it, show its output as it comes, and return its exit code and output."""
        print(f"$ {shlex.join(command)}", flush=True)
        lines = []
        with subprocess.Popen(
            command, cwd=CHECKOUT, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            for line in process.stdout or ():
                lines.append(line)
                if line.strip():
                    print("  " + line.rstrip(), flush=True)
            return process.wait(SECONDS_PER_COMMAND), "".join(lines)

    def play(self, verb: str, variables: Mapping[str, object] | None = None) -> tuple[int, str]:
        """Run a playbook on the lab's model."""
        extra = ["-e", json.dumps(variables)] if variables else []
        return self.run(["ansible-playbook", f"ai_aas.inference.{verb}", *INVENTORY, "--limit", MODEL, *extra])

    def entries(self) -> list[dict[str, object]]:
        """Read the registry as the router does, past the collection."""
        with (
            psycopg2.connect(self.environment["DATABASE_URL"]) as connection,
            connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
        ):
            cursor.execute(
                "SELECT model_name, deployment_environment, deployment_status, deployment_endpoint,"
                " deployment_namespace, updated_at::text FROM model_registry_entries ORDER BY 1, 2"
            )
            return [dict(row) for row in cursor.fetchall()]

    def ask_router(self) -> requests.Response:
        """Send a completion as a client does."""
        url = self.environment["ROUTER_URL"] + "/v1/completions"
        body = {"model": MODEL, "prompt": "Hello", "max_tokens": 5}
        print(f"$ curl -d {shlex.quote(json.dumps(body))} {url}", flush=True)
        answer = requests.post(url, json=body, timeout=30)
        print(f"  {answer.status_code} {answer.text.strip()[:300]}", flush=True)
        return answer


class UnexpectedError(Exception):
    """A step came to something else than it should."""


def expect(holds: bool, told: str) -> str:
    """Return what is told, or raise it if it does not hold."""
    if not holds:
        raise UnexpectedError(f"not so: {told}")
    return told


def lab_up(demo: Demo) -> str:
    """Start the lab and take over its environment."""
    code, _unused = demo.run([sys.executable, "-m", "tests.lab", "up"])
    told = expect(code == 0, "the lab is up")
    exports = subprocess.run(
        ["bash", "-c", 'eval "$("$0" -m tests.lab env)" && env -0', sys.executable],
        cwd=CHECKOUT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    demo.environment = dict(line.split("=", 1) for line in exports.split("\0") if "=" in line)
    return told


def succeeds(demo: Demo, verb: str, told: str, changed: bool | None = None) -> str:
    """Run a playbook that has to succeed, and to change something or nothing where that is said."""
    code, output = demo.play(verb)
    expect(code == 0, f"{verb} succeeds")
    if changed is not None:
        expect(("changed=0" not in output) == changed, f"{verb} reports {'a change' if changed else 'changed=0'}")
    return told


def routed(demo: Demo, status: int, told: str) -> str:
    """Ask the router, and compare the status of its answer."""
    return expect(demo.ask_router().status_code == status, told)


def fails(demo: Demo, verb: str, variables: Mapping[str, object], cause: str) -> str:
    """Run a playbook that has to fail with this cause and leave the registry as it was."""
    before = demo.entries()
    code, output = demo.play(verb, variables)
    expect(code != 0, f"{verb} fails")
    expect(cause in output, f"the cause is told: {cause}")
    expect(demo.entries() == before, "the registry is as it was")
    return f"exit code {code}: {cause}; nothing was registered"


def too_large(demo: Demo) -> str:
    """Ask for more GPUs than any node has: refused before anything is installed."""
    told = fails(demo, "deploy", TOO_LARGE, "There is room for 0 of 1 pods")
    code, _output = demo.run(["helm", "status", "too-large", "--namespace", "system"])
    expect(code != 0, "nothing was installed")
    return told


def main_path(demo: Demo) -> None:
    """From nothing to a routed model, and what an operator does with it."""
    demo.step("Deploy, wait, verify, register", lambda: succeeds(demo, "deploy", "served and registered"))
    demo.step("Verify again by a completion", lambda: succeeds(demo, "verify", "generates", changed=False))
    demo.step("List", lambda: succeeds(demo, "list", "listed", changed=False))
    demo.step("Completion through the router", lambda: routed(demo, 200, "the router serves it"))
    demo.step("Disable", lambda: succeeds(demo, "disable", "disabled", changed=True))
    demo.step("The router denies", lambda: routed(demo, 404, "the router answers 404"))
    demo.step("Enable", lambda: succeeds(demo, "enable", "enabled", changed=True))
    demo.step("The router serves", lambda: routed(demo, 200, "the router serves it"))
    demo.step("Deploy again", lambda: succeeds(demo, "deploy", "changed=0", changed=False))


def mistakes(demo: Demo) -> None:
    """Three mistakes, each with a clear cause, and nothing registered."""
    wrong_name = {"vllm_served_name": "gpt-oss-120b"}
    no_port = {"vllm_endpoint": "gpt-oss-20b"}
    demo.step(
        "Mistake: a name that is not served",
        lambda: fails(demo, "register", wrong_name, f"does not serve 'gpt-oss-120b'. It serves: {MODEL}"),
    )
    demo.step("Mistake: more GPUs than any node has", lambda: too_large(demo))
    demo.step(
        "Mistake: an endpoint without a port",
        lambda: fails(demo, "register", no_port, "Invalid endpoint format: gpt-oss-20b"),
    )


def summary(demo: Demo) -> None:
    """Print each step's seconds, the entry and the route."""
    print("\n=== Summary")
    for title, seconds, outcome in demo.steps:
        print(f"  {seconds:6.1f} s  {title:36} {outcome}")
    print(f"  {sum(seconds for _unused, seconds, _unused in demo.steps):6.1f} s  in all")
    if "ROUTER_URL" in demo.environment and not demo.wrong:
        print("  Entry:", json.dumps(demo.entries()))
        answer = demo.ask_router()
        print(f"  Route: {demo.environment['ROUTER_URL']} -> {answer.headers.get('X-Route-Endpoint')}")
    print('\nThe lab stays up: eval "$(make -s lab-env)" to use it, make lab-down to end it.')


def main() -> int:
    demo = Demo()
    demo.step("Start the lab", lambda: lab_up(demo))
    if not demo.wrong:
        main_path(demo)
        mistakes(demo)
    summary(demo)
    if demo.wrong:
        print(f"\n{len(demo.wrong)} steps came to something unexpected: {', '.join(demo.wrong)}")
    return 1 if demo.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
