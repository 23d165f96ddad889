# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pod Security `restricted`, for each pod that the chart makes; its rules are at kubernetes.io."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.chart.rendering import MINIMAL, Helm, Manifest, merge, rendered
from tests.unit.chart.test_groups import GROUP, KNOWS_GROUPS
from tests.unit.chart.test_health_check import HEALTH
from tests.unit.chart.test_sources import DOWNLOAD

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected",
           "secret"}  # fmt: skip


def breaches(pod: Manifest) -> Iterator[str]:
    """Yield what `restricted` refuses in a pod."""
    spec = pod["spec"]
    yield from (key for key in ("hostIPC", "hostPID", "hostNetwork") if spec.get(key))
    yield from (f"volume {item['name']}" for item in spec.get("volumes", []) if not VOLUMES & item.keys())
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        own = container.get("securityContext", {})
        both = {**spec.get("securityContext", {}), **own}
        name = container["name"]
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            yield f"{name}: privileges"
        if "ALL" not in own.get("capabilities", {}).get("drop", []):
            yield f"{name}: capabilities"
        if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
            yield f"{name}: root"
        if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield f"{name}: seccomp"
        if own.get("readOnlyRootFilesystem") is not True:  # more than `restricted` asks for
            yield f"{name}: its root can be written to"


@pytest.mark.parametrize(
    ("values", "options", "pods"),
    [({}, (), 2), (DOWNLOAD, (), 3), (GROUP, KNOWS_GROUPS, 3), (HEALTH, (), 3)],
    ids=["default", "download", "group", "health"],
)
def test_all_pods_pass_restricted(helm: Helm, values: dict[str, Any], options: tuple[str, ...], pods: int) -> None:
    found = helm.template(merge(MINIMAL, values), options=options).pods
    assert len(found) == pods
    assert [breach for pod in found for breach in breaches(pod)] == []


@pytest.mark.parametrize(
    ("values", "breach"),
    [
        ({"securityContext__readOnlyRootFilesystem": False}, "vllm: its root can be written to"),
        ({"podSecurityContext": {"runAsNonRoot": False, "runAsUser": 0}}, "vllm: root"),
        ({"securityContext__capabilities__drop": []}, "vllm: capabilities"),
        ({"securityContext__allowPrivilegeEscalation": True}, "vllm: privileges"),
        ({"podSecurityContext__seccompProfile__type": "Unconfined"}, "vllm: seccomp"),
        ({"model__source": {"type": "hostPath", "hostPath": {"path": "/srv"}}}, "volume model"),
    ],
)
def test_less_only_by_choice(helm: Helm, values: dict[str, Any], breach: str) -> None:
    assert breach in list(breaches(rendered(helm, **values).pod))


def test_what_is_written_lies_on_volumes(helm: Helm) -> None:
    rendering = helm.template()
    mounts = [mount["mountPath"] for mount in rendering.container["volumeMounts"] if not mount.get("readOnly")]
    kept = [value for name, value in rendering.variables.items() if name.endswith(("HOME", "ROOT", "DIR"))]
    assert len(kept) == 5
    assert all(path.startswith("/cache/") for path in kept)
    assert sorted(mounts) == ["/cache", "/dev/shm", "/tmp"]  # noqa: S108 - the pod's, not ours


def test_own_tmp_takes_the_place_of_the_chart_s(helm: Helm) -> None:
    volume, mount = {"name": "scratch", "emptyDir": {}}, {"name": "scratch", "mountPath": "/tmp/"}  # noqa: S108
    rendering = rendered(helm, extraVolumes=[volume], extraVolumeMounts=[mount])
    assert [item["name"] for item in rendering.container["volumeMounts"]] == ["shm", "cache", "scratch"]
    assert [item["name"] for item in rendering.pod["spec"]["volumes"]] == ["shm", "cache", "scratch"]
