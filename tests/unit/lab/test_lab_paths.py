# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lab lives, and its name."""

from __future__ import annotations

import hashlib
import os
import pwd
from pathlib import Path

import pytest

from tests.lab import build, paths
from tests.lab.errors import LabError, StartError
from tests.lab.process import free_ports


@pytest.mark.parametrize(
    ("environ", "cache", "state"),
    [
        ({"HOME": "/h"}, "/h/.cache/ai_aas.inference", "/h/.local/state/ai_aas.inference"),
        (
            {"HOME": "/h", "XDG_CACHE_HOME": "/c", "XDG_STATE_HOME": "/s"},
            "/c/ai_aas.inference",
            "/s/ai_aas.inference",
        ),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/c", "AI_AAS_CACHE": "/a", "AI_AAS_STATE": "/b"}, "/a", "/b"),
        (
            {"HOME": "/h", "AI_AAS_CACHE": "", "AI_AAS_STATE": ""},
            "/h/.cache/ai_aas.inference",
            "/h/.local/state/ai_aas.inference",
        ),
    ],
)
def test_roots(environ: dict[str, str], cache: str, state: str) -> None:
    assert paths.cache_root(environ) == Path(cache)
    assert paths.state_root(environ) == Path(state)


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}])
def test_without_home_the_user_database_is_asked(environ: dict[str, str]) -> None:
    home = pwd.getpwuid(os.getuid()).pw_dir
    assert paths.cache_root(environ) == paths.cache_root({"HOME": home})


def test_two_checkouts_of_the_same_folder_name_differ() -> None:
    names = {paths.default_name(Path(folder)) for folder in ("/a/inference", "/b/inference")}
    assert len(names) == 2
    assert all(name.startswith("inference-") for name in names)


def test_a_long_or_odd_folder_gives_a_plain_name() -> None:
    name = paths.default_name(Path("/x") / ("Ünïcode Folder" * 10))
    assert paths.lab_name({"LAB_NAME": name}) == name
    assert len(name) < 40


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "x" * 64, "with space"])
def test_names_that_could_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="LAB_NAME"):
        paths.lab_name({"LAB_NAME": name})


def test_a_folder_that_cannot_be_made_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="AI_AAS_STATE"):
        paths.make_private(tmp_path / "file" / "state")


@pytest.mark.parametrize("tools", [build.CONTROL_PLANE, build.PROMTOOL, build.HELM_4], ids=lambda tools: tools.title)
def test_the_build_is_named_for_its_pins(tools: build.Tools) -> None:
    content = (tools.folder / "go.mod").read_bytes() + (tools.folder / "go.sum").read_bytes()
    key = hashlib.sha256(content).hexdigest()[:16]
    assert build.binaries(tools) == paths.cache_root() / tools.folder.name / key / "bin"


def test_promtool_is_in_no_shell_of_a_lab() -> None:
    assert build.binaries(build.PROMTOOL) not in (build.binaries(), build.tools())


def test_ports_differ() -> None:
    names = [f"port-{number}" for number in range(30)]
    assert len(set(free_ports(names).values())) == len(names)


@pytest.mark.parametrize(
    ("line", "taken"),
    [("listen tcp 127.0.0.1:1: bind: address already in use", True), ("Address already in use", True), ("no", False)],
)
def test_a_start_error_shows_the_log_and_knows_a_taken_port(tmp_path: Path, line: str, taken: bool) -> None:
    log = tmp_path / "etcd.log"
    log.write_text(f"first\n{line}\n")
    error = StartError("etcd ended.", log)
    assert error.port_taken is taken
    assert str(log) in str(error)
    assert line in str(error)
