# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes belong to a lab: one record each, of pid and start time.

A pid alone says nothing after a crash, because the kernel hands it out again. Together with the
boot and the start time it names one process for ever, so nothing foreign is ever signalled.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, unquote

# The lab's daemons and all their descendants carry this variable, with the lab's state directory as its value.
# It finds what was started in the instant before its record could be written.
MARKER = "AI_AAS_LAB_STATE"

_POLL = 0.02
_KILL_GRACE = 10.0


class StateError(Exception):
    """A process of the lab could not be recorded or ended."""


@dataclass(frozen=True)
class Record:
    pid: int
    started: int
    boot: str
    stop: int = int(signal.SIGTERM)


def record(state_dir: Path, name: str, pid: int, *, stop: signal.Signals = signal.SIGTERM) -> None:
    """Remember a process that was just started. `stop` is the signal that asks it to end."""
    started = start_time(pid)
    if started is None:
        raise StateError(f"Cannot record {name}: process {pid} has already ended. Its log says why.")
    path = _path(state_dir, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps(asdict(Record(pid=pid, started=started, boot=_boot_id(), stop=int(stop))))
    # Written aside and renamed: a crash leaves no half record behind.
    temporary = path.with_suffix(f".tmp-{os.getpid()}-{pid}")
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(path)


def forget(state_dir: Path, name: str) -> None:
    """Drop the record of a process that has ended. Forgetting twice is no error."""
    _path(state_dir, name).unlink(missing_ok=True)


def living(state_dir: Path) -> dict[str, int]:
    """The recorded processes that still run, as name -> pid."""
    return {name: entry.pid for name, entry in _records(state_dir).items() if _is_alive(entry)}


def end(state_dir: Path, name: str, grace: float) -> None:
    """End one recorded process: its own stop signal first, SIGKILL after the grace period."""
    entry = _records(state_dir).get(name)
    if entry is not None:
        _end({name: entry}, grace)
    forget(state_dir, name)


def end_all(state_dir: Path, grace: float) -> None:
    """End every process of the lab that is recorded or carries its marker, then drop the records."""
    _end(_records(state_dir), grace)
    # Repeated, because a process that is being ended may have started one more in the meantime.
    deadline = time.monotonic() + _KILL_GRACE
    while strays := marked(state_dir):
        if time.monotonic() > deadline:
            raise StateError(f"Processes of the lab in {state_dir} keep starting others: {sorted(strays)}. End them.")
        _end({f"unrecorded {pid}": entry for pid, entry in strays.items()}, grace=0)
    for name in _records(state_dir):
        forget(state_dir, name)


def marked(state_dir: Path) -> dict[int, Record]:
    """Running processes whose environment carries this lab's marker, this process excepted."""
    wanted = f"{MARKER}={state_dir}".encode()
    found: dict[int, Record] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        started = start_time(int(folder.name))
        # Processes of other users are not readable, and cannot be this lab's.
        with contextlib.suppress(OSError):
            if started is not None and wanted in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = Record(int(folder.name), started, _boot_id())
    return found


def start_time(pid: int) -> int | None:
    """Field 22 of /proc/<pid>/stat, in clock ticks since boot; None when no such process runs."""
    try:
        content = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the name in parentheses and may hold spaces and parentheses itself.
    fields = content.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _end(records: dict[str, Record], grace: float) -> None:
    for entry in records.values():
        _signal(entry, entry.stop if grace > 0 else int(signal.SIGKILL))
    remaining = _wait_gone(records, grace)
    for entry in remaining.values():
        _signal(entry, int(signal.SIGKILL))
    if stuck := _wait_gone(remaining, _KILL_GRACE):
        pids = ", ".join(f"{name} ({entry.pid})" for name, entry in sorted(stuck.items()))
        raise StateError(f"These processes did not end within {_KILL_GRACE:.0f} s of SIGKILL: {pids}.")


def _wait_gone(records: dict[str, Record], seconds: float) -> dict[str, Record]:
    deadline = time.monotonic() + seconds
    while True:
        records = {name: entry for name, entry in records.items() if _is_alive(entry)}
        if not records or time.monotonic() >= deadline:
            return records
        time.sleep(_POLL)


def _signal(entry: Record, number: int) -> None:
    if not _is_alive(entry):
        return
    try:
        os.kill(entry.pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise StateError(f"Process {entry.pid} of the lab belongs to another user. Run this as that user.") from error


def _is_alive(entry: Record) -> bool:
    return entry.boot == _boot_id() and start_time(entry.pid) == entry.started


def _records(state_dir: Path) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for path in sorted((state_dir / "pids").glob("*.json")):
        # Another process may forget a record between the listing and the reading.
        with contextlib.suppress(FileNotFoundError):
            found[unquote(path.stem)] = Record(**json.loads(path.read_text(encoding="utf-8")))
    return found


def _path(state_dir: Path, name: str) -> Path:
    # A name may be `namespace/pod`, and a dot must not be taken for a suffix.
    return state_dir / "pids" / f"{quote(name, safe='')}.json"


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
