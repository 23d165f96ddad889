# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that refer to what does not exist. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.lab.kubelet.env import Reference

Json = dict[str, Any]


def volume_references(pod: Json) -> set[Reference]:
    """All objects that the pod's volumes need."""
    return {(kind, name) for _volume, kind, name, _source in _sources(pod)}


def mount_problem(pod: Json, objects: Mapping[Reference, Json | None]) -> str | None:
    """Why the volumes cannot be mounted, in the words of a FailedMount event."""
    for volume, kind, name, source in _sources(pod):
        document = objects.get((kind, name))
        if document is None:
            if source.get("optional"):
                continue
            return f'MountVolume.SetUp failed for volume "{volume}" : {kind.lower()} "{name}" not found'
        for item in source.get("items", []) if not source.get("optional") else []:
            if item["key"] not in (document.get("data") or {}):
                text = f"references non-existent {kind.lower().removesuffix('map')} key: {item['key']}"
                return f'MountVolume.SetUp failed for volume "{volume}" : {text}'
    return None


def _sources(pod: Json) -> Iterator[tuple[str, str, str, Json]]:
    for volume in pod["spec"].get("volumes", []):
        for source in [volume, *volume.get("projected", {}).get("sources", [])]:
            if "secret" in source:
                given = source["secret"]
                yield volume["name"], "Secret", given.get("secretName") or given["name"], given
            if "configMap" in source:
                yield volume["name"], "ConfigMap", source["configMap"]["name"], source["configMap"]
            if "persistentVolumeClaim" in source:
                name = source["persistentVolumeClaim"]["claimName"]
                yield volume["name"], "PersistentVolumeClaim", name, {}
