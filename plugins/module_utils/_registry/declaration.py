# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared entries of an environment, from a module's option or from a file with one JSON object in each line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import entry_arguments
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import shown
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Desired, desired_from

# Read anew at each attempt of a transaction, so that a file need not be held in memory.
Declaration = Callable[[], Iterable[Desired]]

_READING: dict[type[Exception], str] = {UnicodeDecodeError: "it is not UTF-8 throughout"}
# What Ansible calls a type, in JSON.
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "a text"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "dict": ((dict,), "an object"),
}


def declaration_from(params: Mapping[str, Any]) -> Declaration:
    """Read the options `entries` and `entries_file`; the entries themselves are read later."""
    common = {"environment": params["environment"], "metadata_mode": params["metadata_mode"]}
    path = params["entries_file"]

    def declared() -> Iterator[Desired]:
        rows = _numbered(params["entries"]) if path is None else _lines(path)
        places: dict[str, str] = {}
        for place, row in rows:
            desired = _desired(place, {**row, **common})
            earlier = places.setdefault(desired.model_name, place)
            if earlier is not place:
                name = shown(desired.model_name)
                raise InvalidInputError(f"Invalid {place}", f"Model '{name}' stands in {earlier} already", "Drop one.")
            yield desired

    return declared


def _desired(place: str, row: Mapping[str, Any]) -> Desired:
    try:
        return desired_from(row)
    except InvalidInputError as error:
        name = shown(str(row["model_name"]))
        what = f"Invalid {place} (model '{name}'): {error.what[:1].lower()}{error.what[1:]}"
        raise InvalidInputError(what, error.why, error.remedy) from None


def _numbered(entries: Iterable[Mapping[str, Any]] | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, row in enumerate(entries or ()):
        yield f"entries[{number}]", row


def _lines(path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    spec = entry_arguments()
    defaults = {name: option.get("default") for name, option in spec.items()}
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    place = f"line {number} of {shown(path)}"
                    yield place, {**defaults, **_object(place, line, spec)}
    except (OSError, ValueError) as error:
        why = _READING.get(type(error)) or getattr(error, "strerror", "") or "it is no path"
        raise InvalidInputError(f"Cannot read entries_file {shown(path)}", why, "Correct entries_file.") from None


def _object(place: str, line: str, spec: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        _refuse(place, "It must be one JSON object")
    for name, value in row.items():
        option = spec.get(name)
        if option is None:
            _refuse(place, f"There is no '{shown(name)}'. There are {', '.join(spec)}")
        types, kind = _TYPES[option["type"]]
        if value is not None and (not isinstance(value, types) or isinstance(value, bool)):
            _refuse(place, f"{name} must be {kind}")
        if value is not None and value not in option.get("choices", (value,)):
            _refuse(place, f"{name} must be one of {', '.join(option['choices'])}")
    if not row.get("model_name"):
        _refuse(place, "model_name is missing")
    # As Ansible has it, null is as good as nothing.
    return {name: value for name, value in row.items() if value is not None}


def _refuse(place: str, rule: str) -> NoReturn:
    raise InvalidInputError(f"Invalid {place}", rule, "Correct the line.")
