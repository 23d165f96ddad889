# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All fake nodes together: which pods are theirs, and a Pod for each."""

from __future__ import annotations

import asyncio
import sys
import traceback
from functools import partial
from typing import Any

from tests.lab.kubelet.api import Api
from tests.lab.kubelet.events import Recorder
from tests.lab.kubelet.network import Network
from tests.lab.kubelet.pod import Pod
from tests.lab.kubelet.reporter import tell_failure
from tests.lab.kubelet.settings import Settings
from tests.lab.kubelet.watch import Sink, Watcher

Json = dict[str, Any]

ANNOTATION = "kwok.x-k8s.io/node"
LOST_LABEL = "lab-lost"
RETRY_SECONDS = 1.0


class FakeNode:
    """A node of ours."""

    def __init__(self) -> None:
        self.address = ""
        self.reachable = asyncio.Event()

    def update(self, document: Json) -> None:
        """Its newest version."""
        addresses = document.get("status", {}).get("addresses", [])
        self.address = next((entry["address"] for entry in addresses if entry["type"] == "InternalIP"), "")
        if LOST_LABEL in document["metadata"].get("labels", {}):
            self.reachable.clear()
        else:
            self.reachable.set()


class Kubelet:
    """Everything happens in one event loop; watches run in threads and hand over what they see."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self.api, self.settings = api, settings
        self.recorder = Recorder(api)
        self.network = Network(api)
        self.nodes: dict[str, FakeNode] = {}
        self.documents: dict[str, Json] = {}
        self.pods: dict[str, Pod] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.names: dict[tuple[str, str], asyncio.Task[None]] = {}
        self.synced: set[str] = set()
        self.is_ending = False

    async def run(self, end: asyncio.Event) -> None:
        """Until told to end."""
        recorder = asyncio.create_task(self.recorder.run())
        recorder.add_done_callback(partial(tell_failure, traceback.print_exception))
        for path, sink in (("/api/v1/nodes", self.on_node), ("/api/v1/pods", self.on_pod)):
            Watcher(self.api, path, partial(self._hand_over, asyncio.get_running_loop(), sink)).start()
        await end.wait()
        self.is_ending = True
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        recorder.cancel()

    def _hand_over(self, loop: asyncio.AbstractEventLoop, sink: Sink, kind: str, seen: Any) -> None:
        """From a watch's thread to the event loop."""
        if not self.is_ending:
            loop.call_soon_threadsafe(sink, kind, seen)

    def on_node(self, kind: str, seen: Any) -> None:
        """From the watch of nodes."""
        if kind == "SYNC":
            fakes = [node for node in seen if is_fake(node)]
            for name in set(self.nodes) - {node["metadata"]["name"] for node in fakes}:
                self._lose_node(name)
            for node in fakes:
                self._take_node(node)
            self._mark_synced("nodes")
        elif kind == "DELETED":
            self._lose_node(seen["metadata"]["name"])
        elif is_fake(seen):
            self._take_node(seen)

    def on_pod(self, kind: str, seen: Any) -> None:
        """From the watch of pods."""
        if kind == "SYNC":
            for uid in set(self.documents) - {pod["metadata"]["uid"] for pod in seen}:
                self._lose_pod(uid)
            for pod in seen:
                self.network.reserve(pod)
            for pod in seen:
                self._take_pod(pod)
            self._mark_synced("pods")
        elif kind == "DELETED":
            self._lose_pod(seen["metadata"]["uid"])
        else:
            self._take_pod(seen)

    def _mark_synced(self, kind: str) -> None:
        self.synced.add(kind)
        if len(self.synced) == 2:
            (self.settings.state_dir / "kubelet.ready").touch()

    def _take_node(self, document: Json) -> None:
        node = self.nodes.setdefault(document["metadata"]["name"], FakeNode())
        was_reachable = node.reachable.is_set()
        node.update(document)
        if not was_reachable:
            for pod in list(self.documents.values()):
                self._take_pod(pod)

    def _lose_node(self, name: str) -> None:
        """Its processes end with it; its pods are left to the pod garbage collector."""
        if self.nodes.pop(name, None):
            for uid, pod in list(self.pods.items()):
                if pod.document["spec"]["nodeName"] == name:
                    self._drop(uid)

    def _take_pod(self, document: Json) -> None:
        uid, name = document["metadata"]["uid"], document["spec"].get("nodeName")
        if not name:
            return
        self.documents[uid] = document
        node = self.nodes.get(name)
        if node is None or not node.reachable.is_set():
            return  # an unreachable node hears of nothing until it is back
        if uid in self.pods:
            self.pods[uid].update(document)
        elif uid not in self.tasks:
            self.tasks[uid] = asyncio.create_task(self._follow(uid))

    def _lose_pod(self, uid: str) -> None:
        self.documents.pop(uid, None)
        self._drop(uid)

    def _drop(self, uid: str) -> None:
        self.pods.pop(uid, None)
        if task := self.tasks.pop(uid, None):
            task.cancel()

    async def _follow(self, uid: str) -> None:
        """One pod's life; an earlier pod of the same name has to be gone from here first."""
        meta = self.documents[uid]["metadata"]
        key = meta["namespace"], meta["name"]
        before, this = self.names.get(key), asyncio.current_task()
        assert this is not None
        self.names[key] = this
        try:
            if before:
                await asyncio.wait({before})
            while uid in self.documents and not await self._try(uid):
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            if self.names.get(key) is this:
                del self.names[key]

    async def _try(self, uid: str) -> bool:
        """False if something unforeseen ended it: that is told, and other pods go on."""
        document = self.documents[uid]
        pod: Pod | None = None
        try:
            node = self.nodes[document["spec"]["nodeName"]]
            pod = Pod(document, node, self.api, self.recorder, self.settings, self.network)
            self.pods[uid] = pod
            await pod.run()
        except asyncio.CancelledError:
            if pod and not self.is_ending:
                await pod.vanish()
            raise
        except Exception:
            meta = document["metadata"]
            print(f"kubelet: pod {meta['namespace']}/{meta['name']} failed:", file=sys.stderr)
            traceback.print_exc()
            sys.stderr.flush()
            self.pods.pop(uid, None)
            return False
        return True


def is_fake(node: Json) -> bool:
    """Whether a node is ours."""
    return bool(node["metadata"].get("annotations", {}).get(ANNOTATION) == "fake")
