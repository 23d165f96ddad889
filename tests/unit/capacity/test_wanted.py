# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods are to start, out of what a user gives."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.wanted import (
    Wanted,
    not_counted,
    wanted_of,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

from tests.unit.capacity.makers import Json, container, spec

CPU = spec(container(cpu="1"))


def workload(kind: str = "Deployment", pod: Json | None = None, name: str = "w", **more: Any) -> Json:
    template = {"template": {"spec": pod or spec()}}
    return {"kind": kind, "metadata": {"name": name}, "spec": {**template, **more}}


def manifest(*documents: object) -> str:
    return yaml.safe_dump_all(documents)


SERVICE = {"kind": "Service", "spec": {}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None, None, None), None),
        ((None, None, None, 3), None),
        ((workload(replicas=2), None, None, None), Wanted(spec(), 2)),
        ((workload(replicas=2), None, None, 3), Wanted(spec(), 3)),
        ((workload(), None, None, None), Wanted(spec(), None)),
        ((workload(replicas=0), None, None, None), Wanted(spec(), 0)),
        ((workload("StatefulSet"), None, None, None), Wanted(spec(), None, can_surge=False)),
        ((None, None, spec(), None), Wanted(spec(), None)),
        ((None, None, spec(), 2), Wanted(spec(), 2)),
        ((None, manifest(SERVICE, workload(replicas=2), None, "text"), None, None), Wanted(spec(), 2)),
        ((None, manifest(workload(pod=CPU), workload("StatefulSet")), None, None), Wanted(spec(), None, False)),
        ((None, manifest(SERVICE, workload(pod=CPU)), None, None), Wanted(CPU, None)),
    ],
)
def test_what_is_wanted(given: Any, expected: Wanted | None) -> None:
    assert wanted_of(*given) == expected


NO_SHAPE: tuple[Json, ...] = (
    {},
    {"containers": []},
    {"containers": "x"},
    {"containers": ["x"]},
    {**spec(), "tolerations": ["x"]},
)
NO_AMOUNTS = ({"containers": [{"resources": "x"}]}, {"containers": [{"resources": {"limits": ["x"]}}]})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (({}, None, None, None), "no spec.template.spec"),
        (({"spec": None}, None, None, None), "no spec.template.spec"),
        ((workload(replicas="many"), None, None, None), "replicas are no number"),
        ((workload(pod={"a": 1}), None, None, None), "no containers"),
        ((None, "a: [", None, None), "Invalid manifest"),
        ((None, "", None, None), "it has no Deployment or StatefulSet"),
        ((None, manifest(SERVICE), None, None), "it has no Deployment or StatefulSet"),
        (
            (None, manifest(workload(name="a"), workload("StatefulSet", name="b")), None, None),
            "it has Deployment a, StatefulSet b to choose from. Give pod_spec and replicas",
        ),
        ((None, None, spec(), -1), "less than 0"),
        *(((None, None, each, None), "Invalid pod spec") for each in (*NO_SHAPE, *NO_AMOUNTS)),
        ((None, None, spec(container(gpu="many")), None), "Invalid quantity: 'many'"),
    ],
)
def test_what_cannot_be_used(given: Any, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        wanted_of(*given)


REQUIRED: Json = {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}
PREFERRED: Json = {"preferredDuringSchedulingIgnoredDuringExecution": [{}]}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, []),
        ({"topologySpreadConstraints": [{"whenUnsatisfiable": "DoNotSchedule"}]}, ["topology spread"]),
        ({"topologySpreadConstraints": [{"whenUnsatisfiable": "ScheduleAnyway"}]}, []),
        ({"affinity": {"podAntiAffinity": REQUIRED}}, ["pod anti-affinity"]),
        ({"affinity": {"podAffinity": REQUIRED}}, ["pod affinity"]),
        ({"affinity": {"podAffinity": PREFERRED, "podAntiAffinity": PREFERRED}}, []),
        ({"resourceClaims": [{"name": "gpu"}]}, ["resource claims"]),
        ({"volumes": [{"persistentVolumeClaim": {}}]}, ["volumes that some nodes alone can mount"]),
        ({"volumes": [{"ephemeral": {}}]}, ["volumes that some nodes alone can mount"]),
        ({"volumes": [{"emptyDir": {}}]}, []),
        ({"priorityClassName": "high"}, ["preemption by priority"]),
        ({"containers": [{"ports": [{"hostPort": 80}]}]}, ["host ports"]),
        ({"schedulingGates": [{"name": "a"}]}, ["scheduling gates"]),
        ({"schedulerName": "volcano"}, ["rules of scheduler volcano"]),
        ({"schedulerName": "default-scheduler"}, []),
        ({"runtimeClassName": "nvidia"}, ["overhead and nodes of runtime class nvidia"]),
    ],
)
def test_what_is_not_counted_is_named(more: Json, expected: list[str]) -> None:
    assert list(not_counted({**spec(), **more})) == expected
