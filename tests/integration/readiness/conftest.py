# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace for the Deployments of a module's tests."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.integration.lab.conftest import wait_for_service_account
from tests.integration.readiness.deployments import Deployments
from tests.integration.readiness.proxies import LOOPBACK, Address, Answerer, Forwarder
from tests.integration.readiness.waiting import Gate, new_gate
from tests.lab.kubelet.api import Api

if TYPE_CHECKING:
    from tests.integration.conftest import SharedLab


@pytest.fixture(scope="module")
def deployments(lab: SharedLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployments]:
    """Made before the first test, and deleted with all in it after the last."""
    api = Api(Path(lab.kubeconfig), tmp_path_factory.mktemp("api"))
    name = f"ready-{uuid.uuid4().hex[:8]}"
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    wait_for_service_account(api, name)
    yield Deployments(api, str(lab.kubeconfig), name)
    api.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def release(deployments: Deployments) -> Iterator[str]:
    """The name of a release that a test makes; what it made is deleted."""
    name = f"r-{uuid.uuid4().hex[:8]}"
    yield name
    deployments.delete(name)


@pytest.fixture(scope="module")
def gate(deployments: Deployments) -> Iterator[Gate]:
    """A release that all tests of a module share. It serves, and is open."""
    with new_gate(deployments) as found:
        yield found


@pytest.fixture
def forwarder(lab: SharedLab) -> Iterator[Forwarder]:
    """Connections to the API server, to be spoilt."""
    with Forwarder(address_of(lab)) as proxy:
        yield proxy


@pytest.fixture
def answerer(lab: SharedLab) -> Iterator[Answerer]:
    """Requests to the API server, to be spoilt."""
    with answering(lab) as proxy:
        yield proxy


def answering(lab: SharedLab) -> Answerer:
    return Answerer(address_of(lab), tls_of(Path(lab.kubeconfig)))


def address_of(lab: SharedLab) -> Address:
    return LOOPBACK, lab.config.ports["kube-apiserver"]


def tls_of(kubeconfig: Path) -> ssl.SSLContext:
    """The authority and the certificate in a kubeconfig of the lab."""
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    context = ssl.create_default_context(cafile=config["clusters"][0]["cluster"]["certificate-authority"])
    user = config["users"][0]["user"]
    context.load_cert_chain(user["client-certificate"], user["client-key"])
    return context
