# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs, as far as drift depends on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._helm.client import Release
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.manifest import Manifest

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Running:
    """One release. `live` are those of its manifest's objects that are there, by kind and name.

    `unseen` are kinds that this account may not list; `broken` says why Helm's own record cannot be read.
    """

    release: Release | None = None
    manifest: Manifest = field(default_factory=Manifest)
    live: Mapping[str, Json] = field(default_factory=dict)
    pods: tuple[Json, ...] = ()
    records: Mapping[int, Json] = field(default_factory=dict)
    unseen: Collection[str] = ()
    broken: str = ""


@dataclass(frozen=True)
class Namespace:
    """What is in a namespace, by release, and the names of all its Services."""

    releases: Mapping[str, Running]
    services: Collection[str]


def is_gone(release: Release | None) -> bool:
    """Whether a release is not there, or only its history is."""
    return release is None or release.status == "uninstalled"
