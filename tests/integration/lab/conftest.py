# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace for the pods of a module's tests."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.lab.pods import Pods
from tests.lab.kubelet.api import Api, ApiError

if TYPE_CHECKING:
    from tests.integration.conftest import SharedLab


@pytest.fixture(scope="module")
def pods(lab: SharedLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """Made before the first test, and deleted with all in it after the last."""
    api = Api(Path(lab.kubeconfig), tmp_path_factory.mktemp("api"))
    name = f"kubelet-{uuid.uuid4().hex[:8]}"
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    wait_for_service_account(api, name)
    yield Pods(api, str(lab.kubeconfig), name)
    api.request("DELETE", f"/api/v1/namespaces/{name}")


def wait_for_service_account(api: Api, namespace: str) -> None:
    """Without it the API server refuses every pod."""
    deadline = time.monotonic() + 10
    while True:
        try:
            api.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default")
        except ApiError:
            assert time.monotonic() < deadline, "no service account"
            time.sleep(0.05)
        else:
            return
