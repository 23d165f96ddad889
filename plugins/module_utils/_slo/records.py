# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small records that runs leave: one file each."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError

# A record takes some hundred bytes.
MAX_BYTES = 64 * 1024
TEXTS = ("at", "verb", "model", "environment")


class Record(NamedTuple):
    """What one run did with one model. `at` is the time of its end in UTC, `measures` are seconds by name."""

    at: str
    verb: str
    model: str
    environment: str
    succeeded: bool
    measures: Mapping[str, float]


def read_records(folder: Path) -> tuple[list[Record], list[str]]:
    """The records in a folder, and which of its files are none.

    Raises:
        InferenceError: the folder cannot be read.
    """
    found, others = [], []
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix != ".json":
                continue
            try:
                found.append(record_from(json.loads(path.read_bytes()[:MAX_BYTES])))
            except (ValueError, InvalidInputError):
                others.append(path.name)
    except OSError as error:
        raise InferenceError(
            f"The records in {folder} cannot be read", error.strerror or str(error), "Correct the folder, or deploy."
        ) from error
    return found, others


def keep_record(folder: str, document: Mapping[str, Any]) -> Path:
    """Write a record, and return its file.

    Raises:
        InferenceError: it is no record, or it cannot be written.
    """
    record = record_from(document)
    moment = re.sub(r"[^0-9TZ]", "", record.at)
    parts = [moment, record.environment, re.sub(r"[^\w.-]", "_", record.model)]
    path = Path(folder) / f"{'-'.join(parts)}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(document)), encoding="utf-8")
    except OSError as error:
        raise InferenceError(
            f"The record could not be written to {path}", error.strerror or str(error), "Correct the folder."
        ) from error
    return path


def record_from(document: Any) -> Record:
    """Read a record.

    Raises:
        InvalidInputError: it is none.
    """
    if not isinstance(document, Mapping) or not all(isinstance(document.get(name), str) for name in TEXTS):
        raise InvalidInputError("A record needs texts", ", ".join(TEXTS))
    try:
        datetime.fromisoformat(document["at"])
    except ValueError as error:
        raise InvalidInputError("A record needs a time", str(error)) from error
    measures = {
        name: float(value)
        for name, value in document.items()
        if name.endswith("seconds") and isinstance(value, int | float) and math.isfinite(value)
    }
    texts = {name: document[name] for name in TEXTS}
    return Record(**texts, succeeded=document.get("succeeded") is True, measures=measures)
