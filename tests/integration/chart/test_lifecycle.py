# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release from its install to its removal, by Helm 3, by Helm 4, and from one to the other."""

from __future__ import annotations

import json

import pytest

from tests.integration.chart.places import CHART, HELMS, PREVIOUS, QUICK, Json, Place

WAIT = ("--wait", "--timeout=60s")
LENGTH = "--max-model-len=4096"
LONGER: Json = {**QUICK, "model": {**QUICK["model"], "maxModelLen": 4096}}


def arguments(place: Place, release: str = "tiny") -> list[str]:
    (container,) = place.deployment(release)["spec"]["template"]["spec"]["containers"]
    found: list[str] = container["args"]
    return found


def ready(place: Place, release: str = "tiny") -> int:
    found: int = place.deployment(release)["status"].get("readyReplicas", 0)
    return found


def status(place: Place, helm: str, release: str = "tiny") -> tuple[str, int]:
    """The release's status and revision."""
    found = json.loads(place.helm(helm, "status", release, "--output=json").stdout)
    return found["info"]["status"], found["version"]


@pytest.mark.parametrize(
    ("first", "then"),
    [("Helm 3", "Helm 3"), ("Helm 4", "Helm 4"), ("Helm 3", "Helm 4")],
    ids=["Helm 3", "Helm 4", "from 3 to 4"],
)
def test_install_upgrade_rollback_uninstall(place: Place, first: str, then: str) -> None:
    place.helm(first, "install", "tiny", str(CHART), *WAIT, values=QUICK)
    assert (status(place, first), ready(place)) == (("deployed", 1), 1)

    place.helm(then, "upgrade", "tiny", str(CHART), *WAIT, values=LONGER)
    assert (status(place, then), ready(place)) == (("deployed", 2), 1)
    assert LENGTH in arguments(place)

    place.helm(then, "rollback", "tiny", "1", *WAIT)
    assert (status(place, then), ready(place)) == (("deployed", 3), 1)
    assert LENGTH not in arguments(place)

    place.helm(then, "uninstall", "tiny", *WAIT)
    place.wait("the removal of the pods", lambda: not place.get("pods"))
    left = place.get(
        "deployments,services,serviceaccounts,secrets,poddisruptionbudgets",
        "--selector=app.kubernetes.io/instance=tiny",
    )
    assert left == []


@pytest.mark.parametrize("helm", HELMS)
def test_an_upgrade_that_changes_nothing_restarts_nothing(place: Place, helm: str) -> None:
    place.helm(helm, "install", "tiny", str(CHART), *WAIT, values=QUICK)
    before = place.deployment("tiny")["metadata"]["generation"], [pod["metadata"]["uid"] for pod in place.get("pods")]
    place.helm(helm, "upgrade", "tiny", str(CHART), *WAIT, values=QUICK)
    after = place.deployment("tiny")["metadata"]["generation"], [pod["metadata"]["uid"] for pod in place.get("pods")]
    assert after == before


@pytest.mark.parametrize("helm", HELMS)
def test_a_release_of_the_previous_chart_is_upgraded_in_place(place: Place, helm: str) -> None:
    """A Deployment's selector cannot be changed, and clients hold the Service's name and address."""
    place.helm(helm, "install", "tiny", str(PREVIOUS), *WAIT)
    deployment, (service,) = place.deployment("tiny"), place.get("services")
    place.helm(helm, "upgrade", "tiny", str(CHART), *WAIT, values=QUICK)
    upgraded, (kept,) = place.deployment("tiny"), place.get("services")
    assert upgraded["metadata"]["uid"] == deployment["metadata"]["uid"]
    assert upgraded["spec"]["selector"] == deployment["spec"]["selector"]
    assert kept["metadata"]["uid"] == service["metadata"]["uid"]
    assert kept["spec"]["selector"] == service["spec"]["selector"]
    assert kept["spec"]["ports"] == service["spec"]["ports"]
    assert ready(place) == 1
    place.helm(helm, "rollback", "tiny", "1", *WAIT)
    assert ready(place) == 1
