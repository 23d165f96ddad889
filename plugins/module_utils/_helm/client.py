# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of Helm that kubernetes.core lacks. Helm does the work; nothing of it is imitated here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.history import Revision

FIRST = frozenset(("pre-install", "pre-upgrade"))
# What Helm 4 says where another program has written a field that it wants to write.
CONFLICT = "conflict with "
# As many as Helm is asked for; it keeps ten by default.
MAX_HISTORY = 256

# Runs a program with a text as its standard input; returns its exit code, output and errors.
Run = Callable[[Sequence[str], str], tuple[int, str, str]]


@dataclass(frozen=True)
class Release:
    """A release as Helm knows it.

    `values` are the user's own, without the chart's defaults. `hooks` are what Helm applies before anything else.
    """

    status: str
    revision: int
    values: Mapping[str, Any]
    manifest: str
    updated: str = ""
    hooks: tuple[str, ...] = ()
    chart: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Helm:
    """One release in one namespace, reached by the `helm` program."""

    run: Run
    binary: str
    name: str
    namespace: str
    options: tuple[str, ...] = ()

    def call(self, words: Sequence[str], content: str = "") -> tuple[int, str, str]:
        """Run a subcommand on the release's namespace."""
        return self.run([self.binary, *words, "--namespace", self.namespace, *self.options], content)

    def status(self, revision: int = 0) -> Release | None:
        """Return a revision of the release, by default the newest one, or None if there is none.

        Raises:
            InferenceError: Helm cannot reach the cluster, or may not read there.
        """
        output = self.read(["status", self.name, *(["--revision", str(revision)] if revision else [])])
        return read_release(output) if output else None

    def history(self) -> list[Revision]:
        """Return the release's revisions, the oldest first; none where there is no release.

        Raises:
            InferenceError: as status does.
        """
        found = self.read(["history", self.name, "--max", str(MAX_HISTORY)]) or []
        return [
            Revision(each["revision"], each["status"], each["updated"], each["chart"], each["description"])
            for each in found
        ]

    def read(self, words: Sequence[str]) -> Any:
        """What a subcommand prints as JSON, or None if there is no such release."""
        code, output, errors = self.call([*words, "--output", "json"])
        if code == 0:
            return json.loads(output)
        if "release: not found" in errors:
            return None
        raise InferenceError(
            f"Helm cannot read release {self.name} in namespace {self.namespace}",
            last_line(errors),
            "Check that the kubeconfig names a cluster that answers, and that its account may read Secrets there.",
        )

    def render(self, chart: str, values: Mapping[str, Any]) -> Release:
        """Return what an upgrade (or a first installation) would make of the release, without doing it.

        Raises:
            InferenceError: the chart refuses the values, or the cluster refuses the objects.
        """
        words = ["upgrade", self.name, chart, "--install", "--dry-run=server", "--values", "-", "--output", "json"]
        code, output, errors = self.call(words, json.dumps(values))
        if code == 0:
            return read_release(json.loads(output))
        raise InferenceError(
            f"Helm refuses to deploy release {self.name} in namespace {self.namespace}",
            " ".join(errors.removeprefix("Error: ").split()),
            "Nothing was changed. Correct the values or the chart that are named.",
        )

    def major(self) -> int:
        """Helm's own version, as far as the first dot."""
        _code, output, _errors = self.run([self.binary, "version", "--template", "{{.Version}}"], "")
        first = output.strip().removeprefix("v").partition(".")[0]
        return int(first) if first.isdigit() else 0

    def rollback(self, revision: int) -> None:
        """Make a new revision with what an earlier one holds. Waits for nothing.

        Fields that others have written since are overwritten: whoever goes back wants what was there.

        Raises:
            InferenceError: Helm or the cluster refuses.
        """
        words = ["rollback", self.name, str(revision)]
        code, _output, errors = self.call(words)
        if code and CONFLICT in errors:
            code, _output, errors = self.call([*words, "--force-conflicts"])
        if code:
            raise InferenceError(
                f"Helm refuses to roll release {self.name} in namespace {self.namespace} back to revision {revision}",
                last_line(errors),
                "See `helm history`, and what the message names.",
            )


def read_release(document: Mapping[str, Any]) -> Release:
    """Read what Helm prints as JSON of a release."""
    info = document["info"]
    return Release(
        status=info["status"],
        revision=document["version"],
        values=document.get("config") or {},
        manifest=document.get("manifest", ""),
        updated=info.get("last_deployed", ""),
        chart=document.get("chart") or {},
        hooks=tuple(
            each["manifest"] for each in document.get("hooks") or () if FIRST.intersection(each.get("events") or ())
        ),
    )


def last_line(text: str) -> str:
    """The last line that says something, without Helm's prefix."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("Error: ") if lines else "it gave no reason"
