# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a model is to be served, as far as memory depends on it: the chart's values, and the model's profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.gpus import is_a100, is_mig, memory_of
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.shape import BYTES, Shape, read_shape

GIB = 2**30
PROFILE = ("config", "gpu", "gpu_memory_gib", "parameters", "weights_gib")
PRODUCT = "nvidia.com/gpu.product"
# The chart's own, for values that leave them out.
UTILIZATION = 0.9
# Bits of a quantized weight with its scales; embeddings stay as they are.
WEIGHT_BITS = {"awq": 4.25, "bitsandbytes": 4.5, "fp8": 8.0, "gptq": 4.25, "mxfp4": 4.25}
# vLLM's batch of the OpenAI server by the GPU's memory, tokens and sequences: the first that the GPU reaches.
BATCHES = ((160 * GIB, 16384, 1024), (70 * GIB, 8192, 1024), (0, 2048, 256))


@dataclass(frozen=True)
class Plan:
    """Memory in bytes, lengths in tokens. `gpu_memory` is None where the GPU is not known."""

    tensor: int
    pipeline: int
    utilization: float
    length: int
    batch_tokens: int
    sequences: int
    dtype: str
    kv_element_bytes: int
    weight_bytes: int
    gpu: str
    gpu_memory: int | None


def read_plan(values: Mapping[str, Any], profile: Mapping[str, Any]) -> tuple[Shape, Plan]:
    """Read the chart's values and the model's profile.

    Raises:
        InvalidInputError: something is missing, or is not of its kind.
    """
    if unknown := sorted(set(profile) - set(PROFILE)):
        raise InvalidInputError(
            f"Invalid profile: {', '.join(unknown)} is not known", remedy=f"A profile has {', '.join(PROFILE)}."
        )
    shape = read_shape(profile.get("config") or {})
    model = values.get("model") or {}
    gpu, memory = _gpu(values, profile)
    tokens, sequences = _batch(gpu, memory)
    dtype = _dtype(model, shape)
    plan = Plan(
        tensor=int(_number(model, "model", "tensorParallelSize", 1)),
        pipeline=int(_number(model, "model", "pipelineParallelSize", 1)),
        utilization=_number(model, "model", "gpuMemoryUtilization", UTILIZATION),
        length=_length(model, shape),
        batch_tokens=int(_argument(values, "--max-num-batched-tokens") or tokens),
        sequences=int(_argument(values, "--max-num-seqs") or sequences),
        dtype=dtype,
        kv_element_bytes=1 if "8" in (_argument(values, "--kv-cache-dtype") or "") else BYTES[dtype],
        weight_bytes=_weights(model, profile, shape, dtype),
        gpu=gpu,
        gpu_memory=memory,
    )
    return shape, plan


def _number(holder: Mapping[str, Any], place: str, key: str, default: float) -> float:
    """Return a positive number; 0, as null, leaves it to the default."""
    value = holder.get(key)
    if value is None:
        return default
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise InvalidInputError(f"Invalid {place}.{key}: {value!r}", remedy="It must be a positive number.")
    return value or default


def _gpu(values: Mapping[str, Any], profile: Mapping[str, Any]) -> tuple[str, int | None]:
    """Return the GPU that the pod gets, and its memory: what the values name comes before the profile's."""
    gpu = values.get("gpu") or {}
    if gpu.get("count") == 0:
        return "", None
    names = _products(gpu, values.get("nodeSelector") or {}) or [str(profile.get("gpu") or "")]
    if stated := _number(profile, "profile", "gpu_memory_gib", 0):
        return names[0] or "GPU", int(stated * GIB)
    # The pod can get any of them.
    return min(((name, memory_of(name) if name else None) for name in names), key=lambda each: each[1] or 0)


def _products(gpu: Mapping[str, Any], selector: Mapping[str, Any]) -> list[str]:
    """Return the GPUs that the values name."""
    resource = str(gpu.get("resourceName") or "")
    if is_mig(resource):
        return [resource]
    selected = selector.get(gpu.get("productLabel") or PRODUCT)
    return [str(selected)] if selected else [str(name) for name in gpu.get("products") or []]


def _batch(gpu: str, memory: int | None) -> tuple[int, int]:
    reached = 0 if memory is None or is_a100(gpu) else memory
    return next((tokens, sequences) for least, tokens, sequences in BATCHES if reached >= least)


def _length(model: Mapping[str, Any], shape: Shape) -> int:
    length = int(_number(model, "model", "maxModelLen", shape.max_length))
    if not length:
        raise InvalidInputError(
            "The longest sequence is not known",
            remedy="Set model.maxModelLen, or config.max_position_embeddings in the model's profile.",
        )
    return length


def _dtype(model: Mapping[str, Any], shape: Shape) -> str:
    named = str(model.get("dtype") or "auto")
    # As vLLM does: a model that is kept in float32 is served in half of it.
    kept = "bfloat16" if shape.dtype in ("float", "float32") else shape.dtype
    return named if named in BYTES else kept


def _weights(model: Mapping[str, Any], profile: Mapping[str, Any], shape: Shape, dtype: str) -> int:
    """Return the bytes of all weights: those that are stated, unless the values have vLLM make others of them."""
    asked = str(model.get("quantization") or "")
    method = (asked or shape.quantization).removesuffix("_marlin")
    stated = _number(profile, "profile", "weights_gib", 0)
    as_kept = asked in ("", shape.quantization) and (method or BYTES[dtype] == BYTES[shape.dtype])
    if stated and as_kept:
        return int(stated * GIB)
    parameters = int(_number(profile, "profile", "parameters", shape.parameters))
    if not method:
        return parameters * BYTES[dtype]
    if method not in WEIGHT_BITS:
        raise InvalidInputError(
            f"The size of weights that are quantized by {method} is not known",
            remedy="State it as weights_gib in the model's profile: vLLM's log tells it as 'Model loading took'.",
        )
    embeddings = min(shape.embeddings, parameters)
    return embeddings * BYTES[dtype] + int((parameters - embeddings) * WEIGHT_BITS[method] / 8)


def _argument(values: Mapping[str, Any], name: str) -> str | None:
    """Return what vLLM is told by this argument, as `--name=value` or as two words; None if it is not given."""
    words = [str(word) for word in values.get("extraArgs") or []]
    for position, word in enumerate(words):
        flag, separator, value = word.partition("=")
        if flag.replace("_", "-") == name:
            return value if separator else (*words, "")[position + 1] or None
    return None
