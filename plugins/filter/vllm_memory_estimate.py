# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimates the GPU memory that a model takes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: vllm_memory_estimate
short_description: Estimate the GPU memory that a model takes under vLLM
version_added: 0.1.0
description:
  - Estimates, for each GPU, the memory of the weights, of the KV cache of one sequence of full length, and of the
    activations, and says whether it is there. vLLM does not start without it.
  - On each of I(t) x I(p) GPUs (tensor and pipeline parallel) the weights take their bytes / I(t) x ceil(layers /
    I(p)) / layers; the KV cache takes tokens x 2 x ceil(layers / I(p)) x ceil(KV heads / I(t)) x head size x bytes of
    an element, where a layer with a sliding window keeps no more than window - 1 + batch tokens, and latent attention
    keeps C(kv_lora_rank + qk_rope_head_dim) elements on every GPU.
  - The activations take batch tokens x bytes x (experts per token x (3 x intermediate + hidden) + 5 x hidden), and
    sequences x vocabulary x 8 for the logits. 1 GiB is added for the CUDA context, communication buffers and captured
    graphs. The batch is vLLM's default for the GPU, unless C(extraArgs) has C(--max-num-batched-tokens) or
    C(--max-num-seqs).
  - There is (memory - 0.5 GiB) x C(model.gpuMemoryUtilization), since a CUDA program sees less than the whole.
  - Adapters, speculative decoding, encoders of images and layers without attention are not counted.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  _input:
    description: The chart's values, as the layers come to when they are merged.
    type: dict
    required: true
  profile:
    description: What the model is.
    type: dict
    required: true
    suboptions:
      config:
        description:
          - The model's C(config.json), or of it C(num_hidden_layers), C(hidden_size), C(num_attention_heads),
            C(num_key_value_heads), C(head_dim), C(intermediate_size), C(vocab_size), C(max_position_embeddings),
            C(torch_dtype); as the model has them C(num_local_experts), C(num_experts_per_tok), C(layer_types),
            C(sliding_window), C(kv_lora_rank), C(qk_rope_head_dim), C(tie_word_embeddings), C(quantization_config).
        type: dict
        required: true
      parameters:
        description: Number of parameters. By default it is computed for a decoder with gated MLPs.
        type: int
      weights_gib:
        description: Size of the loaded weights in GiB, as vLLM's log tells it. Needed for an unusual quantization.
        type: float
      gpu:
        description:
          - The GPU, as the node label C(nvidia.com/gpu.product) names it. A MIG resource, a C(nodeSelector) for this
            label and C(gpu.products) in the values come before it; of several products the one with least memory
            counts. Without any, C(fits) is null.
        type: str
      gpu_memory_gib:
        description: Memory of the GPU in GiB, for one that is not known by its name.
        type: float
seealso:
  - name: Conserving memory
    description: vLLM's documentation of what takes memory, and how to lower it.
    link: https://docs.vllm.ai/en/latest/configuration/conserving_memory/
  - name: Optimization and tuning
    description: vLLM's documentation of batches and of preemption.
    link: https://docs.vllm.ai/en/latest/configuration/optimization/
"""

EXAMPLES = r"""
- name: Show whether Llama 3.1 8B fits an L4
  ansible.builtin.debug:
    msg: "{{ values | ai_aas.inference.vllm_memory_estimate(profile) }}"
  vars:
    values:
      model:
        maxModelLen: 16384
    profile:
      gpu: NVIDIA-L4
      config:
        num_hidden_layers: 32
        hidden_size: 4096
        intermediate_size: 14336
        num_attention_heads: 32
        num_key_value_heads: 8
        vocab_size: 128256
        torch_dtype: bfloat16
"""

RETURN = r"""
_value:
  description: The estimate, for each GPU.
  type: dict
  contains:
    weights_gib:
      description: The weights.
      type: float
      sample: 14.96
    kv_cache_gib:
      description: The KV cache of one sequence of full length.
      type: float
      sample: 2.0
    activations_gib:
      description: The peak of the activations.
      type: float
      sample: 0.5
    overhead_gib:
      description: The CUDA context, communication buffers and captured graphs.
      type: float
      sample: 1.0
    total_gib:
      description: All of these.
      type: float
      sample: 18.46
    available_gib:
      description: What vLLM may take, or null if the GPU is not known.
      type: float
      sample: 19.79
    margin_gib:
      description: What is left, negative if it does not fit, or null if the GPU is not known.
      type: float
      sample: 1.33
    fits:
      description: Whether it fits, or null if the GPU is not known.
      type: bool
      sample: true
    gpu:
      description: The GPU, or an empty string.
      type: str
      sample: NVIDIA-L4
    gpus:
      description: How many GPUs share the model.
      type: int
      sample: 1
    max_model_len:
      description: The full length of a sequence, in tokens.
      type: int
      sample: 16384
    longest_model_len:
      description: The longest sequence up to that length that would fit, 0 if none does, or null.
      type: int
      sample: 16384
    kv_bytes_per_token:
      description: Bytes of KV cache that one token takes.
      type: int
      sample: 131072
    msg:
      description: The estimate as a sentence, with what to do if it does not fit.
      type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.memory import estimate_memory
from ansible_collections.ai_aas.inference.plugins.plugin_utils.errors import failing_as


def vllm_memory_estimate(values: object, profile: object) -> dict[str, Any]:
    with failing_as(AnsibleFilterError):
        if not isinstance(values, Mapping) or not isinstance(profile, Mapping):
            raise InvalidInputError("Invalid values or profile", remedy="Both must be mappings.")
        return estimate_memory(values, profile)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"vllm_memory_estimate": vllm_memory_estimate}
