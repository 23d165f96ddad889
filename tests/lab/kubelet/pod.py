# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod: its volumes, its containers in their order, and its end."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

from tests.lab.kubelet.api import Api
from tests.lab.kubelet.commands import Program
from tests.lab.kubelet.container import Container
from tests.lab.kubelet.env import Reference, references
from tests.lab.kubelet.events import Recorder
from tests.lab.kubelet.network import Network
from tests.lab.kubelet.probe_io import Target
from tests.lab.kubelet.process import Nothing, Process
from tests.lab.kubelet.reporter import Node, Reporter
from tests.lab.kubelet.settings import Settings
from tests.lab.kubelet.status import Record, View, adopt, timestamp, waiting
from tests.lab.kubelet.volumes import mount_problem, volume_references

Json = dict[str, Any]

PATHS = {"Secret": "secrets", "ConfigMap": "configmaps", "PersistentVolumeClaim": "persistentvolumeclaims"}


class Pod:
    """Follows one pod object until it is gone."""

    def __init__(
        self, document: Json, node: Node, api: Api, recorder: Recorder, settings: Settings, network: Network
    ) -> None:
        meta, spec = document["metadata"], document["spec"]
        self.document, self.node, self.api, self.recorder = document, node, api, recorder
        self.settings, self.network = settings, network
        self.name, self.namespace, self.uid = meta["name"], meta["namespace"], meta["uid"]
        self.policy: str = spec.get("restartPolicy", "Always")
        self.origin = time.monotonic()
        self.folder = settings.state_dir / "pods" / f"{self.namespace}_{self.name}_{self.uid}"
        self.view = View(document, [])
        self.reporter = Reporter(api, node, self.view)
        self.containers = [self._container(entry, is_init=True) for entry in spec.get("initContainers", [])]
        self.containers += [self._container(entry, is_init=False) for entry in spec["containers"]]
        self.deleting = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.update(document)

    def _container(self, spec: Json, is_init: bool) -> Container:
        sidecar = is_init and spec.get("restartPolicy") == "Always"
        record = Record(spec["name"], spec["image"], is_init, sidecar)
        has_init = bool(self.document["spec"].get("initContainers"))
        record.state = waiting("PodInitializing" if has_init else "ContainerCreating")
        status = self.document.get("status", {})
        for entry in status.get("initContainerStatuses" if is_init else "containerStatuses", []):
            if entry["name"] == spec["name"]:
                adopt(record, entry, time.time())
        self.view.records.append(record)
        return Container(self, spec, record)

    @property
    def is_deleting(self) -> bool:
        """Whether somebody asked for its end."""
        return self.deleting.is_set()

    @property
    def grace_period(self) -> float:
        """Of its deletion if there is one, else as its spec says."""
        given = self.document["metadata"].get("deletionGracePeriodSeconds")
        spec = self.document["spec"].get("terminationGracePeriodSeconds", 30)
        return float(spec if given is None else given)

    def update(self, document: Json) -> None:
        """The API server's newest version. A second deletion can shorten the grace period."""
        before = self.grace_period
        self.document = self.view.pod = document
        if "deletionTimestamp" in document["metadata"]:
            if self.is_deleting and self.grace_period < before:
                self._spawn(*(self._stop(container) for container in self.containers))
            self.deleting.set()
        if document["spec"].get("readinessGates"):
            self.changed()

    def emit(self, reason: str, message: str, field: str = "", warning: bool = False) -> None:
        """An event about this pod."""
        self.recorder.emit(self.document, reason, message, field, warning)

    def changed(self) -> None:
        """The status has to be written."""
        self.reporter.dirty.set()

    async def run(self) -> None:
        """From its start to its deletion."""
        self._spawn(self.reporter.run())
        life = self.reporter.start(self._live())
        deleting = asyncio.create_task(self.deleting.wait())
        try:
            done, _unused = await asyncio.wait({life, deleting}, return_when=asyncio.FIRST_COMPLETED)
            if life in done:
                life.result()  # what went wrong ends the pod's course here, and it is begun anew
            await deleting
            await self._terminate(life)
        finally:
            for task in (life, deleting, *self._tasks):
                task.cancel()
            await asyncio.gather(life, deleting, *self._tasks, return_exceptions=True)
            await self._kill()

    async def vanish(self) -> None:
        """The pod, or its node, is gone from the API."""
        await self.reporter.persist(lambda: self.network.withdraw(self.document))
        self._forget()

    def _spawn(self, *actions: Coroutine[Any, Any, None]) -> None:
        self._tasks += [self.reporter.start(action) for action in actions]

    async def _kill(self) -> None:
        for container in self.containers:
            if container.process:
                container.process.kill()
                await container.process.wait()

    def _forget(self) -> None:
        self.network.release(self.uid)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _live(self) -> None:
        if self.document.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return
        self.view.host_ip = self.node.address
        self.view.start_time = self.document.get("status", {}).get("startTime") or timestamp(time.time())
        self.changed()
        await self._wait_for_volumes()
        self.view.pod_ip = self.network.assign(self.document, self.node.address)
        self.changed()
        names = [container.record.name for container in self.containers]
        await self.reporter.persist(lambda: self.network.publish_logs(self.document, self.folder, names))
        if await self._initialise():
            await asyncio.gather(*(entry.live() for entry in self.containers if not entry.record.is_init))

    async def _initialise(self) -> bool:
        """Init containers one after the other; sidecars go on beside them. False if one failed for good."""
        for container in self.containers:
            if container.record.is_sidecar:
                self._spawn(container.live())
                while not container.record.started:
                    await asyncio.sleep(0.05)
            elif container.record.is_init and container.record.exit_code != 0:
                await container.live()
                if container.record.exit_code != 0:
                    return False
        for record in self.view.records:
            if not record.is_init and record.state == waiting("PodInitializing"):
                record.state = waiting("ContainerCreating")
        return True

    async def _wait_for_volumes(self) -> None:
        while problem := mount_problem(self.document, await self._fetch(volume_references(self.document))):
            self.emit("FailedMount", problem, warning=True)
            await asyncio.sleep(self.settings.backoff_seconds)

    async def fetch_references(self, container: Json) -> dict[Reference, Json | None]:
        """All that a container's environment refers to."""
        return await self._fetch(references(container))

    async def _fetch(self, wanted: set[Reference]) -> dict[Reference, Json | None]:
        head = f"/api/v1/namespaces/{self.namespace}"
        found: dict[Reference, Json | None] = {}
        for kind, name in sorted(wanted):
            read = partial(self.api.call, "GET", f"{head}/{PATHS[kind]}/{name}")
            found[kind, name] = await self.reporter.persist(read)
        return found

    async def has_pull_secret(self) -> bool:
        """Whether one of its imagePullSecrets exists."""
        wanted = {("Secret", entry["name"]) for entry in self.document["spec"].get("imagePullSecrets", [])}
        return any((await self._fetch(wanted)).values())

    def start_process(
        self, container: Container, program: Program, env: dict[str, str]
    ) -> tuple[Process | Nothing, Target]:
        """Start what was chosen for a container. OSError if that is impossible."""
        whole = {**self.settings.process_env, **env}
        words = self.network.open(self.uid, program)
        target = self.network.target(self.document, container.spec, program, whole, self.folder)
        if program.words is None:
            return Nothing(program.finishes), target
        if program.is_vllm:
            words = [*self.settings.server_command, *words]
            whole = {**whole, **self.settings.server_env}
        process = Process(words, whole, self.folder, container.log.write)
        process.record(self.settings.state_dir, f"{self.namespace}/{self.name}/{container.record.name}")
        return process, target

    async def publish_ports(self) -> None:
        """Tell where its servers are."""
        await self.reporter.persist(lambda: self.network.publish_ports(self.document))

    async def _terminate(self, life: asyncio.Task[None]) -> None:
        await asyncio.gather(*(self._stop(container) for container in self.containers))
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
        self.view.is_final = True
        await self.reporter.flush()
        await self.reporter.persist(lambda: self.network.withdraw(self.document))
        await self.reporter.delete()
        self._forget()

    async def _stop(self, container: Container) -> None:
        await container.stop(self.grace_period, f"Stopping container {container.record.name}")
