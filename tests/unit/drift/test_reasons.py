# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deploy would have to do, told without rendering wherever that can be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.chart import Charts, read_chart
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.reasons import reasons
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.running import Running
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.client import Helm

from tests.unit.drift.sides import DECLARED, release, running

SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "r"}}


class Rendering:
    """The `helm` program, which renders this manifest, and remembers that it was asked."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.manifest = yaml.safe_dump_all(objects)
        self.asked: list[tuple[str, str]] = []
        self.refuses = ""

    def open(self, namespace: str, name: str) -> Helm:
        self.asked.append((namespace, name))
        return Helm(self.run, "helm", name, namespace)

    def run(self, words: Sequence[str], content: str) -> tuple[int, str, str]:
        assert words[1] == "upgrade"
        if self.refuses:
            return 1, "", f"Error: {self.refuses}"
        info = {"status": "pending-upgrade"}
        return 0, json.dumps({"info": info, "version": 3, "config": json.loads(content), "manifest": self.manifest}), ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A chart."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("name: vllm-deployment\nversion: 0.1.0\n")
    (tmp_path / "values.yaml").write_text("a: 0\n")
    (tmp_path / "templates" / "a.yaml").write_text("kind: Service\n")
    return tmp_path


def told(folder: Path, there: Running, helm: Rendering | None = None, **values: Any) -> list[str]:
    declared = DECLARED._replace(chart=str(folder), values=values or {"a": 1})
    return reasons(declared, there, Charts(), (helm or Rendering()).open)


def made_of(folder: Path, **changes: Any) -> Running:
    """A release of the chart as it is now."""
    found = release(**changes)
    return running(release=type(found)(**{**vars(found), "chart": read_chart(folder)}))


def test_what_agrees_is_not_rendered(folder: Path) -> None:
    helm = Rendering()
    assert told(folder, made_of(folder), helm) == []
    assert helm.asked == []


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (Running(), ["there is no such release"]),
        (running(release=release("uninstalled")), ["there is no such release"]),
        (running(release=release("pending-upgrade")), ["its status is pending-upgrade"]),
        (Running(broken="Secret x holds no release"), ["Secret x holds no release"]),
    ],
)
def test_what_is_not_deployed(folder: Path, there: Running, expected: list[str]) -> None:
    assert told(folder, there) == expected


def test_a_failed_release_is_told_with_what_else_differs(folder: Path) -> None:
    there = made_of(folder, status="failed", a=2)
    assert told(folder, there) == ["its status is failed", "value a differs"]


def test_values_are_named_and_not_shown(folder: Path) -> None:
    there = made_of(folder, a={"b": "s3cret", "c": 1}, d=[1])
    assert told(folder, there, a={"b": "other", "c": 1}, d=[2]) == ["value a.b differs", "value d differs"]


def test_only_some_values_are_named(folder: Path) -> None:
    there = made_of(folder, **dict.fromkeys("abcdefg", 1))
    assert told(folder, there, x=1)[5:] == ["and 3 more values differ"]


def test_what_a_deploy_has_chosen_by_itself_is_no_difference(folder: Path) -> None:
    there = made_of(folder, a=1, deployId="after-1", strategy={"surge": True})
    assert told(folder, there) == []


def test_another_version_of_the_chart_is_not_rendered(folder: Path) -> None:
    there = made_of(folder)
    (folder / "Chart.yaml").write_text("name: vllm-deployment\nversion: 0.2.0\n")
    helm = Rendering()
    assert told(folder, there, helm) == ["its chart is vllm-deployment 0.1.0, not vllm-deployment 0.2.0"]
    assert helm.asked == []


@pytest.mark.parametrize(("objects", "expected"), [([], []), ([SERVICE], ["Service r differs"])])
def test_a_chart_that_changed_under_its_version_is_rendered(
    folder: Path, objects: list[dict[str, Any]], expected: list[str]
) -> None:
    there = made_of(folder)
    (folder / "templates" / "a.yaml").write_text("kind: Service # changed\n")
    helm = Rendering(*objects)
    assert told(folder, there, helm) == expected
    assert helm.asked == [("ns", "r")]


def test_what_helm_refuses_is_told(folder: Path) -> None:
    there = made_of(folder)
    (folder / "templates" / "a.yaml").write_text("kind: Service # changed\n")
    helm = Rendering()
    helm.refuses = "no"
    (found,) = told(folder, there, helm)
    assert found.startswith("Helm refuses to deploy release r in namespace ns: no.")


@pytest.mark.parametrize("name", ["values-m.yaml", "profile-m.yaml", "README.md", "LICENSE", ".helmignore"])
def test_what_no_template_reads_makes_no_difference(folder: Path, name: str) -> None:
    there = made_of(folder)
    (folder / name).write_text("x")
    helm = Rendering()
    assert (told(folder, there, helm), helm.asked) == ([], [])


@pytest.mark.parametrize("name", ["templates/b.tpl", "files/a.json", "values.schema.json", "config.yaml"])
def test_what_a_template_may_read_makes_one(folder: Path, name: str) -> None:
    there = made_of(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    helm = Rendering()
    told(folder, there, helm)
    assert helm.asked


def test_a_chart_with_dependencies_is_left_to_helm(folder: Path) -> None:
    there = made_of(folder)
    (folder / "charts").mkdir()
    helm = Rendering()
    assert (told(folder, there, helm), helm.asked) == ([], [("ns", "r")])


def test_a_chart_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "Chart.yaml").write_text("{")
    with pytest.raises(InferenceError, match=f"The chart in {folder} cannot be read"):
        told(folder, running())
