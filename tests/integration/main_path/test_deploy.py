# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main path: a deploy from nothing, again, under --check, and of changed values."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2 import sql

from tests.integration.conftest import SharedLab
from tests.integration.main_path.sites import Site, server_env

# A pod that has its GPU for itself.
ALONE = {"gpu": {"count": 1}, "strategy": {"surge": False}}


@pytest.fixture
def empty_database(lab: SharedLab, site: Site) -> Iterator[str]:
    """The URL of a database without any table."""
    name = sql.Identifier(site.name)
    with contextlib.closing(psycopg2.connect(lab.env["DATABASE_URL"])) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(name))
            try:
                yield urlsplit(lab.env["DATABASE_URL"])._replace(path=f"/{site.name}").geturl()
            finally:
                cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_check_mode_predicts_a_first_deploy_and_writes_nothing(site: Site, empty_database: str) -> None:
    model = site.model("fresh")
    play = site.succeed("deploy", "--check", "--diff", DATABASE_URL=empty_database)
    assert play.changed == 3, "table, release, record as verified; what a table to come will hold cannot be told"
    assert "kind: Deployment" in play.result(model, "Compare the release")["diff"]["after"]
    assert site.releases() == {}
    assert site.call("kubectl", "get", "namespace", site.name, "--ignore-not-found") == ""
    assert site.rows() == {}
    with contextlib.closing(psycopg2.connect(empty_database)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('model_registry_entries')")
        assert cursor.fetchone() == (None,)


def test_a_deploy_from_nothing_serves_and_the_next_ones_change_nothing(site: Site) -> None:
    model = site.model("fresh")
    predicted = site.succeed("deploy", "--check", "--diff")
    assert predicted.changed == 3, "the release, its record as verified, and the entry"
    assert (site.rows(), site.releases()) == ({}, {})
    assert predicted.result(model, "Register the model")["diff"]["after"]["endpoint"] == site.endpoint(model)

    first = site.succeed("deploy")
    assert first.changed == predicted.changed
    assert first.result(model, "Wait until")["ready"]
    assert first.result(model, "Ask the router")["route"] == "served"
    assert site.releases()["fresh"]["status"] == "deployed"
    assert site.get("deployments")[0]["status"]["readyReplicas"] == 1
    assert site.rows() == {model: "ready"}
    assert site.ask(model) == 200

    for flags in ((), ("--check", "--diff")):
        again = site.succeed("deploy", *flags)
        assert again.changed == 0, again.results(model)
    assert site.releases()["fresh"]["revision"] == "1"
    assert site.history(model) == ["ready"]


def test_a_changed_value_drains_upgrades_and_restores(site: Site) -> None:
    model = site.model("up", ALONE)
    site.serve(model)
    site.model("up", {**ALONE, **server_env(LAB_VLLM_TOKEN_SECONDS="0.001")})
    play = site.succeed("deploy")
    assert play.result(model, "Compare the release")["why"][0] == "its values differ"
    assert site.history(model) == ["ready", "deploying", "ready"]
    assert site.ask(model) == 200

    # The pod was replaced while the entry was out of routing.
    (pod,) = site.get("pods")
    _unused, drained, restored = [at for _unused, at in site.moments(model)]
    ready = next(each for each in pod["status"]["conditions"] if each["type"] == "Ready")["lastTransitionTime"]
    # Kubernetes cuts fractions of a second off.
    assert drained < datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) + timedelta(seconds=1)
    assert restored >= datetime.fromisoformat(ready)


def test_progress_is_on_stderr_under_the_name_of_its_host(site: Site) -> None:
    """And stdout stays JSON, as every play here relies on."""
    models = [site.model(short, server_env(LAB_VLLM_FAULT="error-500")) for short in ("one", "two")]
    site.install(*models)
    play = site.fail("verify", "-e", "vllm_ready_timeout=2")
    for model in models:
        assert re.search(rf"^{model}: +[0-9.]+ s  (server_error|loading|rollout): ", play.stderr, re.MULTILINE)
