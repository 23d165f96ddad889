# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time changes a release, and one that was killed is in nobody's way."""

from __future__ import annotations

import base64
import gzip
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.main_path.sites import BIN, CHART, Json, Play, Site, merged, server_env
from tests.integration.readiness.waiting import eventually

SLOW = server_env(LAB_VLLM_LOAD_SECONDS="4")
HOOK: Json = {
    "model": {
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "source": {"type": "claim", "claim": {"name": "nowhere"}},
        "download": {"enabled": True},
    }
}


@contextmanager
def running(site: Site, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A program that runs beside the test, and is killed with its children at the end."""
    with subprocess.Popen(
        words, env=site.env, cwd=site.folder, text=True, stdout=-1, stderr=-1, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def deploying(site: Site) -> Any:
    return running(site, str(BIN / "ansible-playbook"), "ai_aas.inference.deploy", "-i", str(site.inventory))


def lease(site: Site) -> list[str]:
    return [each["spec"]["holderIdentity"] for each in site.get("leases")]


def status_of(site: Site, release: str) -> str:
    return str(site.releases().get(release, {}).get("status"))


def test_of_two_deploys_at_once_one_wins_and_the_other_says_who_holds_it(site: Site) -> None:
    model = site.model("one", SLOW)
    with deploying(site) as first:
        eventually(lambda: lease(site), 60, "the lock")
        second = site.fail("deploy")
        told = second.failure(model)
        first.communicate(timeout=60)
        assert first.returncode == 0
    assert "Another run is changing this release" in told
    assert f"process {first.pid} on " in told
    assert site.rows() == {model: "ready"}
    assert lease(site) == []


def test_a_run_that_was_killed_is_followed_by_the_next_one_at_once(site: Site) -> None:
    model = site.model("one", SLOW)
    with deploying(site) as first:
        eventually(lambda: site.get("pods"), 60, "a pod")
        kill(first)
    assert site.rows() == {}
    assert len(lease(site)) == 1
    play = site.succeed("deploy")
    assert play.result(model, "Keep other runs")["before"] == "left"
    assert site.ask(model) == 200
    assert lease(site) == []
    assert site.succeed("deploy").changed == 0


def test_a_lock_of_another_machine_can_be_taken_over(site: Site) -> None:
    model = site.model("one")
    site.serve(model)
    spec = {
        "holderIdentity": "bob@elsewhere:7:1",
        "leaseDurationSeconds": 3600,
        "renewTime": "2100-01-01T00:00:00.000000Z",
    }
    item = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "one-lock"}, "spec": spec}
    (site.folder / "lease.json").write_text(json.dumps(item))
    site.call("kubectl", "apply", "--filename", str(site.folder / "lease.json"))
    for verb in ("deploy", "rollback"):
        for flags in ([], ["--check"]):
            told = site.fail(verb, *flags).failure(model)
            assert "bob (process 7 on elsewhere) holds it" in told
            assert "vllm_take_over=true" in told
    assert lease(site) == ["bob@elsewhere:7:1"]
    site.succeed("deploy", "-e", "vllm_take_over=true")
    assert lease(site) == []


def set_status(site: Site, release: str, status: str) -> None:
    """What Helm leaves when it is killed, as it would be if it had begun long ago."""
    selector = f"owner=helm,name={release}"
    secret = max(
        site.get("secrets", f"--selector={selector}"), key=lambda each: int(each["metadata"]["labels"]["version"])
    )
    document = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    document["info"]["status"] = status
    content = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(document).encode()))).decode()
    labels = {**secret["metadata"]["labels"], "status": status, "modifiedAt": "1"}
    patch = {"metadata": {"labels": labels}, "data": {"release": content}}
    file = site.folder / "patch.json"
    file.write_text(json.dumps(patch))
    site.call("kubectl", "patch", "secret", secret["metadata"]["name"], "--type=merge", f"--patch-file={file}")


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade", "pending-rollback", "uninstalling"])
def test_a_release_that_was_cut_off_is_freed_and_its_pods_serve_on(site: Site, status: str) -> None:
    model = site.model("one", {"gpu": {"count": 1}})
    site.serve(model)
    before = [pod["metadata"]["uid"] for pod in site.get("pods")]
    set_status(site, "one", status)
    dry = site.succeed("deploy", "--check")
    assert dry.changed > 0
    assert status_of(site, "one") == status
    play: Play = site.succeed("deploy")
    assert play.result(model, "Free the release")["status"] == status
    assert status_of(site, "one") == "deployed"
    assert [pod["metadata"]["uid"] for pod in site.get("pods")] == before
    assert site.ask(model) == 200
    assert site.succeed("deploy").changed == 0


def test_an_operation_that_may_be_alive_is_waited_for(site: Site) -> None:
    """A real one, which is killed while it waits for its hook."""
    model = site.model("one")
    site.serve(model)
    site.model("one", merged(HOOK))
    values = [f"--values={site.values / file}" for file in ("values-one.yaml", "values-development.yaml")]
    with running(site, "helm", "upgrade", "one", str(CHART), "--namespace", site.name, *values) as helm:
        eventually(lambda: status_of(site, "one") == "pending-upgrade", 60, "the operation")
        site.model("one")
        told = site.fail("deploy", "--check").failure(model)
        assert "is pending-upgrade (revision 2): another operation may hold it" in told
        kill(helm)
    site.succeed("deploy", "-e", "vllm_pending_timeout=3")
    assert status_of(site, "one") == "deployed"
    assert site.ask(model) == 200


def test_a_rollback_frees_a_release_too(site: Site) -> None:
    model = site.model("one")
    site.succeed("deploy")
    site.model("one", SLOW)
    site.install(model)
    set_status(site, "one", "pending-upgrade")
    play = site.succeed("rollback")
    assert play.result(model, "Take the release back")["target"] == 1
    assert status_of(site, "one") == "deployed"
    assert site.ask(model) == 200
