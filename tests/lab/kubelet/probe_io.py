# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out probes and hooks; what they say is what a kubelet's events say.

asyncio.wait_for is not used: until Python 3.12 it swallows a cancellation that comes together with its result, and a
probe whose server was killed just then would go on for ever.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab.kubelet.commands import substitute
from tests.lab.kubelet.probes import Result
from tests.lab.kubelet.process import Process

Json = dict[str, Any]
Outcome = tuple[Result, str]

MOST_OUTPUT = 10240


class Target(NamedTuple):
    """Where a container's ports really are."""

    pod_ip: str
    named_ports: dict[str, int]
    ports: dict[int, int]
    """The pod's port -> the port on 127.0.0.1."""
    is_reachable: bool
    """False for a server that listens only inside its pod."""
    env: Mapping[str, str]
    folder: Path

    def number(self, port: int | str) -> int:
        """A port by number or name; ValueError if there is no such name."""
        if isinstance(port, int) or port.isdigit():
            return int(port)
        if port not in self.named_ports:
            raise ValueError(f'couldn\'t find port: "{port}"')
        return self.named_ports[port]

    def real(self, host: str, port: int) -> int | None:
        """The real port behind an address of the pod network; None where nobody listens."""
        return self.ports.get(port) if host == self.pod_ip and self.is_reachable else None


async def run_probe(spec: Json, target: Target, seconds: float) -> Outcome:
    """One probe."""
    try:
        if "httpGet" in spec:
            return await http_get(spec["httpGet"], target, seconds)
        if "tcpSocket" in spec:
            return await tcp_socket(spec["tcpSocket"], target, seconds)
        if "exec" in spec:
            return await execute(spec["exec"]["command"], target, seconds)
    except ValueError as error:
        return Result.UNKNOWN, str(error)
    return Result.UNKNOWN, "the lab's kubelet runs httpGet, tcpSocket and exec probes only"


async def tcp_socket(spec: Json, target: Target, seconds: float) -> Outcome:
    """Success if somebody listens."""
    host, port = spec.get("host") or target.pod_ip, target.number(spec["port"])
    real = target.real(host, port)
    try:
        if real is None:
            raise ConnectionRefusedError
        async with asyncio.timeout(seconds):
            _unused, writer = await asyncio.open_connection("127.0.0.1", real)
        writer.close()
    except TimeoutError:
        return Result.FAILURE, f"dial tcp {host}:{port}: i/o timeout"
    except OSError as error:
        return Result.FAILURE, describe_connection(error, host, port)
    return Result.SUCCESS, ""


async def http_get(spec: Json, target: Target, seconds: float) -> Outcome:
    """Success if the answer's status is 200 to 399."""
    host, port = spec.get("host") or target.pod_ip, target.number(spec["port"])
    scheme, path = spec.get("scheme", "HTTP").lower(), spec.get("path") or "/"
    url = f"{scheme}://{host}:{port}/{path.removeprefix('/')}"
    real = target.real(host, port)
    try:
        if real is None:
            raise ConnectionRefusedError
        async with asyncio.timeout(seconds):
            status = await _status(spec, scheme, f"{host}:{port}", real)
    except TimeoutError:
        cause = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return Result.FAILURE, f'Get "{url}": {cause}'
    except ssl.SSLError:
        return Result.FAILURE, f'Get "{url}": http: server gave HTTP response to HTTPS client'
    except EOFError:
        return Result.FAILURE, f'Get "{url}": EOF'
    except OSError as error:
        return Result.FAILURE, f'Get "{url}": {describe_connection(error, host, port)}'
    if 200 <= status < 400:
        return Result.SUCCESS, ""
    return Result.FAILURE, f"HTTP probe failed with statuscode: {status}"


async def _status(spec: Json, scheme: str, host: str, real: int) -> int:
    context = None
    if scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # a kubelet verifies no certificate
    reader, writer = await asyncio.open_connection("127.0.0.1", real, ssl=context)
    try:
        path = "/" + (spec.get("path") or "/").removeprefix("/")
        headers = {"Host": host, "User-Agent": "kube-probe/1.36", "Accept": "*/*", "Connection": "close"}
        headers |= {entry["name"]: entry["value"] for entry in spec.get("httpHeaders", [])}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        writer.write("\r\n".join(lines).encode())
        words = (await reader.readline()).split(b" ")
        if len(words) < 2 or not words[1][:3].isdigit():
            raise EOFError
        return int(words[1][:3])
    finally:
        writer.close()


def describe_connection(error: OSError, host: str, port: int) -> str:
    """Go's words for what happened to a connection."""
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {host}:{port}: connect: connection refused"
    if isinstance(error, ConnectionResetError):
        return f"read tcp {host}:{port}: read: connection reset by peer"
    return f"dial tcp {host}:{port}: {error.strerror or error}"


async def execute(command: list[str], target: Target, seconds: float) -> Outcome:
    """Success if the command, run on this machine, exits with 0."""
    words = [substitute(word, target.ports, target.pod_ip) for word in command]
    output: list[bytes] = []
    try:
        process = Process(words, target.env, target.folder, lambda _unused, data: output.append(data))
    except OSError as error:
        return Result.FAILURE, f'exec: "{words[0]}": {error.strerror} on the lab\'s machine'
    try:
        async with asyncio.timeout(seconds):
            code = await process.wait()
    except TimeoutError:
        return Result.FAILURE, f'command timed out: "{" ".join(command)}" timed out after {seconds:g}s'
    finally:
        process.kill()
    text = b"".join(output)[:MOST_OUTPUT].decode(errors="replace")
    return (Result.SUCCESS if code == 0 else Result.FAILURE), text


async def run_hook(hook: Json, target: Target, seconds: float) -> str | None:
    """A preStop hook, for at most so long; returns why it failed."""
    if "sleep" in hook:
        await asyncio.sleep(min(hook["sleep"]["seconds"], seconds))
        return None
    result, message = await run_probe(hook, target, seconds)
    return None if result is Result.SUCCESS else message
