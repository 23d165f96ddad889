# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics that the collection's own runs leave behind, in the text format of Prometheus.

A collector of text files, such as node_exporter's, reads what `write` wrote: one file of its own for each kind of run
and environment, since each run replaces the whole of its file.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError

# Any user's collector may read it: the values are no secret.
_MODE = 0o644


class Family(NamedTuple):
    """A metric: what it says, and the labels that each of its samples has. All are gauges."""

    description: str
    labels: tuple[str, ...]


class Sample(NamedTuple):
    """One value of one metric."""

    name: str
    labels: Mapping[str, str]
    value: float


# Every file names the same description, or a collector that reads several of them would refuse them.
FAMILIES: Mapping[str, Family] = {
    "ai_aas_health_sweep_duration_seconds": Family("Time that the last sweep of health checks took.", ("environment",)),
    "ai_aas_model_drift": Family(
        "Whether the last drift run found the model other than wanted (1) or not (0).", ("model", "environment")
    ),
    "ai_aas_model_health_check_timestamp_seconds": Family(
        "When the model's health was last checked, as Unix time.", ("model", "environment")
    ),
    "ai_aas_model_health_state": Family(
        "Whether the model is in the state that the label names (1) or not (0).", ("model", "environment", "state")
    ),
    "ai_aas_run_timestamp_seconds": Family(
        "When the last run of the verb ended, as Unix time.", ("verb", "environment")
    ),
}


def state_samples(name: str, labels: Mapping[str, str], state: str, states: Collection[str]) -> list[Sample]:
    """Return one sample for each of the states, 1 for the one that holds.

    Raises:
        InvalidInputError: the state is none of them.
    """
    if state not in states:
        raise InvalidInputError(f"{name} has no state {state!r}", remedy=f"States: {', '.join(sorted(states))}.")
    return [Sample(name, {**labels, "state": each}, float(each == state)) for each in states]


def render(samples: Iterable[Sample]) -> str:
    """Return the text of the samples, which does not depend on their order.

    Raises:
        InvalidInputError: a metric is unknown, its labels are not those of its family, or a sample is there twice.
    """
    values: dict[str, dict[str, float]] = {}
    for sample in samples:
        series = values.setdefault(sample.name, {})
        labels = _labels(sample)
        if labels in series:
            raise InvalidInputError(f"Two samples of the same series: {sample.name}{labels}")
        series[labels] = sample.value
    lines: list[str] = []
    for name in sorted(values):
        lines += [f"# HELP {name} {FAMILIES[name].description}", f"# TYPE {name} gauge"]
        lines += [f"{name}{labels} {_number(value)}" for labels, value in sorted(values[name].items())]
    return "".join(f"{line}\n" for line in lines)


def write(path: Path, text: str) -> None:
    """Replace a file at once: a collector reads the old text or the new one, and never a part.

    Raises:
        InferenceError: the file could not be written; what was there before is still there.
    """
    temporary: Path | None = None
    try:
        # Its name has no `.prom` at the end, so that no collector reads it.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        temporary = Path(name)
        with open(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "replace"))
            os.fchmod(file.fileno(), _MODE)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()
        remedy = "Its folder must exist, and whoever runs this must be allowed to write there."
        raise InferenceError(
            f"The metrics could not be written to {path}", error.strerror or str(error), remedy
        ) from error


def _labels(sample: Sample) -> str:
    family = FAMILIES.get(sample.name)
    if family is None:
        raise InvalidInputError(
            f"There is no metric {sample.name!r}", remedy=f"Metrics: {', '.join(sorted(FAMILIES))}."
        )
    if set(sample.labels) != set(family.labels):
        given, wanted = ", ".join(sorted(sample.labels)) or "none", ", ".join(family.labels)
        raise InvalidInputError(f"The labels of {sample.name} are {wanted}, and these were given: {given}")
    return "{" + ",".join(f'{name}="{_escape(sample.labels[name])}"' for name in family.labels) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
