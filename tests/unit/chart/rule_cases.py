# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Histories of series, and which alerts they raise. Values are in promtool's notation: `0+5x10` grows by 5 ten times.

A sample stands for 30 seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

IDENTITY = {"namespace": "system", "release": "gpt-oss-20b", "model": "tiny", "environment": "production"}


class Case(NamedTuple):
    """A history. The alert fires at that time if a description is given, which is then its text."""

    alert: str
    what: str
    series: Mapping[str, str]
    at: str
    description: str | None = None
    labels: Mapping[str, str] = {}


def vllm(name: str, pod: str = "a", **labels: str) -> str:
    """Return a series of one pod, with the labels of its target and of vLLM."""
    engine = {"model_name": "tiny", "engine": "0"} if name.startswith("vllm:") else {}
    return _series(name, {**IDENTITY, "job": "j", "pod": pod, "instance": f"{pod}:8000", **engine, **labels})


def ours(name: str, **labels: str) -> str:
    """Return a series that a run of the collection wrote."""
    return _series(name, {"model": "tiny", "environment": "production", "instance": "runner:9100", **labels})


def histogram(name: str, bounds: Mapping[str, str], pod: str = "a") -> dict[str, str]:
    """Return the series of a histogram: how many requests lie below each bound, the last of which is +Inf."""
    counts = {vllm(f"{name}_bucket", pod, le=bound): values for bound, values in bounds.items()}
    return {**counts, vllm(f"{name}_count", pod): bounds["+Inf"]}


def requests(running: str, waiting: str, tokens: str, pod: str = "a") -> dict[str, str]:
    """Return the series that tell whether an engine works."""
    return {
        vllm("up", pod): "1x1440",
        vllm("vllm:num_requests_running", pod): running,
        vllm("vllm:num_requests_waiting", pod): waiting,
        vllm("vllm:generation_tokens_total", pod): tokens,
    }


def _series(name: str, labels: Mapping[str, str]) -> str:
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in labels.items()) + "}"


POD = {"pod": "a"}
ENGINE = {**POD, "job": "j", "instance": "a:8000", "model_name": "tiny", "engine": "0"}
FIRST_TOKEN, LATENCY = "vllm:time_to_first_token_seconds", "vllm:e2e_request_latency_seconds"
# Three requests at each scrape: all in time, or one of three not.
SWIFT_TOKENS = histogram(FIRST_TOKEN, {"2.5": "0+3x800", "5.0": "0+3x800", "20.0": "0+3x800", "+Inf": "0+3x800"})
SLOW_TOKENS = histogram(FIRST_TOKEN, {"2.5": "0+2x800", "5.0": "0+2x800", "20.0": "0+3x800", "+Inf": "0+3x800"})
SWIFT = histogram(LATENCY, {"50.0": "0+3x800", "60.0": "0+3x800", "120.0": "0+3x800", "+Inf": "0+3x800"})
SLOW = histogram(LATENCY, {"50.0": "0+2x800", "60.0": "0+2x800", "120.0": "0+3x800", "+Inf": "0+3x800"})
IDLE = histogram(FIRST_TOKEN, {"5.0": "7x800", "+Inf": "9x800"}) | histogram(
    LATENCY, {"60.0": "7x800", "+Inf": "9x800"}
)
STATE, CHECKED = "ai_aas_model_health_state", "ai_aas_model_health_check_timestamp_seconds"
START = "process_start_time_seconds"
# One more each four and a half minutes.
STEPS = " ".join(f"{waiting}x8" for waiting in range(10))

CASES = (
    Case(
        "VllmDown", "its only replica does not answer", {vllm("up"): "0x40"}, "11m", "No replica has answered a scrape."
    ),
    Case("VllmDown", "there is no target", {}, "11m", "No replica has answered a scrape."),
    Case("VllmDown", "one of two replicas answers", {vllm("up"): "0x40", vllm("up", "b"): "1x40"}, "11m"),
    Case("VllmDown", "not for long yet", {vllm("up"): "1x10 0x40"}, "14m"),
    Case("VllmDown", "another release is down", {vllm("up"): "1x40", vllm("up", "b", release="b"): "0x40"}, "11m"),
    Case(
        "VllmNotGenerating",
        "a frozen engine",
        requests("0x10 4x40", "0x10 2x40", "0+50x10 550x40"),
        "14m",
        "a has 6 requests, and no token came for 5m.",
        ENGINE,
    ),
    Case("VllmNotGenerating", "busy", requests("4x40", "60x40", "0+50x40"), "14m"),
    Case("VllmNotGenerating", "idle", requests("0x40", "0x40", "500x40"), "14m"),
    Case("VllmNotGenerating", "first requests after a rest", requests("0x26 2x14", "0x40", "500x40"), "15m"),
    Case("VllmNotGenerating", "one frozen of two", requests("4x40", "0x40", "0+9x40"), "14m"),
    Case(
        "VllmNotGenerating",
        "one frozen beside one that works",
        requests("4x40", "0x40", "0+9x40", "b") | requests("4x40", "0x40", "9x40"),
        "14m",
        "a has 4 requests, and no token came for 5m.",
        ENGINE,
    ),
    Case(
        "VllmQueueGrowing",
        "more and more wait",
        requests("8x80", "0+1x80", "0+50x80"),
        "20m",
        "40 requests wait, and there are more and more of them.",
    ),
    Case("VllmQueueGrowing", "long, and shrinking", requests("8x80", "200-1x80", "0+50x80"), "20m"),
    Case("VllmQueueGrowing", "growing, and short", requests("8x80", STEPS, "0+50x80"), "40m"),
    Case(
        "VllmKvCacheFull",
        "one of two replicas is full",
        {vllm("vllm:kv_cache_usage_perc"): "0.98x40", vllm("vllm:kv_cache_usage_perc", "b"): "0.2x40"},
        "11m",
        "a uses 98% of its KV cache.",
        POD,
    ),
    Case("VllmKvCacheFull", "well used", {vllm("vllm:kv_cache_usage_perc"): "0.9x40"}, "11m"),
    Case(
        "VllmTimeToFirstTokenHigh",
        "one of three waits",
        SLOW_TOKENS,
        "20m",
        "The 95th percentile of the time to the first token is 17.75s.",
    ),
    Case("VllmTimeToFirstTokenHigh", "all are swift", SWIFT_TOKENS, "20m"),
    Case("VllmTimeToFirstTokenHigh", "no requests", IDLE, "20m"),
    Case("VllmLatencyHigh", "one of three lasts", SLOW, "20m", "The 95th percentile of whole requests is 1m 51s."),
    Case("VllmLatencyHigh", "all are swift", SWIFT, "20m"),
    Case("VllmLatencyHigh", "no requests", IDLE, "20m"),
    Case(
        "VllmRestarts",
        "three restarts",
        {vllm(START): "100x20 200x20 300x20 400x20"},
        "40m",
        "a restarted 3 times within an hour.",
        POD,
    ),
    Case("VllmRestarts", "two restarts", {vllm(START): "100x20 200x20 300x40"}, "40m"),
    Case("VllmRestarts", "a rollout", {vllm(START, pod): f"{pod}00x80" for pod in "1234"}, "40m"),
    Case(
        "ModelDegraded",
        "degraded",
        {ours(STATE, state="degraded"): "0x10 1x10", ours(STATE, state="ready"): "1x10 0x10"},
        "6m",
        "Health checks failed, and production no longer routes to it.",
    ),
    Case("ModelDegraded", "ready", {ours(STATE, state="degraded"): "0x20", ours(STATE, state="ready"): "1x20"}, "6m"),
    Case("ModelDegraded", "elsewhere", {ours(STATE, state="degraded", environment="staging"): "1x20"}, "6m"),
    Case("ModelDegraded", "another model", {ours(STATE, state="degraded", model="huge"): "1x20"}, "6m"),
    Case(
        "ModelHealthStale",
        "the checks stopped",
        {ours(CHECKED): "0+30x10 300x90", ours(STATE, state="ready"): "1x100", ours(STATE, state="disabled"): "0x100"},
        "40m",
        "Its last check in production was 35m 0s ago.",
    ),
    Case(
        "ModelHealthStale",
        "the checker is gone",
        {ours(CHECKED): "0+30x10 stale"},
        "40m",
        "Its last check in production was 35m 0s ago.",
    ),
    Case(
        "ModelHealthStale",
        "one of two checkers works",
        {ours(CHECKED): "0x90", ours(CHECKED, instance="other:9100"): "0+30x90"},
        "40m",
    ),
    Case(
        "ModelHealthStale",
        "disabled, and so not checked any more",
        {
            ours(CHECKED): "0+30x10 stale",
            ours(STATE, state="ready"): "1x10 0x90",
            ours(STATE, state="disabled"): "0x10 1x90",
        },
        "40m",
    ),
    Case("ModelHealthStale", "no health runs at all", {}, "40m"),
    Case(
        "ModelDrift",
        "found",
        {ours("ai_aas_model_drift"): "0x10 1x40"},
        "21m",
        "The last drift run of production found a difference.",
    ),
    Case("ModelDrift", "put right", {ours("ai_aas_model_drift"): "1x20 0x40"}, "21m"),
    Case(
        "VllmAvailabilityBurn",
        "down for ten minutes",
        {vllm("up"): "1x120 0x20"},
        "70m",
        "Its error budget is spent 16.67 times as fast as it may be.",
    ),
    Case(
        "VllmAvailabilityBurn",
        "frozen for twenty minutes",
        requests("0x120 3x40", "0x160", "0+9x120 1080x40"),
        "80m",
        "Its error budget is spent 25.83 times as fast as it may be.",
    ),
    Case("VllmAvailabilityBurn", "down for two minutes", {vllm("up"): "1x120 0x4 1x40"}, "70m"),
    Case("VllmAvailabilityBurn", "up again", {vllm("up"): "1x340 0x20 1x60"}, "190m"),
    Case(
        "VllmTimeToFirstTokenBurn",
        "one of three is late, for forty minutes",
        SLOW_TOKENS,
        "40m",
        "Its error budget is spent 6.667 times as fast as it may be.",
    ),
    Case("VllmTimeToFirstTokenBurn", "all in time", SWIFT_TOKENS, "40m"),
    Case("VllmTimeToFirstTokenBurn", "no requests", IDLE, "40m"),
    Case(
        "VllmLatencyBurn",
        "one of three is late, for forty minutes",
        SLOW,
        "40m",
        "Its error budget is spent 6.667 times as fast as it may be.",
    ),
    Case("VllmLatencyBurn", "all in time", SWIFT, "40m"),
    Case("VllmLatencyBurn", "no requests", IDLE, "40m"),
)
