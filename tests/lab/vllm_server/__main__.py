# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, load, listen, serve, end: a server's life."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import socketserver
import sys
import threading
import time
from types import FrameType

from tests.lab.vllm_server.answers import Server
from tests.lab.vllm_server.arguments import VERSION, parse_arguments
from tests.lab.vllm_server.engine import Engine
from tests.lab.vllm_server.faults import Fault, find_fault
from tests.lab.vllm_server.wire import Handler, Request, Response

LOG_LOCK = threading.Lock()
SECONDS_TO_ANSWER = 1.0
"""What requests have, after their generation was aborted, to send it."""


class Listener(socketserver.ThreadingTCPServer):
    """Binds early, listens late."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 2048

    def stop_listening(self) -> None:
        """Refuse connections from now on, while those that are open go on."""
        if self.socket.fileno() == -1:
            return
        self.socket.shutdown(socket.SHUT_RDWR)  # else whoever polls it holds it open for a while
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A defect of the stand-in, which must be seen."""
        log("ERROR", f"Exception in ASGI application: {sys.exc_info()[1]!r}")


def log(level: str, text: str, place: str = "api_server.py:2014") -> None:
    """A line as vLLM's logger writes it."""
    stamp = time.strftime("%m-%d %H:%M:%S")
    write(f"(APIServer pid={os.getpid()}) {level} {stamp} [{place}] {text}")


def write(line: str) -> None:
    """One whole line to standard error, where vLLM's logger and uvicorn's both go."""
    with LOG_LOCK:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def main() -> int:
    """Serve until told to end, or until the engine dies. vLLM's exit code is 0 for both."""
    arguments = parse_arguments(sys.argv[1:])
    fault = find_fault(os.environ.get("LAB_VLLM_FAULT"))
    engine = Engine(fault, float(os.environ.get("LAB_VLLM_TOKEN_SECONDS", "0.005")))
    handle_signals(engine)
    log("INFO", f"vLLM API server version {VERSION}")
    log(
        "INFO",
        f"non-default args: {{'model': {arguments.model!r}, 'served_model_name': {arguments.served_model_name}}}",
    )
    code = start_failure(fault, arguments, loading=False)
    if code is not None:
        return code
    try:
        listener = bind(arguments, engine)
    except OSError as error:
        log("ERROR", f"{type(error).__name__}: {error}", "serve.py:86")
        return 1
    log(
        "INFO",
        f"Loading weights of {arguments.model} on {arguments.tensor_parallel_size} GPU(s)",
        "gpu_model_runner.py:3551",
    )
    if engine.ended.wait(float(os.environ.get("LAB_VLLM_LOAD_SECONDS", "2.0"))):
        return 0
    code = start_failure(fault, arguments, loading=True)
    if code is not None:
        return code
    return serve(listener, engine, arguments)


def serve(listener: Listener, engine: Engine, arguments: argparse.Namespace) -> int:
    """Listen now and answer until the end."""
    if engine.fault.listens:
        try:
            listener.server_activate()
        except OSError as error:
            log("ERROR", f"{type(error).__name__}: {error}", "serve.py:86")
            return 1
        threading.Thread(target=listener.serve_forever, args=(0.5,), daemon=True).start()
    host, port = listener.server_address[:2]
    log("INFO", f"Starting vLLM API server 0 on http://{host!s}:{port}")
    write("INFO:     Application startup complete.")
    if engine.fault.dies:
        engine.die()
    engine.ended.wait()
    if engine.dead.is_set():
        log("ERROR", "vllm.v1.engine.exceptions.EngineDeadError: EngineCore died unexpectedly.", "core_client.py:610")
        return 0
    write("INFO:     Shutting down")
    drain(engine, arguments.shutdown_timeout)
    write("INFO:     Application shutdown complete.")
    return 0


def drain(engine: Engine, seconds: float) -> None:
    """Let requests in flight finish for so long, refuse new ones meanwhile, then abort what is left."""
    engine.draining = True
    wait_idle(engine, seconds)
    engine.abort()
    wait_idle(engine, SECONDS_TO_ANSWER)
    time.sleep(0.05)  # the last answer's bytes


def wait_idle(engine: Engine, seconds: float) -> None:
    """Until no request runs, or the time is over."""
    deadline = time.monotonic() + seconds
    while engine.running and time.monotonic() < deadline:
        time.sleep(0.02)


def handle_signals(engine: Engine) -> None:
    """SIGTERM and Ctrl-C end the server in good order."""

    def end(_number: int, _frame: FrameType | None) -> None:
        engine.ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)


def start_failure(fault: Fault, arguments: argparse.Namespace, loading: bool) -> int | None:
    """The exit code, if the server fails to start at this point; its last words are logged."""
    if fault.exit_code is None or fault.while_loading != loading:
        return None
    for line in fault.log:
        text = line.format(model=arguments.model) if "{model}" in line else line
        if fault.exit_code == 1:
            log("ERROR", text, "core.py:842")
        else:
            write(text)
    return fault.exit_code


def bind(arguments: argparse.Namespace, engine: Engine) -> Listener:
    """Take the port; nobody can connect yet. OSError if it is taken."""
    keys = list(arguments.api_key) or [key for key in [os.environ.get("VLLM_API_KEY")] if key]
    server = Server(arguments, keys, engine)

    class Connection(Handler):
        """Knows its server."""

        @staticmethod
        def answer(request: Request) -> Response:
            return server.answer(request)

        @staticmethod
        def log(line: str) -> None:
            write(line)

    listener = Listener((arguments.host or "127.0.0.1", arguments.port), Connection, bind_and_activate=False)
    if arguments.ssl_certfile:
        secure(listener, arguments)
    listener.server_bind()
    engine.stop_listening = listener.stop_listening
    return listener


def secure(listener: Listener, arguments: argparse.Namespace) -> None:
    """Speak TLS; the handshake happens in the connection's own thread."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.ssl_certfile, arguments.ssl_keyfile)
    listener.socket = context.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)


if __name__ == "__main__":
    sys.stdout.flush()
    code = main()
    sys.stderr.flush()
    os._exit(code)  # requests that hang must not hold the process
