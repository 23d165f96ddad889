# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of /metrics, with the names that vLLM really has."""

from __future__ import annotations

from tests.lab.vllm_server.engine import Engine


def render_metrics(engine: Engine, model: str) -> str:
    """Prometheus text for one engine."""
    labels = f'engine="0",model_name="{model}"'
    running, waiting = engine.fault.queue
    running_now = engine.running if engine.fault.shows_running else 0
    lines = [
        *_metric("vllm:num_requests_running", "gauge", "Number of requests in model execution batches.",
                 {labels: running_now + running}),
        *_metric("vllm:num_requests_waiting", "gauge", "Number of requests waiting to be processed.",
                 {labels: waiting}),
        *_metric("vllm:kv_cache_usage_perc", "gauge", "KV-cache usage. 1 means 100 percent usage.",
                 {labels: min(1.0, 0.01 * running_now + 0.2 * running)}),
        *_metric("vllm:engine_sleep_state", "gauge", "Engine sleep state.",
                 {f'{labels},sleep_state="{state}"': int(state == engine.fault.sleep_state)
                  for state in ("awake", "weights_offloaded", "discard_all")}),
        *_metric("vllm:request_success", "counter", "Count of successfully processed requests.",
                 {f'engine="0",finished_reason="{reason}",model_name="{model}"': count
                  for reason, count in engine.finished.items()}),
        *_metric("vllm:prompt_tokens", "counter", "Number of prefill tokens processed.", {labels: engine.prompted}),
        *_metric("vllm:generation_tokens", "counter", "Number of generation tokens processed.",
                 {labels: engine.tokens_made()}),
        *_metric("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
                 {"": engine.started_at}),
    ]  # fmt: skip
    return "\n".join([*lines, ""])


def _metric(name: str, kind: str, description: str, values: dict[str, float]) -> list[str]:
    suffix = "_total" if kind == "counter" else ""
    head = [f"# HELP {name}{suffix} {description}", f"# TYPE {name}{suffix} {kind}"]
    return head + [
        f"{name}{suffix}{{{labels}}} {float(value)}" if labels else f"{name} {value!r}"
        for labels, value in values.items()
    ]
