# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace of the lab, with Helm and kubectl as a user has them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import build

Json = dict[str, Any]

CHART = Path(__file__).parents[3] / "charts" / "vllm-deployment"
PREVIOUS = Path(__file__).parent / "previous"
SECONDS = 90
HELMS = {"Helm 3": build.CONTROL_PLANE, "Helm 4": build.HELM_4}
# Starts and ends within a second, and needs no GPU.
QUICK: Json = {
    "model": {"name": "org/tiny", "servedNames": ["tiny"]},
    "gpu": {"count": 0},
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
    "probes": {"startup": {"periodSeconds": 1}, "readiness": {"periodSeconds": 1}},
    "drain": {"preStopSleepSeconds": 0, "requestsSeconds": 0, "shutdownTimeoutSeconds": 0},
    "extraEnv": [{"name": "LAB_VLLM_LOAD_SECONDS", "value": "0.3"}],
}


class RefusedError(Exception):
    """A program failed; the text is its own."""


@dataclass(frozen=True)
class Place:
    """A namespace. `env` holds KUBECONFIG, and kubectl in its PATH."""

    namespace: str
    env: Mapping[str, str]

    def run(self, *words: str, values: Json | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program in the namespace. Values go in by standard input.

        Raises:
            RefusedError: it failed.
        """
        layer = ("--values", "-") if values is not None else ()
        done = subprocess.run(
            [*words, "--namespace", self.namespace, *layer],
            input=json.dumps(values) if values is not None else None,
            env=dict(self.env),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise RefusedError(done.stderr + done.stdout)
        return done

    def helm(self, which: str, *words: str, values: Json | None = None) -> subprocess.CompletedProcess[str]:
        """Run Helm 3 or Helm 4."""
        return self.run(str(build.binaries(HELMS[which]) / "helm"), *words, values=values)

    def kubectl(self, *words: str) -> str:
        return self.run("kubectl", *words).stdout

    def get(self, kind: str, *words: str) -> list[Json]:
        """Objects of a kind."""
        found: list[Json] = json.loads(self.kubectl("get", kind, "--output", "json", *words))["items"]
        return found

    def deployment(self, release: str) -> Json:
        found: Json = json.loads(self.kubectl("get", "deployment", f"{release}-vllm-deployment", "--output", "json"))
        return found

    def wait(self, what: str, is_so: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, f"{what} did not come about:\n{self.kubectl('get', 'events')}"
            time.sleep(0.2)


def layers(*names: str) -> Sequence[str]:
    """Options of Helm for values files beside the chart."""
    return [f"--values={CHART / f'values-{name}.yaml'}" for name in names]
