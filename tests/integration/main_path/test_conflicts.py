# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields that somebody else has written, which Helm 4 does not overwrite by itself."""

from __future__ import annotations

import json
import os
import shutil

from tests.integration.main_path.sites import CHART, Site, server_env
from tests.lab import build

# Helm 4's own words, as its 4.2.3 said them of a Deployment that `kubectl set image` had changed.
REFUSAL = (
    "Error: UPGRADE FAILED: conflict occurred while applying object ns/r apps/v1, Kind=Deployment: Apply failed with 1 "
    'conflict: conflict with "kubectl-set" using apps/v1: .spec.template.spec.containers[name="vllm"].image'
)


def refusing_helm(site: Site) -> str:
    """A `helm` that refuses to upgrade, ahead of the real one, which does all else. Returns the search path."""
    folder = site.folder / "bin"
    folder.mkdir()
    script = folder / "helm"
    real = shutil.which("helm", path=site.env["PATH"])
    script.write_text(
        f"""#!/bin/sh
case " $* " in
*dry-run*) ;;
*" upgrade "*) echo '{REFUSAL}' >&2; exit 1 ;;
esac
exec {real} "$@"
"""
    )
    script.chmod(0o755)
    return f"{folder}{os.pathsep}{site.env['PATH']}"


def test_a_conflict_is_named_and_nothing_is_taken_back(site: Site) -> None:
    model = site.model("one")
    site.succeed("deploy")
    site.model("one", server_env(LAB_NOTHING="1"))
    play = site.fail("deploy", PATH=refusing_helm(site))
    failure = play.failure(model)
    assert "Fields were written by kubectl-set since: .spec.template.spec.containers[name=" in failure
    assert "-e vllm_overwrite_manual_edits=true" in failure
    assert play.result(model, "Take the workload back").get("skipped")
    assert (site.rows(), site.ask(model)) == ({model: "ready"}, 200)


def test_a_rollback_overwrites_what_others_wrote(site: Site) -> None:
    """With the real Helm 4."""
    helm = str(build.ensure(print, build.HELM_4) / "helm")
    site.model("one")
    files = [word for file in ("one", "development") for word in ("--values", str(site.values / f"values-{file}.yaml"))]
    for change in ([], ["--set", "model.revision=abc"]):
        site.call(helm, "upgrade", "--install", "--create-namespace", "one", str(CHART), *files, *change)
    site.call("kubectl", "set", "image", "deployment/one-vllm-deployment", "vllm=edited:1")
    given = json.dumps({"release": "one", "namespace": site.name, "to": "1", "binary_path": helm})
    ended = site.ansible("ansible", "localhost", "-m", "ai_aas.inference.helm_release_rollback", "-a", given)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (deployment,) = site.get("deployments")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] != "edited:1"
