# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was verified in one environment goes into the next, and nothing else does."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from tests.integration.conftest import SharedLab
from tests.integration.main_path.conftest import open_site
from tests.integration.main_path.sites import Json, Site, merged

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Stages(NamedTuple):
    """Two environments with one model, and what was pulled in the first one."""

    source: Site
    target: Site
    model: str
    digest: str

    def declare(self, values: Json | None = None) -> None:
        """Declare the model in the second environment as it was verified in the first, but for these values."""
        own = {"model": {"revision": COMMIT, "servedNames": [self.model]}, "image": {"digest": self.digest}}
        name = self.target.model("one", merged(own, {"replicas": 2}, values or {}), vllm_served_name=self.model)
        own = {"environment_source_kubeconfig": self.source.lab.env["KUBECONFIG"], "environment_approval": "none"}
        self.target.hosts[name] |= own
        self.target.write_inventory()

    @property
    def host(self) -> str:
        return min(self.target.hosts)


@pytest.fixture(scope="module")
def stages(lab: SharedLab, watched_registry: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    """A model that was verified in development. Each test looks at what staging says of it, and deploys nothing."""
    target = Site(lab, tmp_path_factory.mktemp("staging"), f"stage-{uuid.uuid4().hex[:6]}", "staging")
    with contextmanager(open_site)(lab, tmp_path_factory, "promo") as source:
        try:
            model = source.model("one", {"model": {"revision": COMMIT}})
            source.succeed("deploy")
            (pod,) = source.get("pods")
            digest = pod["status"]["containerStatuses"][0]["imageID"].rpartition("@")[2]
            yield Stages(source, target, model, digest)
        finally:
            target.remove()


def test_what_was_verified_is_promoted_with_an_environments_own_values(stages: Stages) -> None:
    stages.declare()
    promoted = stages.target.succeed("promote")
    refused = promoted.result(stages.host, "Refuse anything but what was verified")
    assert (refused["source"], refused["looked_at_source"]) == ("development", True)
    assert stages.target.succeed("promote").changed == 0
    (row,) = stages.target.execute(
        "SELECT metadata FROM model_registry_entries WHERE model_name = %s AND deployment_environment = 'staging'",
        stages.model,
    )
    verified = row["metadata"]["verified"]
    assert (verified["revision"], verified["identity"]["image_digest"]) == (1, stages.digest)
    assert verified["identity"] == refused["verified"]["identity"] | {
        "values_hash": verified["identity"]["values_hash"]
    }


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"extraArgs": ["--enforce-eager"]}, "values that decide what the model answers would be another"),
        ({"model": {"revision": "main"}}, f"would be main, and {COMMIT} was verified"),
        ({"image": {"digest": ""}}, "image.digest is not set"),
    ],
    ids=["values", "branch", "tag"],
)
def test_anything_else_is_refused_before_anything_is_changed(stages: Stages, values: Json, why: str) -> None:
    stages.declare(values)
    play = stages.target.fail("promote")
    assert why in play.failure(stages.host)
    assert "Nothing was changed." in play.failure(stages.host)
    assert play.changed == 0


def test_production_takes_nothing_from_development(stages: Stages) -> None:
    stages.declare()
    inventory = stages.target.inventory
    text = inventory.read_text().replace("environment_name: staging", "environment_name: production")
    other = inventory.with_name("production.yml")
    other.write_text(text)
    (stages.target.values / "values-production.yaml").write_text("{}\n")
    stages.target.execute(
        "DELETE FROM model_registry_entries WHERE model_name = %s AND deployment_environment = 'staging'", stages.model
    )
    play = stages.target.fail("promote", inventory=other)
    assert "it is not registered in staging" in play.failure(stages.host)


def test_a_source_that_was_edited_or_changed_since_is_refused(stages: Stages) -> None:
    """The last test: it spoils the source."""
    stages.declare()
    stages.source.call("kubectl", "set", "env", "deployment/one-vllm-deployment", "ADDED=1")
    play = stages.target.fail("promote")
    assert "env[ADDED] was added by kubectl-set" in play.failure(stages.host)
    stages.source.install(min(stages.source.hosts))
    play = stages.target.fail("promote")
    assert "in development, revision 2 is there, and 1 was verified" in play.failure(stages.host)
