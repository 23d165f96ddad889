# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container: from its image to its end, again and again as its pod's restart policy says."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from typing import TYPE_CHECKING, Any

from tests.lab.kubelet import commands
from tests.lab.kubelet.backoff import Backoff, format_duration
from tests.lab.kubelet.env import ConfigError, resolve
from tests.lab.kubelet.images import check_image, pull_policy
from tests.lab.kubelet.logs import ContainerLog
from tests.lab.kubelet.probe_io import Target, run_hook
from tests.lab.kubelet.prober import Prober
from tests.lab.kubelet.process import Nothing, Process
from tests.lab.kubelet.status import Record, new_container_id, terminated, timestamp, waiting

if TYPE_CHECKING:
    from tests.lab.kubelet.pod import Pod

Json = dict[str, Any]

SHORTEST_STOP = 2.0
"""What a container has for its end even if its preStop hook has used up the grace period."""


class Container:
    """Owns its record; everything about the pod it asks its pod."""

    def __init__(self, pod: Pod, spec: Json, record: Record) -> None:
        self.pod, self.spec, self.record = pod, spec, record
        self.policy: str = pod.policy
        if record.is_init:
            self.policy = "Always" if record.is_sidecar else {"Always": "OnFailure"}.get(pod.policy, pod.policy)
        self.field = f"spec.{'initContainers' if record.is_init else 'containers'}{{{record.name}}}"
        self.log = ContainerLog(pod.folder / record.name)
        self.process: Process | Nothing | None = None
        self.target: Target | None = None
        self.prober: Prober | None = None
        self.killed_by_probe = False
        self._backoff = Backoff(pod.settings.backoff_seconds)
        self._pull_backoff = Backoff(pod.settings.backoff_seconds)
        self._kill_timer: asyncio.TimerHandle | None = None
        self._stopping = False
        self._over = asyncio.Event()
        """Set when a run has ended and its record says so."""
        self._finished = 0.0
        self._ran_for = 0.0

    async def live(self) -> None:
        """Run until no restart is due. A container found ended by an earlier kubelet may need one."""
        if self.record.exit_code is not None and not self._wants_restart():
            return
        while True:
            await self._wait_for_image()
            program, env = await self._configure()
            await self._wait_for_turn()
            await self._run(program, env)
            if self.pod.is_deleting or not self._wants_restart():
                return

    def emit(self, reason: str, message: str, warning: bool = False) -> None:
        """An event about this container."""
        self.pod.emit(reason, message, self.field, warning)

    def set_state(self, state: Json) -> None:
        """Another state, to be reported."""
        if "terminated" in self.record.state:
            self.record.last_state = self.record.state
        self.record.state = state
        self.pod.changed()

    def _wants_restart(self) -> bool:
        if self.policy == "Always":
            return True
        return self.policy == "OnFailure" and (self.killed_by_probe or self.record.exit_code != 0)

    async def _wait_for_image(self) -> None:
        image = self.spec["image"]
        policy = pull_policy(self.spec.get("imagePullPolicy"), image)
        while problem := check_image(image, policy, await self.pod.has_pull_secret()):
            self.set_state(waiting(problem.reason, problem.message))
            if problem.can_heal:
                self.emit("Pulling", f'Pulling image "{image}"')
                self.emit("Failed", f'Failed to pull image "{image}": {problem.message}', warning=True)
            else:
                reason = "InspectFailed" if problem.reason == "InvalidImageName" else problem.reason
                self.emit(reason, problem.message, warning=True)
            self.emit("Failed", f"Error: {problem.reason}", warning=True)
            await self._wait_to_pull(image, problem.message, problem.can_heal)
        if self.record.pulled and policy != "Always":
            self.emit("Pulled", f'Container image "{image}" already present on machine')
            return
        self.emit("Pulling", f'Pulling image "{image}"')
        await asyncio.sleep(self.pod.settings.pull_seconds)
        took = format_duration(self.pod.settings.pull_seconds)
        self.emit("Pulled", f'Successfully pulled image "{image}" in {took} ({took} including waiting).')
        self.record.pulled = True

    async def _wait_to_pull(self, image: str, message: str, can_heal: bool) -> None:
        if not can_heal:
            await asyncio.sleep(self.pod.settings.backoff_seconds)
            return
        self._pull_backoff.advance(0)
        half = self._pull_backoff.delay / 2
        await asyncio.sleep(half)
        self.set_state(waiting("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {message}'))
        self.emit("BackOff", f'Back-off pulling image "{image}"')
        self.emit("Failed", "Error: ImagePullBackOff", warning=True)
        await asyncio.sleep(half)

    async def _configure(self) -> tuple[commands.Program, dict[str, str]]:
        """The environment and what to start with it, as soon as all it refers to exists."""
        while True:
            try:
                env = resolve(self.spec, self.pod.document, await self.pod.fetch_references(self.spec))
                finishes = self.policy != "Always"
                program = commands.choose_program(self.spec, env, finishes, shutil.which)
                return await self.pod.network.resolve(program), env
            except ConfigError as error:
                self.set_state(waiting("CreateContainerConfigError", str(error)))
                self.emit("Failed", f"Error: {error}", warning=True)
                await asyncio.sleep(self.pod.settings.backoff_seconds)

    async def _wait_for_turn(self) -> None:
        """Back-off after a run that ended; the first restart is free."""
        ended = self.record.state.get("terminated") or self.record.last_state.get("terminated")
        if ended is None:
            return
        left = self._backoff.remaining(time.monotonic(), self._finished)
        if left > 0:
            pod = f"{self.pod.name}_{self.pod.namespace}({self.pod.uid})"
            delay = format_duration(self._backoff.delay)
            text = f"back-off {delay} restarting failed container={self.record.name} pod={pod}"
            self.set_state(waiting("CrashLoopBackOff", text))
            self.emit("BackOff", f"Back-off restarting failed container {self.record.name} in pod {pod}", warning=True)
            await asyncio.sleep(left)
        self._backoff.advance(self._ran_for)
        self.record.restart_count += 1

    async def _run(self, program: commands.Program, env: dict[str, str]) -> None:
        """One run. From the check on nothing yields until the process is known, so none can start unseen."""
        if self.pod.is_deleting:
            return
        begin, started_at = time.monotonic(), timestamp(time.time())
        if self.record.restart_count:
            self.log.rotate()
        self.killed_by_probe = self._stopping = False
        self._over.clear()
        self.record.container_id = new_container_id(self.pod.uid, self.record.name, self.record.restart_count)
        try:
            self.process, self.target = self.pod.start_process(self, program, env)
        except OSError as error:
            self.emit("Failed", f"Error: {error}", warning=True)
            self.log.write("stderr", f"{error}\n".encode())
            self._finish(begin, started_at, 128, "StartError", str(error))
            return
        self.emit("Created", f"Created container: {self.record.name}")
        self.emit("Started", f"Started container {self.record.name}")
        self.set_state({"running": {"startedAt": started_at}})
        await self.pod.publish_ports()
        self.prober = Prober(self, self.spec if isinstance(self.process, Process) else {})
        code = await self.process.wait()
        await self.prober.close()
        if self._kill_timer:
            self._kill_timer.cancel()
            self._kill_timer = None
        reason = "OOMKilled" if self.process.was_killed_by_others else "Error" if code else "Completed"
        self.process = None
        self._finish(begin, started_at, code, reason, self._message(code))

    def _finish(self, begin: float, started_at: str, code: int, reason: str, message: str) -> None:
        self._finished = time.monotonic()
        self._ran_for = self._finished - begin
        self.record.ready = self.record.started = False
        now = timestamp(time.time())
        self.set_state(terminated(code, reason, started_at, now, self.record.container_id, message))
        self._over.set()

    def _message(self, code: int) -> str:
        if code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            return self.log.tail()
        return ""

    async def stop(self, grace: float, message: str) -> None:
        """preStop, SIGTERM, and SIGKILL at the end of the grace period, which the hook's time is part of."""
        process, begin = self.process, time.monotonic()
        if process is None:
            return
        if self._stopping:
            self._kill_after(process, grace)
            await self._over.wait()
            return
        self._stopping = True
        if self.prober:
            self.prober.health.killed = True  # only readiness is looked at from now on
        self.emit("Killing", message)
        if grace <= 0:
            process.kill()
        else:
            await self._run_pre_stop(grace, process)
            process.terminate()
            self._kill_after(process, max(grace - (time.monotonic() - begin), SHORTEST_STOP))
        await self._over.wait()

    def _kill_after(self, process: Process | Nothing, seconds: float) -> None:
        """SIGKILL then, unless it was to come sooner."""
        loop = asyncio.get_running_loop()
        moment = loop.time() + max(seconds, 0)
        if self._kill_timer:
            moment = min(moment, self._kill_timer.when())
            self._kill_timer.cancel()
        self._kill_timer = loop.call_at(moment, process.kill)

    async def _run_pre_stop(self, grace: float, process: Process | Nothing) -> None:
        hook = self.spec.get("lifecycle", {}).get("preStop")
        if hook is None or self.target is None or not isinstance(process, Process):
            return
        run = asyncio.ensure_future(run_hook(hook, self.target, grace))
        gone = asyncio.ensure_future(process.ended.wait())
        await asyncio.wait({run, gone}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        problem = run.result() if run.done() else None if gone.done() else f"did not end within {grace:g}s"
        for task in (run, gone):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if problem:
            self.emit("FailedPreStopHook", f"PreStopHook failed: {problem}", warning=True)
