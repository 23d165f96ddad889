# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PgBouncer in transaction mode, the machine's own or Debian's package, unpacked into the cache."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extras import RealDictCursor

from tests.lab.errors import LabError
from tests.lab.lock import held
from tests.lab.paths import cache_root, make_private
from tests.lab.process import LOOPBACK, Daemon, start, wait_until
from tests.lab.stores import SUPERUSER, database_url, drop_root

_PACKAGE = "pgbouncer"
# What it needs beyond what every Debian has; the rest of their names differs between releases.
_LIBRARIES = ("libevent", "libc-ares", "libcares")
_APT_SECONDS = 120.0
_START_SECONDS = 15.0
_SETTINGS = {
    "listen_addr": LOOPBACK,
    "unix_socket_dir": "",
    "auth_type": "scram-sha-256",
    "pool_mode": "transaction",
    "max_client_conn": "100",
    # For its console, the database of this name.
    "admin_users": SUPERUSER,
    # How soon it tries again where a server cannot be reached, and when it sends those away who wait for one.
    "server_login_retry": "1",
    "query_wait_timeout": "3",
}
CONSOLE = "pgbouncer"


@dataclass(frozen=True)
class Pool:
    """Connections to one database of a server."""

    port: int
    database: str
    size: int

    def line(self, name: str) -> str:
        return f"{name} = host={LOOPBACK} port={self.port} dbname={self.database} pool_size={self.size}"


@dataclass(frozen=True)
class Program:
    """The executable, and where its libraries are if not among the system's."""

    path: Path
    environment: Mapping[str, str]


def program() -> Program:
    """Find PgBouncer, or unpack it.

    Raises:
        LabError: says how to install it.
    """
    if found := shutil.which(_PACKAGE, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"):
        return Program(Path(found), {})
    folder = _unpacked()
    libraries = sorted({str(path.parent) for path in folder.glob("usr/lib/**/*.so*")})
    return Program(folder / "usr" / "sbin" / _PACKAGE, {"LD_LIBRARY_PATH": os.pathsep.join(libraries)})


def start_pgbouncer(state_dir: Path, port: int, password: str, pools: Mapping[str, Pool]) -> Daemon:
    """PgBouncer with these pools, by the name of the database that a client asks for."""
    folder = state_dir / "pgbouncer"
    folder.mkdir(mode=0o700)
    users = _secret(folder / "users.txt", [f'"{SUPERUSER}" "{password}"'])
    settings = _SETTINGS | {"listen_port": str(port), "auth_file": str(users)}
    lines = ["[databases]", *(pool.line(name) for name, pool in pools.items())]
    lines += ["[pgbouncer]", *(f"{name} = {value}" for name, value in settings.items())]
    configuration = _secret(folder / "pgbouncer.ini", lines)
    found = program()
    # Like PostgreSQL it refuses to run as root.
    command: list[str | Path] = [*drop_root(folder), found.path, configuration]
    daemon = start(state_dir, "pgbouncer", command, extra_environment=found.environment, folder=state_dir)
    url = database_url(port, password, SUPERUSER, CONSOLE)
    wait_until("PgBouncer to answer", lambda: console_problem(url), [daemon], _START_SECONDS)
    return daemon


def console(url: str, command: str) -> list[dict[str, Any]]:
    """What the console answers to a command."""
    connection = psycopg2.connect(url, connect_timeout=3)
    try:
        # It knows no transactions.
        connection.autocommit = True
        with connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(command)
            return [dict(row) for row in cursor.fetchall()]
    finally:
        connection.close()


def console_problem(url: str) -> str | None:
    """Why PgBouncer cannot be used; None when it answers."""
    try:
        console(url, "SHOW VERSION")
    except psycopg2.Error as error:
        return str(error).strip()
    return None


def _secret(path: Path, lines: Sequence[str]) -> Path:
    path.touch(mode=0o600)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    return path


def _unpacked() -> Path:
    system = platform.freedesktop_os_release()
    target = cache_root() / f"{_PACKAGE}-{system['ID']}-{system.get('VERSION_ID', 'rolling')}-{platform.machine()}"
    if not target.is_dir():
        make_private(target.parent)
        with held(target.with_name(f"{target.name}.lock"), _PACKAGE, print):
            if not target.is_dir():
                _unpack(target)
    return target


def _unpack(target: Path) -> None:
    # Only the holder of the lock comes here, so whatever lies in this folder is of an attempt that was cut off.
    work = target.with_name(f"{target.name}.unpacking")
    shutil.rmtree(work, ignore_errors=True)
    make_private(work)
    try:
        _download(work)
    except (LabError, subprocess.TimeoutExpired, OSError) as error:
        raise LabError(
            f"PgBouncer is not installed, and Debian's package could not be fetched: {error}\n"
            "Install it, for example with `apt-get install pgbouncer`, so that it is in the PATH."
        ) from error
    for package in work.glob("*.deb"):
        _run(work, "dpkg", "-x", str(package), "root")
    (work / "root").rename(target)
    shutil.rmtree(work)


def _download(work: Path) -> None:
    try:
        names = _names(work)
        _run(work, "apt-get", "download", *names)
    except LabError:
        # The lists of packages are missing or older than the archive.
        if os.geteuid() != 0:
            raise
        _run(work, "apt-get", "update")
        _run(work, "apt-get", "download", *_names(work))


def _names(work: Path) -> list[str]:
    """The package and those of its libraries that are not part of every system."""
    lines = _run(work, "apt-cache", "depends", "--important", _PACKAGE).splitlines()
    needed = [line.split()[-1] for line in lines if line.strip().startswith("Depends:")]
    return [_PACKAGE, *(name for name in needed if name.startswith(_LIBRARIES))]


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_APT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise LabError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}")
    return done.stdout
