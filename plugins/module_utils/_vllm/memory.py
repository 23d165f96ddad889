# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory a model takes of each GPU under vLLM, and whether that is there.

vLLM takes `gpu_memory_utilization` of a GPU. It loads the weights, runs a batch of the largest size to see the peak of
the activations, and gives the rest to the KV cache. It stops when the rest cannot hold one sequence of full length. So

    weights + KV cache of one sequence + activations + overhead  <=  memory x utilization

with, on each GPU of t x p (tensor and pipeline parallel):

    weights      bytes of the weights x ceil(layers / p) / layers / t
    KV cache     tokens x 2 x layers x KV heads x head size x bytes of an element, of which each GPU holds ceil(layers
                 / p) layers and max(1, KV heads / t) heads. A layer with a sliding window keeps window - 1 + batch
                 tokens at most. Latent attention keeps kv_lora_rank + qk_rope_head_dim elements, all on each GPU.
    activations  batch tokens x bytes x (experts per token x (3 x intermediate + hidden) + 5 x hidden)
                 + sequences x vocabulary x 8: logits as float32, and their copy in the sampler
    overhead     the CUDA context, communication buffers and captured graphs

Sources: vLLM's documentation, "Conserving Memory" and "Optimization and Tuning"; its kv_cache_interface.py
(page_size_bytes, max_memory_usage_bytes) for the KV cache; its arg_utils.py (get_batch_defaults) for the batch; memory
profiles that its developers published for the activations, which the tests name.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.shape import BYTES, Shape
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.sizing import GIB, Plan, read_plan

OVERHEAD = 1 * GIB
# A CUDA program sees less than NVML tells: 79.25 of 80 GiB on an A100, 22.05 of 22.49 on an L4.
RESERVED = GIB // 2


@dataclass(frozen=True)
class Estimate:
    """Bytes on each GPU. `available` is None where the GPU is not known."""

    weights: int
    kv_cache: int
    activations: int
    available: int | None
    longest: int

    @property
    def total(self) -> int:
        return self.weights + self.kv_cache + self.activations + OVERHEAD

    @property
    def fits(self) -> bool | None:
        return None if self.available is None else self.total <= self.available


def kv_bytes(shape: Shape, plan: Plan, tokens: int) -> int:
    """Return the bytes of KV cache that one sequence of this many tokens takes of each GPU."""
    element = plan.kv_element_bytes
    layers, sliding = (math.ceil(each / plan.pipeline) for each in (shape.layers, shape.sliding_layers))
    if shape.latent:
        return tokens * layers * shape.latent * element
    of_layer = 2 * math.ceil(shape.kv_heads / plan.tensor) * shape.head_size * element
    short = min(tokens, shape.window - 1 + plan.batch_tokens)
    return of_layer * ((layers - sliding) * tokens + sliding * short)


def weight_bytes(shape: Shape, plan: Plan) -> int:
    share = math.ceil(shape.layers / plan.pipeline) / shape.layers / plan.tensor
    return math.ceil(plan.weight_bytes * share)


def activation_bytes(shape: Shape, plan: Plan) -> int:
    """Tensor parallelism does not lower it much: norms, residuals and logits are whole on each GPU."""
    width = shape.experts_per_token * (3 * shape.intermediate + shape.hidden) + 5 * shape.hidden
    return plan.batch_tokens * width * BYTES[plan.dtype] + plan.sequences * shape.vocabulary * 8


def estimate(shape: Shape, plan: Plan) -> Estimate:
    """Return what serving the model so takes of each GPU."""
    weights, activations = weight_bytes(shape, plan), activation_bytes(shape, plan)
    available = None
    if plan.gpu_memory is not None:
        available = int((plan.gpu_memory - RESERVED) * plan.utilization)
    room = (available or 0) - weights - activations - OVERHEAD
    longest = bisect_right(range(plan.length + 1), room, key=lambda tokens: kv_bytes(shape, plan, tokens)) - 1
    return Estimate(weights, kv_bytes(shape, plan, plan.length), activations, available, max(longest, 0))


def report(found: Estimate, shape: Shape, plan: Plan) -> dict[str, Any]:
    """Return the estimate in GiB, for a person and for a task."""
    known = found.available is not None
    return {
        "weights_gib": _gib(found.weights),
        "kv_cache_gib": _gib(found.kv_cache),
        "activations_gib": _gib(found.activations),
        "overhead_gib": _gib(OVERHEAD),
        "total_gib": _gib(found.total),
        "available_gib": _gib(found.available) if found.available is not None else None,
        "margin_gib": _gib(found.available - found.total) if found.available is not None else None,
        "fits": found.fits,
        "gpu": plan.gpu,
        "gpus": plan.tensor * plan.pipeline,
        "max_model_len": plan.length,
        "longest_model_len": found.longest if known else None,
        "kv_bytes_per_token": kv_bytes(shape, plan, 1),
        "msg": _sentence(found, plan),
    }


def _sentence(found: Estimate, plan: Plan) -> str:
    parts = (
        f"The model takes an estimated {_gib(found.total)} GiB of each GPU: weights {_gib(found.weights)}, KV cache of "
        f"one sequence of {plan.length} tokens {_gib(found.kv_cache)}, activations {_gib(found.activations)}, overhead "
        f"{_gib(OVERHEAD)}"
    )
    if found.available is None:
        return f"{parts}. Which GPU it gets is not known."
    have = f"vLLM may take {_gib(found.available)} GiB of a {plan.gpu} (model.gpuMemoryUtilization {plan.utilization})"
    if found.fits:
        return f"{parts}; {have}."
    return f"{parts}; {have}. {_remedy(found, plan)}"


def _remedy(found: Estimate, plan: Plan) -> str:
    shorter = f"set model.maxModelLen to {found.longest} or less, " if found.longest else ""
    return (
        f"To make it fit, {shorter}raise gpu.count and model.tensorParallelSize above {plan.tensor}, choose a GPU with "
        "more memory, or take quantized weights."
    )


def _gib(value: int) -> float:
    return round(value / GIB, 2)


def estimate_memory(values: Mapping[str, Any], profile: Mapping[str, Any]) -> dict[str, Any]:
    """Estimate from the chart's values and the model's profile.

    Raises:
        InvalidInputError: the profile lacks something, or holds what cannot be.
    """
    shape, plan = read_plan(values, profile)
    return report(estimate(shape, plan), shape, plan)
