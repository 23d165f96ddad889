# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases of a namespace as the Kubernetes API shows them now: followed for all of them together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.feed import Feed
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Workload
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reading import has_ended, read_workload

INSTANCE_LABEL = "app.kubernetes.io/instance"


class Releases:
    """Some releases of one namespace.

    Args:
        kube: the API server.
        namespace: where they are.
        names: of the releases.
        once: whether they are read once, and not followed.
    """

    def __init__(self, kube: Kube, namespace: str, names: Sequence[str], *, once: bool = False) -> None:
        self.kube = kube
        self.namespace = namespace
        self.once = once
        # Set whenever something of a release may have changed.
        self.changes = {name: threading.Event() for name in names}
        selector = f"{INSTANCE_LABEL} in ({','.join(sorted(names))})"
        apps = f"/apis/apps/v1/namespaces/{namespace}"
        paths = (f"{apps}/deployments", f"{apps}/replicasets", f"/api/v1/namespaces/{namespace}/pods")
        self.feeds = [Feed(kube, path, selector, self.notify) for path in paths]
        # What is told that a pod begins to end, by the pod's uid.
        self.listeners: dict[str, Callable[[], None]] = {}

    def begin(self) -> None:
        """Read them now, or begin to follow them."""
        for feed in self.feeds:
            if self.once:
                feed.read_once()
            else:
                feed.start()

    def end(self) -> None:
        for feed in self.feeds:
            feed.end()

    def notify(self, item: dict[str, Any] | None) -> None:
        """Wake whoever waits for a change of an object's release, or for any change at all."""
        name = item["metadata"]["labels"][INSTANCE_LABEL] if item else None
        for release, change in self.changes.items():
            if name in (None, release):
                change.set()
        for uid, listener in list(self.listeners.items()):
            if self.is_ending(uid):
                listener()

    @contextmanager
    def told_of_end(self, uid: str, listener: Callable[[], None]) -> Iterator[None]:
        """Have it called as soon as this pod begins to end: a port-forward does not tell that its peer is gone."""
        self.listeners[uid] = listener
        try:
            if self.is_ending(uid):
                listener()
            yield
        finally:
            del self.listeners[uid]

    def is_ending(self, uid: str) -> bool:
        """Whether a pod is gone, has ended, or is to end."""
        pod = self.feeds[-1].objects.get(uid)
        return pod is None or "deletionTimestamp" in pod["metadata"] or has_ended(pod)

    def known(self) -> bool:
        """Whether everything has been read at least once, or cannot be."""
        return all(feed.listed or feed.error for feed in self.feeds)

    def workload(self, release: str) -> Workload:
        """What is known of a release.

        Raises:
            ApiError: it cannot be read now.
        """
        for feed in self.feeds:
            error = feed.trouble()
            if error:
                raise error
        deployments, replicasets, pods = (
            [item for item in list(feed.objects.values()) if item["metadata"]["labels"].get(INSTANCE_LABEL) == release]
            for feed in self.feeds
        )
        return read_workload(deployments, replicasets, pods)
