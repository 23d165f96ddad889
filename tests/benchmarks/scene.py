# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where readiness is measured: a watched namespace of a lab, and the tasks of playbooks."""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.watching import Watcher
from tests.integration.lab.conftest import wait_for_service_account
from tests.integration.lab_cli import LabCli
from tests.integration.readiness.deployments import MODEL, Deployments, container
from tests.lab.__main__ import search_path, variables
from tests.lab.kubelet.api import Api
from tests.lab.paths import default_name

NAMESPACE = "bench"
DELAY = 5


@dataclass(frozen=True)
class Bench:
    """A namespace of a lab, and who watches it."""

    env: dict[str, str]
    deployments: Deployments
    watcher: Watcher


@contextmanager
def laboratory() -> Iterator[Bench]:
    """In a lab of the benchmark's own."""
    lab = LabCli(f"{default_name()}-bench-ready")
    running = lab.up()
    try:
        env = {**os.environ, **variables(running, "development")}
        env["PATH"] = os.pathsep.join([*search_path(), os.environ["PATH"]])
        with tempfile.TemporaryDirectory() as folder:
            api = Api(Path(running.kubeconfig), Path(folder))
            api.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            wait_for_service_account(api, NAMESPACE)
            with Watcher(Path(running.kubeconfig), NAMESPACE) as watcher:
                yield Bench(env, Deployments(api, running.kubeconfig, NAMESPACE), watcher)
    finally:
        lab.down()


def loading(least: float, most: float) -> dict[str, Any]:
    return container(env={"LAB_VLLM_LOAD_SECONDS": f"{random.uniform(least, most):.3f}"})  # noqa: S311


def helm(folder: Path, namespace: str, name: str, deployment: dict[str, Any], *, wait: bool) -> dict[str, Any]:
    """A task that deploys a chart of one Deployment."""
    chart = folder / name
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": name, "version": "1.0.0"}))
    (chart / "templates" / "deployment.yaml").write_text(json.dumps(deployment))
    given = {"name": name, "namespace": namespace, "chart_ref": str(chart), "wait": wait}
    return {"name": "helm", "kubernetes.core.helm": given}


def uri(url: str) -> dict[str, Any]:
    """The task that people write: ask for a token until one comes."""
    body = {"model": MODEL, "prompt": "Hi", "max_tokens": 1}
    asked = {"url": f"{url}/v1/completions", "method": "POST", "body_format": "json", "body": body}
    repeated = {"register": "answer", "until": "answer is succeeded", "retries": 60, "delay": DELAY}
    return {"name": "uri", "ansible.builtin.uri": asked, **repeated}


def end_of(result: dict[str, Any]) -> float:
    end: float = result["start"] + result["seconds"]
    return end
