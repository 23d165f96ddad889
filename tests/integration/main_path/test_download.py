# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model is downloaded while the one before it is still routed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.integration.main_path.sites import Json, Site, merged

# A pod that has its GPU for itself.
GPU: Json = {"gpu": {"count": 1}, "strategy": {"surge": False}}
SMALL: Json = {"requests": {"cpu": "10m", "memory": "16Mi"}}
DOWNLOAD: Json = {
    "model": {
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "source": {"type": "claim", "claim": {"name": "weights"}},
        "download": {"enabled": True, "retries": 0, "resources": SMALL},
    }
}


@pytest.fixture
def claim(site: Site) -> Iterator[None]:
    """A claim with its volume, which belongs to no namespace."""
    size, modes = {"storage": "1Gi"}, ["ReadWriteMany"]
    common = {"accessModes": modes, "storageClassName": ""}
    held = {"hostPath": {"path": "/srv/weights"}, "claimRef": {"name": "weights", "namespace": site.name}}
    site.call("kubectl", "create", "namespace", site.name)
    apply(site, "PersistentVolume", site.name, {**common, "capacity": size, **held})
    apply(site, "PersistentVolumeClaim", "weights", {**common, "resources": {"requests": size}})
    yield
    site.call("kubectl", "delete", "persistentvolume", site.name, "--wait=false")


def apply(site: Site, kind: str, name: str, spec: Json) -> None:
    path = site.folder / f"{kind}.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": spec}))
    site.call("kubectl", "apply", "--filename", str(path))


def test_the_old_model_is_routed_until_the_new_one_is_downloaded(site: Site, claim: None) -> None:
    model = site.model("one", GPU)
    site.serve(model)
    site.model("one", merged(GPU, DOWNLOAD))
    play = site.succeed("deploy")
    (started,) = [result["result"] for task, result in play.results(model) if "Start to download" in task]
    ended: Any = play.result(model, "Wait until it has ended")["resources"][0]["status"]
    drained = [at for status, at in site.moments(model) if status == "deploying"]
    assert datetime.fromisoformat(ended["completionTime"]) <= drained[0]
    (job,) = site.get("jobs")
    assert job["metadata"]["uid"] != started["metadata"]["uid"], "Helm asked once more whether it is there"
    assert site.history(model) == ["ready", "deploying", "ready"]
    assert site.succeed("deploy").changed == 0


def test_a_download_that_fails_leaves_the_old_model_routed(site: Site, claim: None) -> None:
    model = site.model("one", GPU)
    site.serve(model)
    broken = {"image": {"tag": "missing"}, "model": {"download": {"timeoutSeconds": 3}}}
    site.model("one", merged(GPU, DOWNLOAD, broken))
    play = site.fail("deploy")
    assert "did not download the model: DeadlineExceeded" in play.failure(model)
    assert site.history(model) == ["ready"]
    assert site.ask(model) == 200
    assert site.releases()["one"]["revision"] == "1"


def test_check_mode_downloads_nothing(site: Site, claim: None) -> None:
    model = site.model("one", merged(GPU, DOWNLOAD))
    assert site.succeed("deploy", "--check").changed > 0
    assert site.get("jobs") == []
    site.succeed("deploy")
    assert site.ask(model) == 200
