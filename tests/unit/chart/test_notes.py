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
