# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schemas of Kubernetes' own objects, from kubernetes-validate, strict: fields that a version lacks are refused.

Its command line reads all definitions of a version anew for each object, so only its files are used.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from jsonschema import Draft202012Validator
from kubernetes_validate import utils
from referencing import Registry, Resource

from tests.unit.chart.rendering import Manifest

# All that the chart supports. The package holds a schema for each.
VERSIONS = tuple(f"1.{minor}" for minor in range(29, 38))
_FOLDER = "kubernetes-json-schema/v{}.0-local-strict"


class UnknownKindError(Exception):
    """Kubernetes itself has no such object: a custom resource, or one of another version."""


@functools.cache
def _definitions(version: str) -> Resource[Any]:
    return Resource.from_contents(utils.schema_contents(f"{_FOLDER.format(version)}/_definitions.json", version))


@functools.cache
def _validator(version: str, kind: str, api_version: str) -> Draft202012Validator:
    # As the package names its files: rbac.authorization.k8s.io/v1 is rbac-v1.
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    try:
        schema = utils.schema_contents(f"{_FOLDER.format(version)}/{kind.lower()}-{group}.json", version)
    except FileNotFoundError:
        raise UnknownKindError(f"{api_version} {kind} in Kubernetes {version}") from None
    registry: Registry[Any] = _definitions(version) @ Registry()
    return Draft202012Validator(schema, registry=registry)


def problems(item: Manifest, version: str) -> list[str]:
    """Return what Kubernetes of this version would refuse of an object.

    Raises:
        UnknownKindError: it has no such object.
    """
    validator = _validator(version, item["kind"], item["apiVersion"])
    return [
        f"{version} {item['kind']} {error.json_path}: {error.message[:200]}" for error in validator.iter_errors(item)
    ]
