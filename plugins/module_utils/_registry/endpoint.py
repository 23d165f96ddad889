# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoint of a model, `<service-name>.<namespace>.svc.cluster.local:<port>`, and its rules. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

_DOMAIN = "svc.cluster.local"
_EXAMPLE = f"service.namespace.{_DOMAIN}:8000"
_SERVICE_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_NAMESPACE_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


class Endpoint(NamedTuple):
    """A Kubernetes service and its port."""

    service: str
    namespace: str
    port: int

    def __str__(self) -> str:
        return f"{self.service}.{self.namespace}.{_DOMAIN}:{self.port}"


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


def check_namespace(value: str) -> None:
    """Refuse what is no name of a Kubernetes namespace."""
    if not _NAMESPACE_LABEL.fullmatch(value):
        refuse("namespace", value, _label_rule("It", "a letter or a digit"))


def refuse(option: str, value: object, rule: str) -> NoReturn:
    """Raise the error for an option's value that breaks a rule."""
    text = shown(str(value))
    raise InvalidInputError(f"Invalid {option}: {text}" if text else f"Invalid {option}", rule, f"Correct {option}.")


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


def _label_rule(what: str, start: str) -> str:
    return (
        f"{what} must have 1 to 63 lower case letters, digits and hyphens, begin with {start} "
        "and end with a letter or a digit"
    )
