# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What quotas and limit ranges say to pods."""

from __future__ import annotations

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.limit_ranges import bounding, with_defaults
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.quota import (
    allowed,
    counted,
    covers,
    gives_back,
    limits_on,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.resources import requests_of

from tests.unit.capacity.makers import GPU, Json, container, limit_range, pod, quota, spec

STATED = {"name": "c", "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi", GPU: "1"}}}
PODS: Json = {"count/pods": ("3", "1")}
AMD: Json = {"requests.amd.com/gpu": ("0", "0")}


@pytest.mark.parametrize(
    ("quotas", "pods", "told"),
    [
        ([], 10_000, ""),
        ([quota(requests__gpu=("4", "1"))], 3, f"quota q: requests.{GPU} 3 left of 4"),
        ([quota(requests__gpu=("4", "6"))], 0, f"quota q: requests.{GPU} 0 left of 4"),
        ([quota(requests__cpu=("4", "1500m"))], 2, "requests.cpu 2.5 left of 4"),
        ([quota(cpu=("4", "3"))], 1, "cpu 1 left of 4"),
        ([quota(limits__cpu=("4", "1"))], 1, "limits.cpu 3 left of 4"),
        ([quota(limits__memory=("4Gi", "0"))], 4, "limits.memory 4Gi left of 4Gi"),
        ([quota(pods=("3", "3"))], 0, "pods 0 left of 3"),
        ([quota(**PODS)], 2, "count/pods 2 left of 3"),
        ([quota("a", pods=("3", "0")), quota("b", pods=("3", "2"))], 1, "quota b"),
        ([quota(**AMD)], 10_000, ""),
        ([quota(services=("0", "0"))], 10_000, ""),
        ([{**quota(pods=("2", "0")), "status": {}}], 2, "pods 2 left of 2"),
    ],
)
def test_what_a_quota_leaves(quotas: list[Json], pods: int, told: str) -> None:
    found = limits_on(quotas, spec(STATED))
    assert allowed(found) == pods
    assert told in (found[0].why if found else "")


def test_old_pods_give_back_what_they_counted_for() -> None:
    given = [quota(requests__gpu=("4", "4"), pods=("4", "2"))]
    assert [allowed(limits_on(given, spec(), [pod(uid=str(n)) for n in range(count)])) for count in (0, 1, 2)] == [
        0,
        1,
        2,
    ]


def test_a_pod_gives_nothing_back_to_a_quota_that_does_not_count_it() -> None:
    old = pod()
    old["spec"]["activeDeadlineSeconds"] = 60
    given = [quota(scopes={"scopes": ["NotTerminating"]}, pods=("4", "4"))]
    assert [allowed(limits_on(given, spec(), [each])) for each in (old, pod())] == [0, 1]


@pytest.mark.parametrize(
    ("resource", "containers", "unstated"),
    [
        ("requests__cpu", [container(gpu="1")], "requests.cpu has to be stated for c"),
        ("cpu", [container(gpu="1")], "cpu has to be stated for c"),
        ("limits__memory", [container(memory="1Gi")], "limits.memory has to be stated for c"),
        ("requests__memory", [{"name": "c", "resources": {"limits": {"memory": "1Gi"}}}], ""),
        ("requests__cpu", [container(cpu="1"), {"name": "d"}], "requests.cpu has to be stated for d"),
        ("requests__ephemeral-storage", [container(gpu="1")], ""),
        ("requests__gpu", [container(cpu="1")], ""),
    ],
)
def test_what_a_quota_wants_stated(resource: str, containers: list[Json], unstated: str) -> None:
    bound: Json = {resource: ("100Gi", "0")}
    found = limits_on([quota(**bound)], spec(*containers))
    assert [each.why for each in found if each.unstated] == ([f"quota q: {unstated}"] if unstated else [])
    assert (allowed(found) == 0) is bool(unstated)


def test_resources_of_the_whole_pod_need_no_statement_of_a_container() -> None:
    given = spec(container(gpu="1"), resources={"requests": {"cpu": "2"}})
    assert allowed(limits_on([quota(requests__cpu=("4", "0"))], given)) == 2


def by_class(operator: str, *values: str) -> Json:
    requirement = {"scopeName": "PriorityClass", "operator": operator, "values": list(values)}
    return {"scopeSelector": {"matchExpressions": [requirement]}}


HIGH = {"priorityClassName": "high"}
APART = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["x"]}]}}
NEAR: Json = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": {}}]}}


@pytest.mark.parametrize(
    ("scopes", "more", "expected"),
    [
        ({}, {}, True),
        ({"scopes": ["NotTerminating"]}, {}, True),
        ({"scopes": ["Terminating"]}, {}, False),
        ({"scopes": ["Terminating"]}, {"activeDeadlineSeconds": 0}, True),
        ({"scopes": ["NotTerminating"]}, {"activeDeadlineSeconds": 60}, False),
        ({"scopes": ["BestEffort"]}, {}, True),
        ({"scopes": ["NotBestEffort"]}, {}, False),
        ({"scopes": ["NotBestEffort"]}, {"resources": {"requests": {"cpu": "1"}}}, True),
        ({"scopes": ["NotTerminating", "NotBestEffort"]}, {}, False),
        ({"scopes": ["PriorityClass"]}, {}, False),
        ({"scopes": ["PriorityClass"]}, HIGH, True),
        (by_class("Exists"), HIGH, True),
        (by_class("DoesNotExist"), {}, True),
        (by_class("In", "high", "low"), HIGH, True),
        (by_class("In", "low"), HIGH, False),
        (by_class("In", "low"), {}, False),
        (by_class("NotIn", "low"), {}, True),
        (by_class("NotIn", "high"), HIGH, False),
        ({"scopes": ["CrossNamespacePodAffinity"]}, {"affinity": APART}, True),
        ({"scopes": ["CrossNamespacePodAffinity"]}, {"affinity": NEAR}, False),
        ({"scopes": ["VolumeAttributesClass"]}, {}, False),
    ],
)
def test_which_pods_a_quota_counts(scopes: Json, more: Json, expected: bool) -> None:
    given = quota(scopes=scopes, pods=("0", "0"))
    assert covers(given, spec(**more)) is expected
    assert (allowed(limits_on([given], spec(**more))) == 0) is expected


@pytest.mark.parametrize(
    ("quotas", "old", "expected"),
    [
        ([], spec(container(cpu="1")), True),
        ([quota(requests__gpu=("4", "4"))], spec(), True),
        ([quota(requests__gpu=("4", "4"))], spec(container(cpu="1")), False),
        ([quota(scopes={"scopes": ["NotTerminating"]}, pods=("4", "4"))], spec(activeDeadlineSeconds=9), False),
    ],
)
def test_whether_an_old_pod_gives_back_enough(quotas: list[Json], old: Json, expected: bool) -> None:
    assert gives_back(quotas, spec(), old) is expected


def test_under_which_names_a_pod_counts() -> None:
    names = {"requests.cpu", "requests.memory", f"requests.{GPU}", "cpu", "memory", "pods", "count/pods"}
    assert set(counted(spec(STATED))) == names | {"limits.cpu", "limits.memory", f"limits.{GPU}"}
    assert counted(spec(container(**{"hugepages-2Mi": "4Mi"})))["hugepages-2Mi"] == 4 * 2**20


@pytest.mark.parametrize(
    ("own", "requests", "limits"),
    [
        ({}, {"cpu": "1", "memory": "2Gi"}, {"memory": "4Gi"}),
        ({"limits": {"memory": "8Gi"}}, {"cpu": "1", "memory": "8Gi"}, {"memory": "8Gi"}),
        ({"requests": {"memory": "1Gi"}}, {"cpu": "1", "memory": "1Gi"}, {"memory": "4Gi"}),
    ],
)
def test_defaults_of_a_limit_range(own: Json, requests: Json, limits: Json) -> None:
    ranges = [
        limit_range(default={"memory": "4Gi"}, defaultRequest={"cpu": "1", "memory": "2Gi"}),
        limit_range(default={"memory": "9Gi"}, defaultRequest={"memory": "9Gi"}),
        limit_range(kind="Pod", default={"cpu": "9"}),
    ]
    given = spec({"name": "c", "resources": own}, init=({"name": "i", "resources": own},))
    found = with_defaults(given, ranges)
    completed = {"limits": limits, "requests": requests}
    assert [each["resources"] for kind in ("containers", "initContainers") for each in found[kind]] == [completed] * 2
    assert given["containers"][0]["resources"] is own


def test_without_a_limit_range_a_pod_asks_for_the_same() -> None:
    assert requests_of(with_defaults(spec(), ())) == requests_of(spec())


def test_which_limit_ranges_bound() -> None:
    given = [
        limit_range("a", max={"cpu": "1"}),
        limit_range("b", default={"cpu": "1"}),
        limit_range("c", "Pod", min={}),
    ]
    assert bounding([*given, limit_range("d", "Pod", min={"cpu": "1"})]) == ["a", "d"]
