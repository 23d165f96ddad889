# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's commands: up, down, status, env, build."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path

from tests.lab import build, config, custom_resources, health, lab, paths, state
from tests.lab.config import Lab
from tests.lab.errors import LabError
from tests.lab.routes import ENVIRONMENTS

_BEGAN = time.monotonic()


def main() -> int:
    arguments = _parse()
    try:
        state_dir = paths.state_dir()
        if arguments.verb == "up":
            lab.up(state_dir, report)
        elif arguments.verb == "down":
            lab.down(state_dir, report)
        elif arguments.verb == "build":
            for wanted in (build.CONTROL_PLANE, build.PROMTOOL, build.HELM_4):
                report(f"{wanted.title} is in {build.ensure(report, wanted)}")
            report(f"{len(custom_resources.definitions(report))} custom resource definitions are at hand")
        elif arguments.verb == "status":
            return status(_running(state_dir))
        else:
            sys.stdout.write("".join(f"{line}\n" for line in exports(_running(state_dir), arguments.environment)))
    except (LabError, state.StateError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130
    return 0


def report(message: str) -> None:
    """Progress, on stderr: stdout is for what a shell evaluates."""
    print(f"lab: [{time.monotonic() - _BEGAN:5.1f} s] {message}", file=sys.stderr, flush=True)


def status(running: Lab) -> int:
    """A line for each component; 0 only when all are healthy."""
    found = health.examine(running)
    for entry in found:
        verdict = "healthy" if entry.problem is None else f"NOT HEALTHY: {entry.problem}"
        print(f"{entry.name:<24} {entry.pid or '-':>8}  {entry.address:<16}  {verdict}")
    return int(any(entry.problem for entry in found))


def variables(running: Lab, environment: str) -> dict[str, str]:
    """What a shell or a playbook needs to use this lab."""
    found = {
        "KUBECONFIG": running.kubeconfig,
        "DATABASE_URL": running.database_url,
        "REDIS_URL": running.redis_url,
        "ROUTER_URL": running.router_url(environment),
    }
    return found | ({"ROUTER_API_KEY": running.router_api_key} if running.router_api_key else {})


def search_path() -> list[str]:
    """Folders for the front of PATH: the virtual environment's, and the one of helm and kubectl."""
    return [str(Path(sys.executable).parent), str(build.tools())]


def exports(running: Lab, environment: str) -> list[str]:
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables(running, environment).items())
    front = ":".join(shlex.quote(folder) for folder in search_path())
    return [f"export {words}", f'export PATH={front}:"$PATH"']


def _running(state_dir: Path) -> Lab:
    found = config.load(state_dir)
    if found is None:
        raise LabError(f"lab {state_dir.name} is not up. Start it with `make lab-up`.")
    return found


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="start the lab, or leave a healthy one alone")
    verbs.add_parser("down", help="end the lab and remove its state")
    verbs.add_parser("status", help="a line for each component; exit code 0 when all are healthy")
    verbs.add_parser("build", help="build the control plane's binaries, promtool and Helm 4, if they are not there")
    env = verbs.add_parser("env", help="print what a shell needs to use the lab")
    env.add_argument("--environment", choices=ENVIRONMENTS, default="development", help="for ROUTER_URL")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
