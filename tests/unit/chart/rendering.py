# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering the chart with the real Helm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from tests.lab import build

CHART = Path(__file__).parents[3] / "charts" / "vllm-deployment"
# The model of the project that this one takes the place of, and all that values are shipped for.
SEED_MODEL = "unsloth-gpt-oss-20b"
MODELS = ("llama-3.1-8b", "llama-3.3-70b", "mixtral-8x7b", "qwen3-32b", SEED_MODEL)
ENVIRONMENTS = ("development", "staging", "production")
SERVICE_MONITOR = "monitoring.coreos.com/v1/ServiceMonitor"

# The least that the schema accepts.
MINIMAL: Mapping[str, Any] = {"model": {"name": "example/tiny", "servedNames": ["tiny"]}}

Manifest: TypeAlias = dict[str, Any]


class ChartError(Exception):
    """Helm refused the chart or its values; the text is Helm's own."""


class Rendering:
    """The objects that a rendering holds."""

    def __init__(self, objects: Sequence[Manifest]) -> None:
        self.objects = objects

    def all(self, kind: str) -> list[Manifest]:
        """Return the objects of a kind."""
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind: str) -> Manifest:
        """Return the only object of a kind."""
        (found,) = self.all(kind)
        return found

    @property
    def pod(self) -> Manifest:
        """The Deployment's pod template."""
        template: Manifest = self.one("Deployment")["spec"]["template"]
        return template

    @property
    def pods(self) -> list[Manifest]:
        """Whatever becomes a pod: those of workloads, of hooks and of tests."""
        groups = [item["spec"]["leaderWorkerTemplate"] for item in self.all("LeaderWorkerSet")]
        jobs = [*self.all("Job"), *(item["spec"]["jobTemplate"] for item in self.all("CronJob"))]
        templates = [item["spec"]["template"] for item in (*self.all("Deployment"), *jobs)]
        templates += [group[role] for group in groups for role in ("leaderTemplate", "workerTemplate")]
        return [*templates, *self.all("Pod")]

    @property
    def container(self) -> Manifest:
        """The only container of the pod."""
        (container,) = self.pod["spec"]["containers"]
        found: Manifest = container
        return found

    @property
    def variables(self) -> dict[str, Any]:
        """The container's environment: values, or where they come from."""
        return {item["name"]: item.get("value", item.get("valueFrom")) for item in self.container["env"]}


class Helm:
    """A Helm binary, with a memory of what it rendered: most tests look at the same few renderings."""

    def __init__(self, binary: str) -> None:
        self.binary = binary
        self._known: dict[tuple[str, ...], Rendering] = {}

    def run(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        """Run Helm on the chart's folder and return its output. Values go in by standard input, as a last layer."""
        layer = ("--values", "-") if values is not None else ()
        done = subprocess.run(
            (self.binary, *arguments, *layer),
            input=json.dumps(values),
            capture_output=True,
            text=True,
            check=False,
            cwd=CHART,
            timeout=30,
            # It ends before a collection of garbage would pay: a fifth faster.
            env={**os.environ, "GOGC": "off"},
        )
        if done.returncode:
            raise ChartError(done.stderr + done.stdout)
        return done.stdout

    def template(
        self,
        values: Mapping[str, Any] | None = None,
        layers: Sequence[str] = (),
        options: Sequence[str] = (),
        release: str = "gpt-oss-20b",
    ) -> Rendering:
        """Render the chart: the named layers first, then the values; the least that is needed if neither is given."""
        values = MINIMAL if values is None and not layers else values
        files = [f"--values=values-{layer}.yaml" for layer in layers]
        arguments = ("template", release, ".", "--namespace=system", *files, *options)
        known = (*arguments, json.dumps(values, sort_keys=True))
        if known not in self._known:
            objects = yaml.load_all(self.run(*arguments, values=values), Loader=LOADER)
            self._known[known] = Rendering([item for item in objects if item])
        return self._known[known]


def rendered(helm: Helm, options: Sequence[str] = (), **values: Any) -> Rendering:
    """Render the least values with some more, named by path (`gpu__count=2`)."""
    merged: Mapping[str, Any] = MINIMAL
    for path, value in values.items():
        merged = merge(merged, nest(path.replace("__", "."), value))
    return helm.template(merged, options=options)


# libyaml's loader is ten times as fast, where PyYAML was built with it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two layers as Helm does: maps key by key, everything else replaced."""
    merged = dict(base)
    for key, value in over.items():
        under = merged.get(key)
        merged[key] = merge(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged


def nest(path: str, value: Any) -> dict[str, Any]:
    """Return the map in which a dotted path leads to a value."""
    for key in reversed(path.split(".")):
        value = {key: value}
    nested: dict[str, Any] = value
    return nested


def find_helm() -> str:
    """Return the Helm binary: HELM_BINARY, else the PATH's, else the lab's build."""
    found = os.environ.get("HELM_BINARY") or shutil.which("helm") or shutil.which("helm", path=str(build.binaries()))
    if not found:
        raise FileNotFoundError("No helm: set HELM_BINARY, put it on the PATH, or run `python -m tests.lab build`")
    return found
