# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes API as plain JSON over the client's own connection and credentials.

The client's API classes are not used: importing those alone takes a second and 100 MB (kubernetes 37.0.2).
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError

SECONDS_PER_REQUEST = 10.0
# A log line can be as long as its writer likes.
MAX_LOG_BYTES = 256 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
# Each of Helm's Secrets may be of 1 MiB.
ITEMS_PER_REQUEST = 50


class ApiError(InferenceError):
    """The API server refused, or gave no answer."""

    reason = "api_unreachable"
    retry_after: float | None = None


class ForbiddenError(ApiError):
    """The account may not do this."""

    reason = "forbidden"


class UnauthorisedError(ApiError):
    """The API server does not know who asks, or no more."""

    reason = "api_unauthorised"


class MissingError(ApiError):
    """What was asked for is not there."""


class ConflictError(ApiError):
    """Another writer was first."""


class ExpiredError(ApiError):
    """The version from which a watch was to go on is too old."""


class Kube:
    """One API server, with the credentials of a kubeconfig."""

    def __init__(self, kubeconfig: str | None = None, context: str | None = None) -> None:
        from kubernetes.client.rest import RESTClientObject

        self.source = kubeconfig, context
        self.configuration = configuration_of(kubeconfig, context)
        # Watches and port-forwards of many releases go on at the same time.
        self.configuration.connection_pool_maxsize = 32
        self.pool = RESTClientObject(self.configuration).pool_manager

    def credentials(self) -> dict[str, str]:
        """The header that authenticates a request, renewed if the client knows how to."""
        bearer = self.configuration.auth_settings().get("BearerToken")
        return {"authorization": bearer["value"]} if bearer else {}

    def renew(self) -> None:
        """Read the kubeconfig again: another program may have renewed a token in it."""
        fresh = configuration_of(*self.source)
        self.configuration.api_key = fresh.api_key
        self.configuration.refresh_api_key_hook = fresh.refresh_api_key_hook

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """A GET's JSON.

        Raises:
            ApiError: one of its kinds; the message names verb and resource as the API server does.
        """
        with self.opened(path, SECONDS_PER_REQUEST, **query) as response:
            return read_document(response, path)

    def send(self, method: str, path: str, body: Mapping[str, Any], kind: str = "application/json") -> dict[str, Any]:
        """A changing request's JSON.

        Args:
            method: as POST, PATCH or DELETE.
            path: of the object, or of its list for POST.
            body: the object, what is to be changed of it, or the options of a DELETE.
            kind: the body's media type, which says how a PATCH is meant.

        Raises:
            ApiError: as get does; ConflictError if another writer was first.
        """
        with self.requested(method, path, SECONDS_PER_REQUEST, json.dumps(body), kind) as response:
            return read_document(response, path)

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """The items of a list."""
        found: list[dict[str, Any]] = self.get(path, **query).get("items") or []
        return found

    def every(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """The items of a list of any length, read a part at a time."""
        found: list[dict[str, Any]] = []
        onward = None
        while True:
            part = self.get(path, limit=ITEMS_PER_REQUEST, **{"continue": onward}, **query)
            found += part.get("items") or []
            onward = (part.get("metadata") or {}).get("continue")
            if not onward:
                return found

    def log(self, path: str, **query: Any) -> list[str]:
        """The lines of a log."""
        with self.opened(path, SECONDS_PER_REQUEST, **query) as response:
            content: bytes = response.read(MAX_LOG_BYTES)
        return content.decode(errors="replace").splitlines()

    def secret(self, namespace: str, name: str, key: str) -> str:
        """One value of a Secret.

        Raises:
            InferenceError: it is not there, or may not be read.
        """
        try:
            data = self.get(f"/api/v1/namespaces/{namespace}/secrets/{name}").get("data") or {}
        except MissingError as error:
            raise InferenceError("Cannot read api_key_secret", error.why, "Correct it, or make the Secret.") from error
        if key not in data:
            raise InferenceError(f"Secret {namespace}/{name} has no key {key}", remedy="Correct api_key_secret.")
        return base64.b64decode(data[key]).decode(errors="replace").strip()

    @contextmanager
    def opened(self, path: str, seconds: float, **query: Any) -> Iterator[Any]:
        """A response whose body is read by the caller, with seconds for each wait on it."""
        given = {name: value for name, value in query.items() if value is not None}
        with self.requested("GET", path + (f"?{urlencode(given)}" if given else ""), seconds) as response:
            yield response

    @contextmanager
    def requested(
        self, method: str, path: str, seconds: float, body: str | None = None, kind: str = ""
    ) -> Iterator[Any]:
        """A response to any request, as long as it is one of success."""
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        url = self.configuration.host + path
        headers = {"Accept": "application/json", **({"Content-Type": kind} if kind else {}), **self.credentials()}
        limits = Timeout(connect=SECONDS_PER_REQUEST, read=seconds)
        try:
            response = self.pool.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=limits,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                if not 200 <= response.status < 300:
                    raise api_error(response.status, response.headers, response.read(MAX_LOG_BYTES))
                yield response
            finally:
                response.close()
        except (HTTPError, OSError) as error:
            raise ApiError("The Kubernetes API cannot be reached", str(error)) from error


def read_document(response: Any, path: str) -> dict[str, Any]:
    """The JSON of a response.

    Raises:
        ApiError: it is none.
    """
    try:
        document: dict[str, Any] = json.loads(response.read(MAX_BODY_BYTES))
    except ValueError:
        raise ApiError("The Kubernetes API answered with something else than JSON", path) from None
    return document


def configuration_of(kubeconfig: str | None, context: str | None) -> Any:
    """The client's settings from a kubeconfig (by default KUBECONFIG, ~/.kube/config, or the pod's own account).

    Raises:
        InferenceError: there is no usable kubeconfig.
    """
    from kubernetes import config
    from kubernetes.client import Configuration
    from yaml import YAMLError

    settings = Configuration()
    has_file = kubeconfig or "KUBECONFIG" in os.environ or os.path.exists(os.path.expanduser("~/.kube/config"))
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and not has_file:
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(kubeconfig, context, settings)
    except (config.ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError, YAMLError) as error:
        where = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        raise InferenceError(
            f"No usable kubeconfig {where}",
            str(error).splitlines()[0] if str(error) else type(error).__name__,
            "Set KUBECONFIG or the option kubeconfig to a readable file.",
        ) from error
    return settings


def api_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error for a refusal of the API server, in its own words."""
    try:
        message = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        message = f"status {status}"
    if status == 401:
        return UnauthorisedError("The Kubernetes API does not accept the credentials", message)
    if status == 403:
        return ForbiddenError("The Kubernetes API forbids to look", message)
    if status == 404:
        return MissingError("The Kubernetes API has no such object", message)
    if status == 409:
        return ConflictError("The Kubernetes API refuses to change what another has changed", message)
    if status == 410:
        return ExpiredError("The Kubernetes API has forgotten this version", message)
    error = ApiError("The Kubernetes API answered with an error", message)
    after = headers.get("Retry-After", "")
    error.retry_after = float(after) if after.isdigit() else None
    return error
