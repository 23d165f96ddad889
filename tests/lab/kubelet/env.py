# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's environment, from its spec and what that refers to. Pure."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]
Reference = tuple[str, str]
"""(kind, name) of a Secret or ConfigMap in the pod's namespace."""

KINDS = {"secretKeyRef": "Secret", "secretRef": "Secret", "configMapKeyRef": "ConfigMap", "configMapRef": "ConfigMap"}
SUFFIXES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class ConfigError(Exception):
    """A container cannot be created; the message is the kubelet's."""


def references(container: Json) -> set[Reference]:
    """All that the environment needs."""
    return {(kind, ref["name"]) for kind, ref in _references(container)}


def _references(container: Json) -> Iterator[tuple[str, Json]]:
    sources = [*container.get("envFrom", []), *(entry.get("valueFrom", {}) for entry in container.get("env", []))]
    for source in sources:
        for field, kind in KINDS.items():
            if source.get(field):
                yield kind, source[field]


def resolve(container: Json, pod: Json, objects: Mapping[Reference, Json | None]) -> dict[str, str]:
    """The environment. ConfigError tells what is missing and not optional."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        for field in ("secretRef", "configMapRef"):
            if field in source:
                data = _data(source[field], KINDS[field], objects)
                found.update({source.get("prefix", "") + key: value for key, value in data.items()})
    for entry in container.get("env", []):
        value = _value(entry, container, pod, objects, found)
        if value is not None:
            found[entry["name"]] = value
    return found


def _value(
    entry: Json, container: Json, pod: Json, objects: Mapping[Reference, Json | None], found: Mapping[str, str]
) -> str | None:
    source = entry.get("valueFrom") or {}
    for field in ("secretKeyRef", "configMapKeyRef"):
        if field in source:
            return _key(source[field], KINDS[field], pod, objects)
    if "fieldRef" in source:
        return field_value(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return _resource(container, source["resourceFieldRef"])
    return expand(entry.get("value", ""), found)


def _data(ref: Json, kind: str, objects: Mapping[Reference, Json | None]) -> dict[str, str]:
    document = objects.get((kind, ref["name"]))
    if document is None:
        if ref.get("optional"):
            return {}
        raise ConfigError(f'{kind.lower()} "{ref["name"]}" not found')
    data: dict[str, str] = document.get("data") or {}
    if kind == "Secret":
        return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
    return data


def _key(ref: Json, kind: str, pod: Json, objects: Mapping[Reference, Json | None]) -> str | None:
    data = _data(ref, kind, objects)
    if ref["key"] in data:
        return data[ref["key"]]
    if ref.get("optional"):
        return None
    raise ConfigError(f"couldn't find key {ref['key']} in {kind} {pod['metadata']['namespace']}/{ref['name']}")


def field_value(pod: Json, path: str) -> str:
    """The downward API: a field of the pod as text."""
    head, bracket, key = path.partition("['")
    if bracket:
        return str(_walk(pod, head).get(key.removesuffix("']"), ""))
    if path == "status.podIPs":
        return ",".join(entry["ip"] for entry in pod["status"].get("podIPs", []))
    found = _walk(pod, path)
    return "" if found == {} else str(found)


def _walk(document: Json, path: str) -> Any:
    found: Any = document
    for name in path.split("."):
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return found


def _resource(container: Json, ref: Json) -> str:
    section, _unused, name = ref["resource"].partition(".")
    given = container.get("resources", {}).get(section, {}).get(name, "0")
    divisor = ref.get("divisor") or "1"
    return str(math.ceil(quantity(given) / (quantity(divisor) or 1)))


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number."""
    if text.endswith("m"):
        return float(text[:-1]) / 1000
    for suffix, factor in SUFFIXES.items():
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * factor
    return float(text)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace $(NAME) as Kubernetes does: unknown names stay, $$ is one $."""
    parts: list[str] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        parts.append(text[position:dollar])
        follower = text[dollar + 1 : dollar + 2]
        close = text.find(")", dollar) if follower == "(" else -1
        if close >= 0:
            name = text[dollar + 2 : close]
            parts.append(variables.get(name, f"$({name})"))
            position = close + 1
        else:
            parts.append("$" if follower == "$" else "$" + follower)
            position = dollar + 2
    return "".join([*parts, text[position:]])
