# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release's manifest names, without reading all of it: that alone would take half of a look at many models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._helm.plan import index_of

Json = Mapping[str, Any]

DOCUMENTS = re.compile(r"^---.*$", re.MULTILINE)
# As Helm's charts write an object's head. Whatever is written otherwise is read as YAML.
VERSION = re.compile(r"^apiVersion: ([\w./-]+)$", re.MULTILINE)
KIND = re.compile(r"^kind: (\w+)$", re.MULTILINE)
NAME = re.compile(r"^metadata:\n(?:  +.*\n)*?  name: \"?([\w.-]+)\"?$", re.MULTILINE)
COMMENTS = re.compile(r"(?:\s*(?:#.*)?\n?)*")


class Named(NamedTuple):
    """Of what kind an object is, in which version of its API."""

    version: str
    kind: str


@dataclass(frozen=True)
class Manifest:
    """The text that Helm keeps of what it has applied."""

    text: str = ""

    @cached_property
    def names(self) -> dict[str, Named]:
        """Its objects, by kind and name."""
        found: dict[str, Named] = {}
        for document in DOCUMENTS.split(self.text):
            if COMMENTS.fullmatch(document):
                continue
            heads = [pattern.findall(document) for pattern in (VERSION, KIND, NAME)]
            if any(len(each) != 1 for each in heads):
                return {name: Named(each["apiVersion"], each["kind"]) for name, each in self.objects.items()}
            (version,), (kind,), (name,) = heads
            found[f"{kind} {name}"] = Named(version, kind)
        return found

    @cached_property
    def objects(self) -> dict[str, Json]:
        """Its objects themselves, by kind and name."""
        return index_of(self.text)
