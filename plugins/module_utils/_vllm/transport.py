# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to a model server: straight to a URL, or to a pod by the API server's port-forward or its proxy."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import (
    Connect,
    ConnectionForbiddenError,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube


@dataclass(frozen=True)
class Tls:
    """How a server's certificate is verified. `name` is the one that it must be for, where no URL says so."""

    ca_cert: str | None = None
    validate: bool = True
    name: str | None = None

    def context(self) -> ssl.SSLContext:
        """The settings: the system's authorities or the given file's, or none at all if told so.

        Raises:
            InvalidInputError: the file cannot be read.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_cert)
        except OSError as error:
            raise InvalidInputError(
                f"Cannot read ca_cert {self.ca_cert}", str(error), "Name a readable PEM file."
            ) from error
        if not self.validate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def tls_of(scheme: str, ca_cert: str | None, *, validate: bool, name: str | None = None) -> Tls | None:
    """How the certificate of a server of this scheme is verified, or None without TLS."""
    return Tls(ca_cert, validate, name) if scheme == "https" else None


def direct(url: str, tls: Tls) -> tuple[Connect, str]:
    """How to connect to a base URL, and the path in it.

    Raises:
        InvalidInputError: the URL has no http(s) scheme, no host, or a port that is none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInputError(f"Invalid url: {url}", str(error), "Use http(s)://host:port.") from error
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidInputError(f"Invalid url: {url}", "it is not an http or https URL", "Use http(s)://host:port.")
    context = tls.context() if parts.scheme == "https" else None

    def connect(timeout: float) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        if context:
            connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=timeout)
        connection.connect()
        return connection

    return connect, parts.path.rstrip("/").removesuffix("/v1")


def port_forward(kube: Kube, namespace: str, pod: str, port: int, tls: Tls | None) -> Connect:
    """How to connect to a pod's port through the API server's port-forward; with TLS inside it if given."""
    context = tls.context() if tls else None

    def connect(_timeout: float) -> http.client.HTTPConnection:
        from kubernetes.client.exceptions import ApiException
        from kubernetes.stream.ws_client import portforward_call

        # The client has no timeout for this handshake: whoever connects waits no longer than they want, and a dead
        # peer is noticed by the client's TCP keep-alive after a minute.
        url = f"{kube.configuration.host}/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
        try:
            forward = portforward_call(
                kube.configuration, "GET", url, query_params=[("ports", str(port))], headers=kube.credentials()
            )
        except ApiException as error:
            raise refused_handshake(pod, str(error.reason)) from error
        connection = http.client.HTTPConnection("localhost")
        connection.sock = forward.socket(port)
        if context:
            connection.sock = context.wrap_socket(connection.sock, server_hostname=tls.name if tls else None)
        return connection

    return connect


def refused_handshake(pod: str, reason: str) -> ConnectionError:
    """The error for a port-forward that the API server did not open."""
    status = refusal(reason)
    is_forbidden = "forbidden" in status or reason.startswith("Handshake status 403")
    kind = ConnectionForbiddenError if is_forbidden else ConnectionResetError
    if is_forbidden and "cannot" not in status:
        # Kubernetes 1.36 does not say which verb it misses.
        status = f"{status.rstrip(': ')}: the account cannot create resource pods/portforward"
    return kind(f"port-forward to pod {pod}: {status}")


def refusal(reason: str) -> str:
    """What counts of a refused handshake: the API server's own message, where its Status is at the end."""
    try:
        return str(json.loads(reason[reason.index('{"kind":"Status"') :].split("\n")[0])["message"])
    except (ValueError, KeyError):
        return reason.split("-+-+-")[0].strip()


def api_proxy(kube: Kube, namespace: str, pod: str, port: int, tls: Tls | None) -> tuple[Connect, str]:
    """How to connect to the API server's proxy of a pod, and the path there. It does not verify certificates."""
    parts = urlsplit(kube.configuration.host)
    context = api_context(kube.configuration)
    target = (parts.hostname or "", parts.port or (443 if context else 80))
    first = urlsplit(kube.configuration.proxy) if kube.configuration.proxy else parts

    def connect(timeout: float) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(first.hostname or "", first.port or target[1], timeout=timeout)
        if first is not parts:
            connection.set_tunnel(*target)
        connection.connect()
        if context:
            name = kube.configuration.tls_server_name or target[0]
            connection.sock = context.wrap_socket(connection.sock, server_hostname=name)
        return connection

    name = f"https:{pod}:{port}" if tls else f"{pod}:{port}"
    return connect, f"{parts.path.rstrip('/')}/api/v1/namespaces/{namespace}/pods/{name}/proxy"


def api_context(configuration: Any) -> ssl.SSLContext | None:
    """The TLS settings of a kubeconfig, or None where the API server has none."""
    if not configuration.host.startswith("https"):
        return None
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl or configuration.assert_hostname is False:
        context.check_hostname = False
    if not configuration.verify_ssl:
        context.verify_mode = ssl.CERT_NONE
    return context
