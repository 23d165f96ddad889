# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A primary of its own and a streaming replica of it."""

from __future__ import annotations

from pathlib import Path

from tests.lab.process import LOOPBACK, run, wait_until
from tests.lab.stores import SUPERUSER, drop_root, postgres_program, serve_postgres, start_postgres

from .conftest import ADMIN_PASSWORD, Server

_NAME = "replica"
_SECONDS = 30.0


class Pair:
    """Both servers, which keep their data in one folder. Whoever has made it ends the processes by that folder."""

    def __init__(self, folder: Path, primary_port: int, replica_port: int) -> None:
        self._folder = folder
        self.primary = Server(primary_port)
        self.replica = Server(replica_port)

    def start(self) -> None:
        start_postgres(self._folder, self.primary.port, ADMIN_PASSWORD)
        data = self._folder / _NAME
        data.mkdir(mode=0o700)
        # -R makes it a replica of where the copy came from.
        copy: list[str | Path] = [postgres_program("pg_basebackup"), "-R", "-D", data, "--checkpoint=fast", "--no-sync"]
        source = ["-h", LOOPBACK, "-p", str(self.primary.port), "-U", SUPERUSER]
        run(
            self._folder,
            "pg_basebackup",
            [*drop_root(data), *copy, *source],
            seconds=_SECONDS,
            extra_environment={"PGPASSWORD": ADMIN_PASSWORD},
        )
        serve_postgres(self._folder, _NAME, self.replica.port, ADMIN_PASSWORD)

    def url(self, database: str, *servers: Server, keywords: bool = False) -> str:
        """A connection string with several hosts, in either of libpq's two forms."""
        if keywords:
            hosts, ports = ",".join(LOOPBACK for _unused in servers), ",".join(str(server.port) for server in servers)
            return f"host={hosts} port={ports} user={SUPERUSER} password={ADMIN_PASSWORD} dbname={database}"
        hosts = ",".join(f"{LOOPBACK}:{server.port}" for server in servers)
        return f"postgresql://{SUPERUSER}:{ADMIN_PASSWORD}@{hosts}/{database}"

    def catch_up(self) -> None:
        """Wait until the replica shows all that the primary has committed."""
        ((position,),) = self.primary.execute("postgres", "SELECT pg_current_wal_insert_lsn()::text")

        def behind() -> str | None:
            rows = self.replica.execute("postgres", "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", position)
            return None if rows == [(True,)] else f"it has not replayed {position}"

        wait_until("the replica to catch up", behind, [], _SECONDS, self._folder / "logs" / f"{_NAME}.log")

    def promote(self) -> None:
        """Make the replica a primary of its own."""
        data = self._folder / _NAME
        command: list[str | Path] = [
            *drop_root(data),
            postgres_program("pg_ctl"),
            "promote",
            "-D",
            data,
            "--wait",
            "--timeout=20",
        ]
        run(self._folder, "pg_ctl", command, seconds=_SECONDS)
