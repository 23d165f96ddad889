# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One model, on which all sides agree, and ways to make them disagree."""

from __future__ import annotations

from typing import Any

import yaml
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.declared import Declared
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.running import Running
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.client import Release
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.manifest import Manifest
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry

Json = dict[str, Any]

DIGEST = "sha256:" + "ab" * 32
ENDPOINT = "r-vllm-deployment.ns.svc.cluster.local:8000"
DECLARED = Declared("m", "host", "r", "ns", ENDPOINT, "chart", {"a": 1}, {"team": "blue"})
ENTRY = Entry("m", "staging", ENDPOINT, "ns", "ready", metadata={"team": "blue", "other": 1})
CHART: Json = {"metadata": {"name": "vllm-deployment", "version": "0.1.0"}, "values": {}, "templates": []}


def deployment(replicas: int = 1, ready: int = 1) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "r"},
        "spec": {"replicas": replicas},
        "status": {"readyReplicas": ready},
    }


def pod(digest: str = DIGEST) -> Json:
    return {"metadata": {}, "status": {"containerStatuses": [{"imageID": f"vllm@{digest}"}]}}


def release(status: str = "deployed", revision: int = 2, **values: Any) -> Release:
    return Release(status, revision, values or {"a": 1}, "", chart=CHART)


def manifest(*objects: Json) -> Manifest:
    """As Helm keeps it. What a status says is not in it."""
    kept = [{name: part for name, part in each.items() if name != "status"} for each in objects]
    return Manifest(yaml.safe_dump_all(kept))


def running(**changes: Any) -> Running:
    """The release as it is deployed and verified, but for these."""
    fields = {
        "release": release(),
        "manifest": manifest(deployment()),
        "live": {"Deployment r": deployment()},
        "pods": (pod(),),
        "records": {2: {"identity": {"image_digest": DIGEST}}},
        **changes,
    }
    return Running(**fields)
