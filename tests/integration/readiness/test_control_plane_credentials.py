# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials that are wrong, end during the wait, or are renewed in it; and an API server that is another."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.integration.conftest import SharedLab
from tests.integration.readiness.accounts import Accounts
from tests.integration.readiness.deployments import Deployments, Json, parameters, ready
from tests.integration.readiness.proxies import LOOPBACK, Answerer, Forwarder, reply, status
from tests.integration.readiness.waiting import Gate, Wait, eventually, rewritten

ALL = [{"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["*"]}]
# A watch lasts 10 s, and the API server keeps its verdict on a token for 10 s.
SECONDS_TO_NOTICE = 25.0
SECONDS_TO_RECOVER = 6.0
SECONDS_AFTER_TIMEOUT = 3.0


@pytest.fixture(scope="module")
def accounts(deployments: Deployments) -> Iterator[Accounts]:
    found = Accounts(deployments.api, deployments.kubeconfig, deployments.namespace)
    yield found
    found.remove()


@pytest.fixture(scope="module")
def ended(
    gate: Gate, accounts: Accounts, lab: SharedLab, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Json, list[str]]]:
    """What came of waits whose token expired, was renewed after that, or whose account lost its rights."""
    folder = tmp_path_factory.mktemp("ended")
    key = lab.state_dir / "kwok" / "clusters" / "lab" / "pki" / "admin.key"
    gate.close()
    waits = {}
    with contextlib.ExitStack() as stack:
        for name in ("expires", "renewed", "revoked"):
            accounts.create(name, ALL)
        for name in ("expires", "renewed", "revoked"):
            token = accounts.token(name) if name == "revoked" else accounts.expiring_token(name, key)
            login = accounts.login(name, folder, token)
            given = gate.deployments.parameters(gate.release, kubeconfig=login, timeout=60.0)
            given |= {"fail_fast": "suspect"} if name == "expires" else {}
            waits[name] = stack.enter_context(Wait(given, folder))
        for wait in waits.values():
            wait.until("0 available")
        accounts.revoke("revoked")
        waits["renewed"].until("api_unauthorised", SECONDS_TO_NOTICE)
        accounts.login("renewed", folder)
        waits["renewed"].until("0 available", SECONDS_TO_RECOVER)
        results = {name: waits[name].result() for name in ("expires", "revoked")}
        gate.open()
        results["renewed"] = waits["renewed"].result(SECONDS_TO_RECOVER)
    return {name: (result, waits[name].lines) for name, result in results.items()}


def test_a_token_that_expires_ends_the_wait(ended: dict[str, tuple[Json, list[str]]]) -> None:
    result, _unused = ended["expires"]
    assert (result["reason"], result["severity"]) == ("api_unauthorised", "suspect")
    assert "Renew the kubeconfig's credentials" in result["failed"]
    assert result["took"] < SECONDS_TO_NOTICE


def test_a_token_that_is_renewed_in_the_kubeconfig_lets_it_go_on(ended: dict[str, tuple[Json, list[str]]]) -> None:
    result, lines = ended["renewed"]
    assert result["ready"], lines


def test_rights_that_are_taken_away_end_the_wait(ended: dict[str, tuple[Json, list[str]]]) -> None:
    result, _unused = ended["revoked"]
    assert result["reason"] == "forbidden"
    assert "cannot list resource" in result["failed"]
    assert result["took"] < SECONDS_TO_NOTICE


def test_a_kubeconfig_that_is_half_written_while_it_is_renewed(gate: Gate, answerer: Answerer, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    whole = Path(rewritten(gate.deployments.kubeconfig, path, answerer.url)).read_text(encoding="utf-8")
    refused = reply(401, status(401, "Unauthorized", "Unauthorized"))
    gate.close()
    with Wait(gate.deployments.parameters(gate.release, kubeconfig=str(path)), tmp_path) as wait:
        wait.until("0 available")
        answerer.answer = lambda request: refused
        answerer.cut()
        wait.until("api_unauthorised", SECONDS_TO_RECOVER)
        for half in ("", whole[: len(whole) // 2]):
            path.write_text(half, encoding="utf-8")
            seen = len(answerer.requests)
            eventually(lambda seen=seen: len(answerer.requests) >= seen + 3, 15)  # type: ignore[misc]
        path.write_text(whole, encoding="utf-8")
        answerer.answer = lambda request: None
        gate.open()
        result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result


@pytest.mark.parametrize(
    ("user", "reason", "words"),
    [({"token": "wrong"}, "api_unauthorised", "Unauthorized"), ({}, "forbidden", "system:anonymous")],
    ids=["a wrong token", "nobody"],
)
def test_who_is_not_known(user: Json, reason: str, words: str, gate: Gate, tmp_path: Path) -> None:
    login = rewritten(gate.deployments.kubeconfig, tmp_path / "kubeconfig", user=user)
    result = gate.deployments.ready(gate.release, kubeconfig=login, fail_fast="suspect")
    assert result["reason"] == reason
    assert words in result["failed"]
    assert result["seconds"] < 3


class Impostor(Forwarder):
    """An API server whose certificate no authority of the lab has signed."""

    def __init__(self, certificate: Path) -> None:
        super().__init__((LOOPBACK, 0))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)

    def serve(self, client: socket.socket) -> None:
        """Shake hands, if the client wants to."""
        with self.context.wrap_socket(client, server_side=True) as stream:
            stream.recv(1)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file with a key and a certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "impostor")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(datetime.now(UTC) - timedelta(days=1))
    builder = builder.not_valid_after(datetime.now(UTC) + timedelta(days=1))
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))])
    signed = builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("impostor") / "impostor.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + signed.public_bytes(Encoding.PEM))
    return path


def test_a_wrong_authority(gate: Gate, certificate: Path, tmp_path: Path) -> None:
    gate.open()
    authority = {"certificate-authority": str(certificate)}
    login = rewritten(gate.deployments.kubeconfig, tmp_path / "kubeconfig", cluster=authority)
    with Wait(gate.deployments.parameters(gate.release, kubeconfig=login, timeout=2.0), tmp_path) as wait:
        result = wait.result()
    assert result["reason"] == "api_unreachable", result
    assert "certificate verify failed" in result["failed"]
    assert result["took"] < 2 + SECONDS_AFTER_TIMEOUT


def test_another_server_takes_the_place_for_a_while(
    gate: Gate, forwarder: Forwarder, certificate: Path, tmp_path: Path
) -> None:
    login = rewritten(gate.deployments.kubeconfig, tmp_path / "kubeconfig", forwarder.url)
    gate.close()
    with (
        Impostor(certificate) as impostor,
        Wait(gate.deployments.parameters(gate.release, kubeconfig=login), tmp_path) as wait,
    ):
        wait.until("0 available")
        truth, forwarder.target = forwarder.target, (LOOPBACK, impostor.port)
        forwarder.cut()
        wait.until("certificate verify failed", SECONDS_TO_RECOVER)
        forwarder.target = truth
        wait.until("0 available", SECONDS_TO_RECOVER)
        gate.open()
        result = wait.result(SECONDS_TO_RECOVER)
    assert result["ready"], result


KUBECONFIGS = {
    "missing": None,
    "empty": b"",
    "text": b"apiVersion v1 clusters",
    "no YAML": b"clusters: [",
    "binary": bytes(range(256)),
    "a list": b"[]",
    "without users": b"{clusters: [], contexts: [], current-context: x, kind: Config}",
    "of another kind": b"{clusters: 1, contexts: 2, users: 3, current-context: x}",
    "without a context": b"{clusters: [], contexts: [], users: [], kind: Config}",
}


@pytest.mark.parametrize("content", KUBECONFIGS.values(), ids=KUBECONFIGS)
def test_a_kubeconfig_that_is_of_no_use(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_bytes(content)
    result = ready(parameters(model="a", release="r", namespace="n", kubeconfig=str(path)))
    assert "No usable kubeconfig" in result["failed"]
    assert "Set KUBECONFIG or the option kubeconfig" in result["failed"]
    assert str(path) in result["failed"]


def test_a_folder_in_place_of_a_kubeconfig(tmp_path: Path) -> None:
    result = ready(parameters(model="a", release="r", namespace="n", kubeconfig=str(tmp_path)))
    assert "No usable kubeconfig" in result["failed"]


def test_a_context_that_is_not_there(lab: SharedLab) -> None:
    login = str(lab.kubeconfig)
    result = ready(parameters(model="a", release="r", namespace="n", kubeconfig=login, context="elsewhere"))
    assert "No usable kubeconfig" in result["failed"]
    assert "elsewhere" in result["failed"]


@pytest.mark.parametrize(
    "more",
    [{"certificate-authority": "/nowhere/ca.crt"}, {"certificate-authority": None, "certificate-authority-data": "!"}],
    ids=["no file", "no base64"],
)
def test_an_authority_that_cannot_be_read(more: Json, lab: SharedLab, tmp_path: Path) -> None:
    login = rewritten(str(lab.kubeconfig), tmp_path / "kubeconfig", cluster=more)
    result = ready(parameters(model="a", release="r", namespace="n", kubeconfig=login, timeout=1.0))
    assert "No usable kubeconfig" in result["failed"] or result["reason"] == "api_unreachable"
