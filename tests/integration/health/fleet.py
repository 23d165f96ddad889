# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Very many models behind one port, each with a behaviour of its own: a process, so that it costs the checker nothing.

`python -m tests.integration.health.fleet` prints its port, and reads behaviours from its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

LOOPBACK = "127.0.0.1"


def completion(text: str = " The") -> bytes:
    choice = {"index": 0, "text": text, "finish_reason": "length"}
    body = json.dumps({"object": "text_completion", "choices": [choice], "usage": {"completion_tokens": 1}}).encode()
    return answer(200, body)


def answer(status: int, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (status, len(body), body)


# By behaviour. One that is not here gets no answer at all.
ANSWERS = {
    "healthy": completion(),
    "nan": completion(""),
    "error": answer(500, b'{"error": {"message": "EngineCore encountered an issue."}}'),
    "unauthorised": answer(401, b'{"error": "Unauthorized"}'),
    "wrong_name": answer(404, b'{"error": {"message": "The model does not exist.", "code": 404}}'),
    "hung": None,
}


class Connection(asyncio.Protocol):
    """One request and its answer."""

    def __init__(self, fleet: ServingFleet) -> None:
        self.fleet = fleet
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, _unused, body = self.data.partition(b"\r\n\r\n")
        with contextlib.suppress(ValueError):
            reply = self.fleet.reply(head.split()[1].decode(), json.loads(body) if body else {})
            if reply is not None:
                self.transport.write(reply)
                self.transport.close()


class ServingFleet:
    """Knows what each model does, and how often it was asked."""

    def __init__(self) -> None:
        self.behaviours: dict[str, str] = {}
        self.counts: Counter[str] = Counter()

    def reply(self, path: str, request: Mapping[str, Any]) -> bytes | None:
        if path == "/metrics":
            return answer(200, b"vllm:generation_tokens_total 5\n")
        self.counts[str(request.get("model", path))] += 1
        return ANSWERS[self.behaviours.get(str(request.get("model", path)), "healthy")]


async def serve() -> None:
    fleet, loop = ServingFleet(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(fleet), LOOPBACK, 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        told = json.loads(line)
        if told is None:
            print(json.dumps(fleet.counts), flush=True)
            fleet.counts.clear()
        else:
            fleet.behaviours = told
            print("{}", flush=True)
    server.close()


class Fleet:
    """The process, as a test has it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.address = f"{LOOPBACK}:{int(self._line())}"

    def behave(self, behaviours: Mapping[str, str]) -> None:
        """What these models do from now on. All others are healthy."""
        self._tell(dict(behaviours))

    def counts(self) -> dict[str, int]:
        """How often each model was asked for a completion since this was asked last."""
        counts: dict[str, int] = json.loads(self._tell(None))
        return counts

    def _tell(self, message: object) -> str:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the fleet has ended"
        return line


@contextlib.contextmanager
def running() -> Iterator[Fleet]:
    """A fleet, ended with the block."""
    command = [sys.executable, "-m", "tests.integration.health.fleet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Fleet(process)
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(serve())
