# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wait in a process of its own, with its time and its peak memory.

`python -m tests.integration.readiness.measured wait` takes the module's parameters from stdin and calls the module's
function, `... module` hands them to the module itself, as Ansible does.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
MODULE = REPOSITORY / "plugins" / "modules" / "vllm_ready.py"
MEGABYTE = 10**6
PATIENCE = 120.0


@dataclass(frozen=True)
class Measured:
    """What became of a wait: its result, when it began and ended (seconds since 1970), the most memory that it held and
    the seconds of a core that it took."""

    result: dict[str, Any]
    begin: float
    end: float
    megabytes: float
    core_seconds: float
    stderr: str

    @property
    def seconds(self) -> float:
        return self.end - self.begin

    @property
    def reason(self) -> str | None:
        found: str | None = self.result.get("reason")
        return found

    def __str__(self) -> str:
        return f"{self.reason or 'ready'} after {self.seconds:.2f} s, {self.megabytes:.0f} MB"


def measured(params: Mapping[str, Any], kind: str = "wait", env: Mapping[str, str] | None = None) -> Measured:
    """Wait in a new process (`wait`), or run the real module in one (`module`)."""
    with waiting(params, kind, env) as process:
        return finish(process)


@contextmanager
def waiting(
    params: Mapping[str, Any], kind: str = "wait", env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process that waits, and does not outlive this."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.readiness.measured", kind],
        cwd=REPOSITORY, env={**os.environ, **(env or {})}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdin
        process.stdin.write(json.dumps(params))
        process.stdin.close()
        process.stdin = None
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str], seconds: float = PATIENCE) -> Measured:
    """The end of a wait."""
    output, errors = process.communicate(timeout=seconds)
    assert process.returncode == 0, errors
    return Measured(**json.loads(output), stderr=errors)


def main() -> None:
    given = sys.stdin.read()
    found = run_module(given) if sys.argv[1] == "module" else wait(json.loads(given))
    print(json.dumps(found))


def wait(params: Mapping[str, Any]) -> dict[str, Any]:
    """Call the module's function; `failed` is its message where it fails."""
    from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
    from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.readiness import wait_until_ready

    if not params["url"]:
        # What it imports before its clock runs.
        import kubernetes.config
        import kubernetes.stream.ws_client  # noqa: F401

    begin, worked = time.time(), time.process_time()
    try:
        result = wait_until_ready(params, set(), once=False)
    except InferenceError as error:
        result = {**error.result, "failed": error.message}
    end, worked = time.time(), time.process_time() - worked
    return {"result": result, "begin": begin, "end": end, "megabytes": own_peak(), "core_seconds": worked}


def own_peak() -> float:
    """The most memory that this program has held. ru_maxrss would count the process that it was forked from."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    kibibytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kibibytes) * 1024 / MEGABYTE


def run_module(params: str) -> dict[str, Any]:
    """Run the module; `failed` is its message where it fails. This small process is what it is forked from."""
    arguments = {name: value for name, value in json.loads(params).items() if value is not None}
    begin = time.time()
    done = subprocess.run(
        [sys.executable, str(MODULE)], input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        stdout=subprocess.PIPE, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    end, used = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    result = json.loads(done.stdout)
    if result.pop("failed", False):
        result = {**result, "failed": result.pop("msg")}
    costs = {"megabytes": used.ru_maxrss * 1024 / MEGABYTE, "core_seconds": used.ru_utime + used.ru_stime}
    return {"result": result, "begin": begin, "end": end, **costs}


if __name__ == "__main__":
    main()
