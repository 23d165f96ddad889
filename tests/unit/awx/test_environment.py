# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment has exact versions: those that the collection is tested with."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.awx.tables import CHECKOUT

BUILD: dict[str, Any] = yaml.safe_load((CHECKOUT / "execution-environment.yml").read_text())
DEPENDENCIES: dict[str, Any] = BUILD["dependencies"]
GALAXY: dict[str, Any] = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())
ARCHIVE = f"{GALAXY['namespace']}-{GALAXY['name']}-{GALAXY['version']}.tar.gz"


def pins(file: str) -> dict[str, str]:
    lines = (CHECKOUT / "requirements" / file).read_text().splitlines()
    return {name.lower(): version for name, version in re.findall(r"^([\w-]+)==(\S+)", "\n".join(lines), re.MULTILINE)}


def named(file: str) -> set[str]:
    return set(re.findall(r"^([\w-]+)", (CHECKOUT / "requirements" / file).read_text().lower(), re.MULTILINE))


def test_it_has_what_a_controller_needs_as_tested() -> None:
    there = dict(each.lower().split("==") for each in DEPENDENCIES["python"])
    assert there.keys() == named("runtime.txt")
    assert there.items() <= pins("py312.txt").items()
    assert DEPENDENCIES["ansible_core"]["package_pip"] == f"ansible-core=={pins('py312.txt')['ansible-core']}"


def test_collections_have_exact_versions_and_ours_is_this_one() -> None:
    collections = {each["name"]: each.get("version", "") for each in DEPENDENCIES["galaxy"]["collections"]}
    assert collections.pop(f"collections/{ARCHIVE}") == ""
    assert collections.keys() == GALAXY["dependencies"].keys()
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in collections.values())
    assert BUILD["additional_build_files"] == [{"src": ARCHIVE, "dest": "collections"}]


def test_helm_is_the_one_of_the_lab() -> None:
    module = (CHECKOUT / "tests" / "lab" / "controlplane" / "go.mod").read_text()
    version = re.findall(r"helm\.sh/helm/v3 (v\S+)", module)[0]
    assert f"ARG HELM_VERSION={version}" in BUILD["additional_build_steps"]["append_final"]


@pytest.mark.parametrize("name", ["execution-environment.yml", "galaxy.yml", "ansible-navigator.yml"])
def test_documents_name_the_same_versions(name: str) -> None:
    text = (CHECKOUT / "docs" / "awx.md").read_text()
    words = re.findall(r"(?:==|version: |HELM_VERSION=v|inference:)(\d+\.[\d.]+\d)", (CHECKOUT / name).read_text())
    assert words
    assert [word for word in words if word not in text] == []


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ansible-builder makes of the definition, for a container runtime to build."""
    folder = tmp_path_factory.mktemp("builder")
    shutil.copy(CHECKOUT / "execution-environment.yml", folder)
    (folder / ARCHIVE).touch()
    words = [str(Path(sys.executable).parent / "ansible-builder"), "create", "--output-filename", "Containerfile"]
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return folder / "context"


def test_the_builder_takes_it_with_our_collection(context: Path) -> None:
    assert (context / "_build" / "collections" / ARCHIVE).exists()
    galaxy = yaml.safe_load((context / "_build" / "requirements.yml").read_text())
    assert galaxy == DEPENDENCIES["galaxy"]
    assert (context / "_build" / "requirements.txt").read_text().split() == DEPENDENCIES["python"]


def test_the_lines_that_are_ours_are_clean(context: Path) -> None:
    """By hadolint; the builder's own lines are not ours to change."""
    file = context / "Containerfile"
    words = [str(Path(sys.executable).parent / "hadolint"), "--no-fail", "--format", "json", str(file)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    lines, ours = file.read_text().splitlines(), BUILD["additional_build_steps"]["append_final"]
    found = [each for each in json.loads(ended.stdout) if lines[each["line"] - 1] in ours]
    assert set(ours) <= set(lines)
    assert found == []
