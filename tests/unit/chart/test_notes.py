# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notes that Helm prints after an installation. `helm template` leaves them out: a copy of the chart shows them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.chart.rendering import CHART, MINIMAL, Helm, merge

SHOWN = "notes: {{ include (print .Template.BasePath `/NOTES.txt`) . | quote }}"
ENDPOINT = "gpt-oss-20b-vllm-deployment.system.svc.cluster.local"


def notes(helm: Helm, folder: Path, values: dict[str, Any]) -> str:
    """Return the notes of a release."""
    copy = shutil.copytree(CHART, folder / "chart")
    (copy / "templates" / "shown.yaml").write_text(SHOWN, encoding="utf-8")
    options = ("--namespace=system", "--show-only=templates/shown.yaml")
    text: str = yaml.safe_load(helm.run("template", "gpt-oss-20b", str(copy), *options, values=values))["notes"]
    return text


@pytest.mark.parametrize("port", [8000, 80])
def test_notes_hold_the_exact_commands(helm: Helm, tmp_path: Path, port: int) -> None:
    text = notes(helm, tmp_path, merge(MINIMAL, {"service": {"port": port}}))
    deadline = helm.template().one("Deployment")["spec"]["progressDeadlineSeconds"]
    assert f"-l app.kubernetes.io/instance=gpt-oss-20b -n system --timeout={deadline}s" in text
    assert f"kubectl port-forward -n system svc/gpt-oss-20b-vllm-deployment 8000:{port} &" in text
    assert '\'{"model": "tiny", "prompt": "Hello", "max_tokens": 1}\'' in text
    assert f"model_name=tiny environment=development endpoint={ENDPOINT}:{port} namespace=system" in text


def test_notes_keep_the_key_out_of_the_process_list(helm: Helm, tmp_path: Path) -> None:
    text = notes(helm, tmp_path, merge(MINIMAL, {"apiKey": {"existingSecret": {"name": "held"}}}))
    fetched, asked = (line for line in text.splitlines() if "Bearer" in line or "curl" in line)
    assert '{{index .data "api-key" | base64decode}}' in fetched
    assert asked.endswith("-H @-")


def test_notes_name_the_test(helm: Helm, tmp_path: Path) -> None:
    assert "helm test gpt-oss-20b -n system --logs\n" in notes(helm, tmp_path, dict(MINIMAL))


ROUTE = {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}}
POOL = {"inferencePool": {"enabled": True, "endpointPicker": {"name": "picker"}}}
INGRESS = {"ingress": {"enabled": True, "hosts": ["a.test"]}}
KEY = {"apiKey": {"existingSecret": {"name": "held"}}}


@pytest.mark.parametrize(
    ("values", "missing", "is_open"),
    [
        ({}, [], False),
        (KEY | ROUTE, ["the HTTPRoute"], False),
        (POOL, ["the InferencePool"], False),
        (INGRESS, [], True),
        (ROUTE, ["the HTTPRoute"], True),
        (KEY | INGRESS, [], False),
    ],
    ids=["default", "route", "pool", "ingress without a key", "route without a key", "ingress with a key"],
)
def test_notes_say_what_was_not_made_and_what_is_open(
    helm: Helm, tmp_path: Path, values: dict[str, Any], missing: list[str], is_open: bool
) -> None:
    text = notes(helm, tmp_path, merge(MINIMAL, values))
    found = [line.removeprefix("Not made: ").split(".")[0] for line in text.splitlines() if "Not made" in line]
    assert found == missing
    assert ("can use the model" in text) is is_open
