# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods ask for."""

from __future__ import annotations

from decimal import Decimal

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.resources import (
    is_device,
    limits_of,
    quantity,
    requests_of,
    shown,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

from tests.unit.capacity.makers import GPU, Json, container, spec


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (spec(container(cpu="1"), container(cpu="500m")), {"cpu": "1.5"}),
        (spec(container(cpu="1"), init=(container(cpu="3"),)), {"cpu": "3"}),
        (spec(container(cpu="1"), init=(container(cpu="1"), container(cpu="1"))), {"cpu": "1"}),
        (spec(container(cpu="1"), init=(container("Always", cpu="2"),)), {"cpu": "3"}),
        (spec(container(cpu="1"), init=(container("Always", cpu="2"), container(cpu="4"))), {"cpu": "6"}),
        (spec(container(cpu="1"), init=(container(cpu="4"), container("Always", cpu="2"))), {"cpu": "4"}),
        (spec(container(cpu="1"), init=(container(gpu="2"),)), {"cpu": "1", GPU: "2"}),
        (spec(container(cpu="1"), overhead={"cpu": "250m"}), {"cpu": "1.25"}),
        (spec({"resources": {"limits": {GPU: "2"}}}), {GPU: "2"}),
        (spec({"resources": {"limits": {"cpu": "4"}, "requests": {"cpu": "1"}}}), {"cpu": "1"}),
        (spec({}), {}),
        (spec({"resources": {"limits": None, "requests": None}}), {}),
        (spec(container(**{"nvidia.com/mig-1g.10gb": "3"})), {"nvidia.com/mig-1g.10gb": "3"}),
        (spec(container(**{"amd.com/gpu": "3"})), {"amd.com/gpu": "3"}),
        # What is said of the whole pod.
        (spec(container(cpu="1"), resources={"requests": {"cpu": "6"}}), {"cpu": "6"}),
        (spec(container(cpu="1"), resources={"limits": {"cpu": "6"}}), {"cpu": "1"}),
        (spec(container(gpu="1"), resources={"limits": {"cpu": "6"}}), {"cpu": "6", GPU: "1"}),
        (spec(container(gpu="1"), resources={"requests": {GPU: "6"}}), {GPU: "1"}),
        (spec({"resources": {"requests": {"cpu": 0.1}}}, {"resources": {"requests": {"cpu": 0.2}}}), {"cpu": "0.3"}),
    ],
)
def test_requests_of_a_pod(given: Json, expected: dict[str, str]) -> None:
    assert requests_of(given) == {name: Decimal(value) for name, value in expected.items()}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {"cpu": "4"}),
        ({"overhead": {"cpu": "1", "memory": "1"}}, {"cpu": "5"}),
        ({"resources": {"limits": {"cpu": "6"}}}, {"cpu": "6"}),
    ],
)
def test_limits_of_a_pod(more: Json, expected: dict[str, str]) -> None:
    given = spec({"resources": {"limits": {"cpu": "4"}, "requests": {"cpu": "1"}}}, **more)
    assert limits_of(given) == {name: Decimal(value) for name, value in expected.items()}


# Each suffix of Kubernetes, as its documents on quantities list them.
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1n", "1e-9"),
        ("1u", "1e-6"),
        ("100m", "0.1"),
        ("7", "7"),
        (7, "7"),
        (0.1, "0.1"),
        ("2k", "2e3"),
        ("2M", "2e6"),
        ("2.5G", "2.5e9"),
        ("2T", "2e12"),
        ("2P", "2e15"),
        ("2E", "2e18"),
        ("1Ki", "1024"),
        ("1Mi", "1048576"),
        ("1Gi", "1073741824"),
        ("1Ti", "1099511627776"),
        ("1Pi", "1125899906842624"),
        ("1Ei", "1152921504606846976"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("12e-1", "1.2"),
    ],
)
def test_quantities(given: object, expected: str) -> None:
    assert quantity(given) == Decimal(expected)


@pytest.mark.parametrize("given", ["", "a", "1X", "--1", "1ki", "nan", "Infinity", None, True])
def test_what_is_no_quantity(given: object) -> None:
    with pytest.raises(InvalidInputError, match="Invalid quantity"):
        quantity(given)


@pytest.mark.parametrize(
    ("name", "amount", "expected"),
    [
        ("memory", "1610612736", "1536Mi"),
        ("requests.memory", "1073741824", "1Gi"),
        ("limits.ephemeral-storage", "0", "0Gi"),
        ("hugepages-2Mi", "2097152", "2Mi"),
        ("cpu", "1.500", "1.5"),
        (GPU, "100", "100"),
    ],
)
def test_amounts_as_people_read_them(name: str, amount: str, expected: str) -> None:
    assert shown(name, Decimal(amount)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (GPU, True),
        ("nvidia.com/mig-1g.10gb", True),
        ("amd.com/gpu", True),
        ("cpu", False),
        ("hugepages-2Mi", False),
        ("kubernetes.io/batch-cpu", False),
    ],
)
def test_which_resources_are_devices(name: str, expected: bool) -> None:
    assert is_device(name) is expected
