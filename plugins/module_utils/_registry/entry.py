# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An entry of the registry, what a user asks of one, and the rules for each value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

# What a registered entry can be given. `disabled` is not among them: it has its own state, for a person.
SERVING_STATUSES = ("pending", "deploying", "ready", "degraded", "failed")
STATUSES = (*SERVING_STATUSES, "disabled")
# What a user declares. The database makes all others.
DECLARED = (
    "endpoint",
    "namespace",
    "status",
    "revision",
    "organization_id",
    "deployment_target",
    "cost_per_1k_tokens",
    "metadata",
)
MAX_NAME = 255
MAX_REVISION = 2**31 - 1
MAX_COST = 1_000_000

_DOMAIN = "svc.cluster.local"
_EXAMPLE = f"service.namespace.{_DOMAIN}:8000"
_SERVICE_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_NAMESPACE_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


class Endpoint(NamedTuple):
    """A Kubernetes service and its port."""

    service: str
    namespace: str
    port: int

    def __str__(self) -> str:
        return f"{self.service}.{self.namespace}.{_DOMAIN}:{self.port}"


class Entry(NamedTuple):
    """One row of the registry. What the table has no column for is None."""

    model_name: str
    environment: str
    endpoint: str | None = None
    namespace: str | None = None
    status: str | None = None
    revision: int | None = None
    organization_id: str | None = None
    deployment_target: str | None = None
    cost_per_1k_tokens: float | None = None
    metadata: Mapping[str, Any] | None = None
    id: int | None = None
    model_id: str | None = None
    last_health_check_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None

    @property
    def routable(self) -> bool:
        """Whether the router sends requests to it."""
        return self.status == "ready" and self.endpoint is not None

    def as_dict(self) -> dict[str, Any]:
        return self._asdict()

    def declared(self) -> dict[str, Any]:
        """The part that a user declares, for a diff that is the same before and after the change is made."""
        return {
            name: value for name, value in self._asdict().items() if name in (*DECLARED, "model_name", "environment")
        }


class Desired(NamedTuple):
    """What a user asks of an entry. None leaves a value as it is."""

    model_name: str
    environment: str
    state: str = "present"
    status: str = "ready"
    endpoint: str | None = None
    namespace: str | None = None
    revision: int | None = None
    organization_id: str | None = None
    deployment_target: str | None = None
    cost_per_1k_tokens: float | None = None
    metadata: Mapping[str, Any] | None = None
    metadata_mode: str = "merge"

    @property
    def label(self) -> str:
        return f"model '{self.model_name}' in environment '{self.environment}'"


def desired_from(params: Mapping[str, Any]) -> Desired:
    """Check a module's parameters and return what they ask for.

    Raises:
        InvalidInputError: a value breaks a rule; names the value and the rule.
    """
    given = {name: params[name] for name in Desired._fields}
    check_model_name(given["model_name"])
    _check_place(given["endpoint"], given["namespace"])
    if given["revision"] is not None and not 1 <= given["revision"] <= MAX_REVISION:
        _refuse("revision", given["revision"], f"It must lie between 1 and {MAX_REVISION}")
    if given["organization_id"] is not None:
        if not _UUID.fullmatch(given["organization_id"]):
            _refuse("organization_id", given["organization_id"], "It must be a UUID")
        given["organization_id"] = given["organization_id"].lower()
    if given["cost_per_1k_tokens"] is not None:
        if not 0 <= given["cost_per_1k_tokens"] < MAX_COST:
            _refuse("cost_per_1k_tokens", given["cost_per_1k_tokens"], f"It must be at least 0 and below {MAX_COST}")
        given["cost_per_1k_tokens"] = round(given["cost_per_1k_tokens"], 4)
    if given["metadata"] is not None:
        check_metadata(given["metadata"])
    return Desired(**given)


def check_model_name(value: str) -> None:
    """Refuse a model name that no server could list. It is stored as it is given."""
    if not value:
        _refuse("model_name", value, "It must not be empty")
    if len(value) > MAX_NAME:
        _refuse("model_name", value, f"It must have at most {MAX_NAME} characters, and has {len(value)}")
    if not value.isprintable():
        _refuse("model_name", value, "It must not hold control characters or invisible ones")
    if value != value.strip():
        _refuse("model_name", value, "It must not begin or end with a space")


def check_namespace(value: str) -> None:
    """Refuse what is no name of a Kubernetes namespace."""
    if not _NAMESPACE_LABEL.fullmatch(value):
        _refuse("namespace", value, _label_rule("It", "a letter or a digit"))


def check_metadata(value: Mapping[str, Any]) -> None:
    """Refuse metadata that PostgreSQL cannot store as JSON."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (ValueError, RecursionError):
        _refuse("metadata", "", "It must be JSON of moderate depth, without infinite numbers and lone surrogates")
    if "\\u0000" in text and _holds_nul(value):
        _refuse("metadata", "", "It must not hold NUL characters")


def parse_endpoint(value: str) -> Endpoint:
    """Read `<service-name>.<namespace>.svc.cluster.local:<port>`.

    Raises:
        InvalidInputError: names the value, the rule that it breaks and the right form.
    """
    host, colon, port = value.partition(":")
    broken = _broken_endpoint_rule(value, host, colon, port)
    if broken:
        raise InvalidInputError(
            f"Invalid endpoint format: {shown(value)}",
            broken,
            f"Write it as <service-name>.<namespace>.{_DOMAIN}:<port>.",
        )
    service, namespace = host.split(".")[:2]
    return Endpoint(service, namespace, int(port))


def namespace_of(endpoint: str | None) -> str | None:
    """The namespace in an endpoint that may have been stored by someone else, or None."""
    try:
        return parse_endpoint(endpoint).namespace if endpoint else None
    except InvalidInputError:
        return None


def shown(value: str) -> str:
    """A value as a message can hold it: in one line, without invisible characters, not endless."""
    text = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in value[:120])
    return f"{text}…" if len(value) > 120 else text


def _broken_endpoint_rule(value: str, host: str, colon: str, port: str) -> str:
    """The first rule that an endpoint breaks, or an empty string."""
    if not value:
        return "Endpoint must not be empty"
    if "://" in value:
        return f"Endpoint must not have a scheme (e.g., {_EXAMPLE})"
    if re.search(r"[/?#@\s]", value):
        return f"Endpoint must be a host and a port alone, without path, credentials or spaces (e.g., {_EXAMPLE})"
    if not colon or not port:
        return f"Endpoint must include port (e.g., {_EXAMPLE})"
    if not _PORT.fullmatch(port) or int(port) > 65535:
        return "Endpoint's port must be a number from 1 to 65535"
    service, _unused, rest = host.partition(".")
    namespace, _unused, domain = rest.partition(".")
    if domain != _DOMAIN:
        return f"Endpoint's host must be <service-name>.<namespace>.{_DOMAIN} (e.g., {_EXAMPLE})"
    if not _SERVICE_LABEL.fullmatch(service):
        return _label_rule("Endpoint's service name", "a letter")
    if not _NAMESPACE_LABEL.fullmatch(namespace):
        return _label_rule("Endpoint's namespace", "a letter or a digit")
    return ""


def _check_place(endpoint: str | None, namespace: str | None) -> None:
    if namespace is not None:
        check_namespace(namespace)
    if endpoint is None:
        return
    inside = parse_endpoint(endpoint).namespace
    if namespace is not None and namespace != inside:
        _refuse("namespace", namespace, f"The endpoint lies in namespace '{inside}'")


def _label_rule(what: str, start: str) -> str:
    return (
        f"{what} must have 1 to 63 lower case letters, digits and hyphens, begin with {start} "
        "and end with a letter or a digit"
    )


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_holds_nul(part) for part in value)


def _refuse(option: str, value: object, rule: str) -> NoReturn:
    text = shown(str(value))
    raise InvalidInputError(f"Invalid {option}: {text}" if text else f"Invalid {option}", rule, f"Correct {option}.")
