# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site for each test, and a record of every status that an entry is ever given."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator

import psycopg2
import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.ddl import CREATE

from tests.integration.conftest import SharedLab
from tests.integration.main_path.sites import Site

# The database itself writes down what becomes of an entry, so that no moment is missed.
WATCH = """
    SELECT pg_advisory_xact_lock(hashtext('status_history'));
    CREATE TABLE IF NOT EXISTS status_history (
        number bigserial PRIMARY KEY, model_name text, environment text, status text,
        at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE OR REPLACE FUNCTION note_status() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'UPDATE' AND OLD.deployment_status = NEW.deployment_status THEN RETURN NEW; END IF;
        INSERT INTO status_history (model_name, environment, status)
        VALUES (NEW.model_name, NEW.deployment_environment, NEW.deployment_status);
        RETURN NEW;
    END $$;
    CREATE OR REPLACE TRIGGER status_history AFTER INSERT OR UPDATE ON model_registry_entries
        FOR EACH ROW EXECUTE FUNCTION note_status();
"""
FORGET = "DROP FUNCTION note_status() CASCADE; DROP TABLE status_history"


@pytest.fixture(scope="session")
def watched_registry(lab: SharedLab) -> Iterator[None]:
    """The registry's table, with the record beside it."""
    with contextlib.closing(psycopg2.connect(lab.env["DATABASE_URL"])) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtext('model_registry_entries'))")
            cursor.execute("SELECT to_regclass('model_registry_entries')")
            found = cursor.fetchone()
            for statement in CREATE if found == (None,) else ():
                cursor.execute(statement)
            cursor.execute("SELECT pg_advisory_unlock(hashtext('model_registry_entries'))")
            cursor.execute(WATCH)
            yield
            # Another worker may still need it, and the lab ends with the last one.
            if "PYTEST_XDIST_WORKER" not in os.environ:
                cursor.execute(FORGET)


def open_site(lab: SharedLab, paths: pytest.TempPathFactory, label: str) -> Iterator[Site]:
    """A site that is taken away again. No run may have written `disabled` unless the test played a person."""
    own = Site(lab, paths.mktemp(label), f"{label}-{uuid.uuid4().hex[:6]}")
    try:
        yield own
        if not own.person_disables:
            assert not [name for name in own.rows() if "disabled" in own.history(name)]
    finally:
        own.remove()


@pytest.fixture
def site(lab: SharedLab, watched_registry: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from open_site(lab, tmp_path_factory, "mp")


@pytest.fixture(scope="module")
def shared_site(lab: SharedLab, watched_registry: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all tests of a file that only look at what one run came to."""
    yield from open_site(lab, tmp_path_factory, "mps")
