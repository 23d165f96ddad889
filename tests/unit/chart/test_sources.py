# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the weights come from, and the download that takes place before a pod holds a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.chart.rendering import CHART, MINIMAL, ChartError, Helm, Manifest, merge, rendered

NEW = ("--kube-version=1.36.3",)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FOLDER = f"/model/example/tiny/{COMMIT}"
CLAIM = {"type": "claim", "claim": {"name": "weights"}}
DOWNLOAD: dict[str, Any] = {"model": {"revision": COMMIT, "source": CLAIM, "download": {"enabled": True}}}

# The least of huggingface_hub: it writes one file, and with FAIL in the environment it stops before the second.
HUB = """
import os
from pathlib import Path

def snapshot_download(repo_id, revision, local_dir, ignore_patterns):
    folder = Path(local_dir)
    (folder / ".cache").mkdir(exist_ok=True)
    with (folder / "attempts").open("a") as file:
        file.write(f"{repo_id} {revision} {ignore_patterns}\\n")
    if os.environ.get("FAIL"):
        raise ConnectionError("the hub is gone")
    (folder / "config.json").write_text("{}")
"""


def source(kind: str, **keys: Any) -> dict[str, Any]:
    """Return values with one source."""
    return merge(MINIMAL, {"model": {"source": {"type": kind, kind: keys}}})


def volume(helm: Helm, values: dict[str, Any], options: tuple[str, ...] = ()) -> Manifest | None:
    """Return the volume of the weights, if there is one."""
    volumes = {item["name"]: item for item in helm.template(values, options=options).pod["spec"]["volumes"]}
    return volumes.get("model")


@pytest.mark.parametrize(
    ("values", "path", "expected"),
    [
        (dict(MINIMAL), "example/tiny", None),
        (source("claim", name="w"), "/model", {"persistentVolumeClaim": {"claimName": "w"}}),
        (source("claim", name="w", subPath="a/b"), "/model/a/b", {"persistentVolumeClaim": {"claimName": "w"}}),
        (source("hostPath", path="/srv/w"), "/model", {"hostPath": {"path": "/srv/w", "type": "Directory"}}),
        (
            source("image", reference="registry.test/w:1", subPath="tiny"),
            "/model/tiny",
            {"image": {"reference": "registry.test/w:1", "pullPolicy": "IfNotPresent"}},
        ),
        (source("objectStore", uri="s3://bucket/tiny"), "s3://bucket/tiny", None),
        (merge(MINIMAL, DOWNLOAD), FOLDER, {"persistentVolumeClaim": {"claimName": "weights"}}),
    ],
    ids=["hub", "claim", "folder of a claim", "host path", "image", "object store", "download"],
)
def test_each_source_is_what_vllm_loads(
    helm: Helm, values: dict[str, Any], path: str, expected: dict[str, Any] | None
) -> None:
    rendering = helm.template(values, options=NEW)
    assert rendering.container["args"][0] == path
    assert volume(helm, values, NEW) == ({"name": "model", **expected} if expected else None)
    mounts = [mount for mount in rendering.container["volumeMounts"] if mount["name"] == "model"]
    assert mounts == ([{"name": "model", "mountPath": "/model", "readOnly": True}] if expected else [])
    assert ("HF_HUB_OFFLINE" in rendering.variables) is bool(expected)
    assert not [word for word in rendering.container["args"] if word.startswith("--revision")]


@pytest.mark.parametrize("version", ["1.29.0", "1.30.14"])
def test_image_volumes_need_a_newer_cluster(helm: Helm, version: str) -> None:
    values = source("image", reference="registry.test/w:1")
    with pytest.raises(ChartError) as refused:
        helm.template(values, options=(f"--kube-version={version}",))
    assert f"needs Kubernetes 1.31, where image volumes begin, and the cluster has v{version}" in str(refused.value)


@pytest.mark.parametrize("version", ["1.31.0", "1.31.0-eks-1", "1.37.2"])
def test_image_volumes_on_a_newer_cluster(helm: Helm, version: str) -> None:
    assert volume(helm, source("image", reference="registry.test/w:1"), (f"--kube-version={version}",))


def test_object_store_of_amazon_with_keys(helm: Helm) -> None:
    keys = {"uri": "s3://b/tiny", "region": "eu-central-1", "existingSecret": {"name": "store"}}
    rendering = helm.template(source("objectStore", **keys))
    assert "--load-format=runai_streamer" in rendering.container["args"]
    assert rendering.variables["AWS_REGION"] == "eu-central-1"
    assert "AWS_ENDPOINT_URL" not in rendering.variables
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert rendering.variables[name] == {"secretKeyRef": {"name": "store", "key": name}}


def test_object_store_of_ones_own(helm: Helm) -> None:
    variables = helm.template(source("objectStore", uri="s3://b", endpoint="https://store.test:9000")).variables
    assert variables["AWS_ENDPOINT_URL"] == "https://store.test:9000"
    assert variables["RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING"] == "0"
    assert "AWS_ACCESS_KEY_ID" not in variables


def test_object_store_of_google_with_a_file(helm: Helm) -> None:
    rendering = helm.template(source("objectStore", uri="gs://b/tiny", existingSecret={"name": "store"}))
    (mount,) = [item for item in rendering.container["volumeMounts"] if item["name"] == "object-store"]
    (held,) = [item for item in rendering.pod["spec"]["volumes"] if item["name"] == "object-store"]
    assert rendering.variables["GOOGLE_APPLICATION_CREDENTIALS"] == f"{mount['mountPath']}/credentials.json"
    assert held["secret"]["secretName"] == "store"
    assert "AWS_ACCESS_KEY_ID" not in rendering.variables


# The download


def test_download_comes_before_anything_else_and_holds_no_gpu(helm: Helm) -> None:
    rendering = rendered(helm, **DOWNLOAD)
    job, (container,) = rendering.one("Job"), rendering.one("Job")["spec"]["template"]["spec"]["containers"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade,pre-rollback"
    assert not [name for sizes in container["resources"].values() for name in sizes if "gpu" in name]
    assert container["volumeMounts"][-1] == {"name": "model", "mountPath": "/model"}
    assert container["command"][3:] == ["example/tiny", COMMIT, FOLDER, "[]"]
    assert rendering.container["args"][0] == FOLDER


def test_download_is_no_pod_that_serves(helm: Helm) -> None:
    """The Service would route to it, and `kubectl wait -l app.kubernetes.io/instance=…` wait for it."""
    rendering = rendered(helm, **DOWNLOAD)
    labels = rendering.one("Job")["spec"]["template"]["metadata"]["labels"]
    assert "app.kubernetes.io/instance" not in labels
    assert labels["app.kubernetes.io/name"] != rendering.one("Service")["spec"]["selector"]["app.kubernetes.io/name"]


def test_download_needs_nothing_of_the_release(helm: Helm) -> None:
    """What the release makes, such as its ServiceAccount, is not there before an installation."""
    assert "serviceAccountName" not in rendered(helm, **DOWNLOAD).one("Job")["spec"]["template"]["spec"]
    given = rendered(helm, **DOWNLOAD, serviceAccount={"create": False, "name": "given"})
    assert given.one("Job")["spec"]["template"]["spec"]["serviceAccountName"] == "given"


def test_download_reaches_the_hub_as_vllm_does(helm: Helm) -> None:
    values = {"hubToken__existingSecret__name": "hub", "proxy__https": "http://p:1", "caBundle__configMap__name": "ca"}
    (container,) = rendered(helm, **DOWNLOAD, **values).one("Job")["spec"]["template"]["spec"]["containers"]
    assert {"HF_TOKEN", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"} <= {item["name"] for item in container["env"]}


@pytest.mark.parametrize("name", ["tiny", "a" * 63])
def test_name_of_the_download_fits(helm: Helm, name: str) -> None:
    job = rendered(helm, **DOWNLOAD, fullnameOverride=name).one("Job")["metadata"]["name"]
    assert job.endswith("-download")
    assert len(job) <= 63


def run_guard(helm: Helm, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the container that looks for the model, with a folder of this machine in its place."""
    (guard,) = rendered(helm, **DOWNLOAD).pod["spec"]["initContainers"]
    words = [str(folder) if word == FOLDER else word for word in guard["command"]]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_pod_does_not_start_without_its_revision(helm: Helm, tmp_path: Path) -> None:
    assert run_guard(helm, tmp_path).returncode == 0
    missing = run_guard(helm, tmp_path / "other")
    assert missing.returncode == 1
    assert "is not on the claim weights" in missing.stderr
    assert "initContainers" not in helm.template().pod["spec"]


def download(helm: Helm, folder: Path, fail: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the Job's command with a folder of this machine, and a stand-in for the hub's library."""
    (container,) = rendered(helm, **DOWNLOAD).one("Job")["spec"]["template"]["spec"]["containers"]
    words = [sys.executable, *(str(folder) if word == FOLDER else word for word in container["command"][1:])]
    (folder.parent / "huggingface_hub.py").write_text(HUB, encoding="utf-8")
    environment = {"PYTHONPATH": str(folder.parent), **({"FAIL": "1"} if fail else {})}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)


def test_download_appears_when_it_is_complete(helm: Helm, tmp_path: Path) -> None:
    folder = tmp_path / COMMIT
    failed = download(helm, folder, fail=True)
    assert failed.returncode == 1
    assert failed.stderr == (f"example/tiny at {COMMIT} cannot be downloaded: ConnectionError: the hub is gone\n")
    assert not folder.exists()
    assert download(helm, folder).returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["attempts", "config.json"]
    assert (folder / "attempts").read_text(encoding="utf-8") == f"example/tiny {COMMIT} []\n" * 2


def test_download_is_done_once(helm: Helm, tmp_path: Path) -> None:
    folder = tmp_path / COMMIT
    folder.mkdir()
    assert "is there already" in download(helm, folder, fail=True).stdout
    assert list(folder.iterdir()) == []


def test_download_that_another_finished_first(helm: Helm, tmp_path: Path) -> None:
    """Two releases may share a claim: whose rename comes second finds the folder there."""
    program = (CHART / "files" / "download_model.py").read_text(encoding="utf-8")
    hub = HUB.replace(
        '    (folder / "config.json")',
        '    (folder.parent / "done" / "x").mkdir(parents=True)\n    (folder / "config.json")',
    )
    (tmp_path / "huggingface_hub.py").write_text(hub, encoding="utf-8")
    words = [sys.executable, "-c", program, "example/tiny", COMMIT, str(tmp_path / "done"), json.dumps(["*.pth"])]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
