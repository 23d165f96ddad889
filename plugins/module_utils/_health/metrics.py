# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sweep leaves for Prometheus: the state of every entry of its environment. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._health.judge import CHECKED
from ansible_collections.ai_aas.inference.plugins.module_utils._metrics import Sample, state_samples
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import STATUSES


class Standing(NamedTuple):
    """An entry's status, and when it was last checked in seconds since 1970."""

    model_name: str
    status: str
    checked_at: float | None


def samples_of(environment: str, fleet: Iterable[Standing], seconds: float, now: float) -> list[Sample]:
    """The samples of a sweep.

    Args:
        environment: of the sweep.
        fleet: all of its entries. The time of a check is left out of one that is not checked any more.
        seconds: that the sweep took.
        now: seconds since 1970.
    """
    place = {"environment": environment}
    samples = [
        Sample("ai_aas_health_sweep_duration_seconds", place, seconds),
        Sample("ai_aas_run_timestamp_seconds", {**place, "verb": "health"}, now),
    ]
    for each in fleet:
        labels = {**place, "model": each.model_name}
        if each.status in STATUSES:
            samples += state_samples("ai_aas_model_health_state", labels, each.status, STATUSES)
        if each.status in CHECKED and each.checked_at is not None:
            samples.append(Sample("ai_aas_model_health_check_timestamp_seconds", labels, each.checked_at))
    return samples
