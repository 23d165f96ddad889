# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The estimate of GPU memory, against published figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.ai_aas.inference.plugins.filter.vllm_memory_estimate import FilterModule, vllm_memory_estimate
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import shape, sizing

CHART = Path(__file__).parents[3] / "charts" / "vllm-deployment"
Json = dict[str, Any]


def profile(name: str) -> Json:
    """What a shipped model is; its numbers are those of its published config.json."""
    found: Json = yaml.safe_load((CHART / f"profile-{name}.yaml").read_text(encoding="utf-8"))
    return found


LLAMA_8B = profile("llama-3.1-8b")
# deepseek-ai/DeepSeek-V3's attention, which Kimi K2 has too: multi-head latent attention.
LATENT = {"num_attention_heads": 64, "num_hidden_layers": 61, "kv_lora_rank": 512, "qk_rope_head_dim": 64}


def estimated(model: Json | None = None, known: Mapping[str, Any] = LLAMA_8B, **values: Any) -> Json:
    return vllm_memory_estimate({"model": model or {}, **values}, known)


def changed(known: Mapping[str, Any], **config: Any) -> Json:
    return {**known, "config": {**known["config"], **config}}


# Weights

# Profile, tensor parallel size, GiB on each GPU, and who published it.
WEIGHTS = [
    ("llama-3.1-8b", 1, 14.96),  # vLLM pull request 10511, Llama 3 8B: model weights take 14.96GiB
    ("llama-3.1-8b", 2, 7.48),  # the same with -tp 2
    ("llama-3.3-70b", 1, 131.42),  # total_size 141107412992 in model.safetensors.index.json
    ("qwen3-32b", 1, 61.02),  # total_size 65524246528
    ("mixtral-8x7b", 1, 86.99),  # total_size 93405585408
    ("unsloth-gpt-oss-20b", 1, 13.72),  # vLLM 0.19: Model loading took 13.72 GiB
]


@pytest.mark.parametrize(("name", "tensor", "gib"), WEIGHTS)
def test_weights(name: str, tensor: int, gib: float) -> None:
    assert estimated({"tensorParallelSize": tensor}, profile(name))["weights_gib"] == pytest.approx(gib, abs=0.011)


@pytest.mark.parametrize("name", ["llama-3.1-8b", "llama-3.3-70b", "qwen3-32b", "mixtral-8x7b"])
def test_parameters_follow_from_the_shape(name: str) -> None:
    known = profile(name)
    assert shape.read_shape(known["config"]).parameters == pytest.approx(known["parameters"], rel=1e-4)


def test_parameters_of_a_mixture_as_its_publisher_counts_them() -> None:
    """OpenAI's model card of gpt-oss: 20.9 billion."""
    assert shape.read_shape(profile("unsloth-gpt-oss-20b")["config"]).parameters == pytest.approx(20.9e9, rel=1e-3)


QWEN_30B = {
    "num_hidden_layers": 48,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "vocab_size": 151936,
    "num_experts": 128,
}


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        # Qwen/Qwen3-30B-A3B: many small experts, whose router counts.
        (QWEN_30B, 30532122624),
        # meta-llama/Llama-3.2-1B: its embedding is its output layer.
        (
            {
                **LLAMA_8B["config"],
                "num_hidden_layers": 16,
                "hidden_size": 2048,
                "intermediate_size": 8192,
                "head_dim": 64,
                "tie_word_embeddings": True,
            },
            1235814400,
        ),
    ],
    ids=["Qwen3 30B-A3B", "Llama 3.2 1B"],
)
def test_parameters_of_other_models(config: Json, parameters: int) -> None:
    assert shape.read_shape(config).parameters == pytest.approx(parameters, rel=1e-4)


@pytest.mark.parametrize(
    ("model", "known", "gib"),
    [
        ({"quantization": "fp8"}, LLAMA_8B, 8.46),
        ({"quantization": "awq_marlin"}, LLAMA_8B, 5.41),
        ({"dtype": "float32"}, LLAMA_8B, 29.92),
        ({}, changed(LLAMA_8B, torch_dtype="float32"), 14.96),
        ({}, changed(LLAMA_8B, quantization_config={"quant_method": "gptq"}), 5.41),
        ({}, {**LLAMA_8B, "weights_gib": 9.5}, 9.5),
        ({"quantization": "fp8"}, {**LLAMA_8B, "weights_gib": 15.5}, 8.46),
        ({"quantization": "mxfp4"}, profile("unsloth-gpt-oss-20b"), 13.72),
        ({"pipelineParallelSize": 3}, LLAMA_8B, 5.14),
    ],
    ids=[
        "fp8",
        "awq",
        "float32",
        "kept as float32",
        "kept quantized",
        "stated",
        "stated, made fp8",
        "named",
        "pipeline",
    ],
)
def test_weights_in_other_forms(model: Json, known: Json, gib: float) -> None:
    assert estimated(model, known)["weights_gib"] == pytest.approx(gib, abs=0.011)


# KV cache


@pytest.mark.parametrize(
    ("name", "kib"), [("llama-3.1-8b", 128), ("llama-3.3-70b", 320), ("qwen3-32b", 256), ("mixtral-8x7b", 128)]
)
def test_kv_cache_of_a_token(name: str, kib: int) -> None:
    """2 x layers x KV heads x head size x 2 bytes."""
    assert estimated({}, profile(name))["kv_bytes_per_token"] == kib * 1024


LLAMA_4_SCOUT = {
    "num_hidden_layers": 48,
    "hidden_size": 5120,
    "intermediate_size": 8192,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 202048,
    "max_position_embeddings": 10485760,
}


@pytest.mark.parametrize(
    ("model", "config", "arguments", "gib"),
    [
        # vLLM issue 19407, -tp 8: "240.00 GiB KV cache is needed"
        ({"tensorParallelSize": 8}, LLAMA_4_SCOUT, [], 240.0),
        # InferenceX issue 1587, Kimi K2.5 with -tp 8 and 262144 tokens: "8.58 GiB KV cache is needed"
        ({"tensorParallelSize": 8, "maxModelLen": 262144}, {**LLAMA_4_SCOUT, **LATENT}, ["--kv-cache-dtype=fp8"], 8.58),
        ({"tensorParallelSize": 16}, LLAMA_4_SCOUT, [], 240.0),
        ({"tensorParallelSize": 8, "pipelineParallelSize": 2}, LLAMA_4_SCOUT, [], 120.0),
        ({"tensorParallelSize": 8}, LLAMA_4_SCOUT, ["--kv-cache-dtype", "fp8_e4m3"], 120.0),
        ({"tensorParallelSize": 8}, LLAMA_4_SCOUT, ["--kv_cache_dtype=fp8"], 120.0),
        ({"tensorParallelSize": 8}, LLAMA_4_SCOUT, ["--kv-cache-dtype=auto"], 240.0),
    ],
    ids=["published", "latent attention", "more GPUs than KV heads", "pipeline", "fp8", "underscores", "auto"],
)
def test_kv_cache_of_a_sequence(model: Json, config: Json, arguments: list[str], gib: float) -> None:
    found = estimated(model, {"config": config}, extraArgs=arguments)
    assert found["kv_cache_gib"] == pytest.approx(gib, abs=0.01)


def test_a_sliding_window_bounds_the_cache() -> None:
    """12 of 24 layers look 128 tokens back, and a batch has 2048."""
    known = profile("unsloth-gpt-oss-20b")
    bytes_of_layer = 2 * 8 * 64 * 2
    tokens = 12 * 131072 + 12 * (127 + 2048)
    assert estimated({}, known)["kv_cache_gib"] == pytest.approx(bytes_of_layer * tokens / 2**30, abs=0.01)


# Activations and what is there


@pytest.mark.parametrize(
    ("gpu", "arguments", "gib"),
    [
        # vLLM pull request 10511, Llama 3 8B on an H100, a batch of 8192 tokens and 256 sequences: 1.26GiB
        ("NVIDIA-H100-80GB-HBM3", ["--max-num-seqs=256"], 1.26),
        ("NVIDIA-H100-80GB-HBM3", [], 2.01),
        ("NVIDIA-B200", [], 3.04),
        ("NVIDIA-A100-SXM4-80GB", [], 0.5),
        ("NVIDIA-L4", [], 0.5),
        ("NVIDIA-L4", ["--max-num-batched-tokens", "8192"], 1.26),
    ],
)
def test_activations(gpu: str, arguments: list[str], gib: float) -> None:
    found = estimated({}, {**LLAMA_8B, "gpu": gpu}, extraArgs=arguments)
    assert found["activations_gib"] == pytest.approx(gib, rel=0.02)


def test_against_a_server_that_ran() -> None:
    """vLLM 0.19, gpt-oss-20b, an A100 with utilization 0.65: 13.72 GiB of weights, and 36.56 left for the KV cache."""
    known = {**profile("unsloth-gpt-oss-20b"), "gpu": "NVIDIA-A100-SXM4-80GB"}
    found = estimated({"gpuMemoryUtilization": 0.65}, known)
    left = found["available_gib"] - found["total_gib"] + found["kv_cache_gib"]
    assert left == pytest.approx(36.56, abs=0.5)
    assert left < 36.56, "the estimate must not promise more than there is"


@pytest.mark.parametrize(
    ("values", "gpu", "memory_gib"),
    [
        ({}, "NVIDIA-L4", 22.49),
        ({"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}}, "NVIDIA-H100-80GB-HBM3", 79.65),
        ({"nodeSelector": {"nvidia.com/gpu.product": "Tesla-T4-SHARED"}}, "Tesla-T4-SHARED", 15.0),
        ({"gpu": {"products": ["NVIDIA-H200", "NVIDIA-L40S"]}}, "NVIDIA-L40S", 44.99),
        ({"gpu": {"productLabel": "gpu"}, "nodeSelector": {"gpu": "NVIDIA-A30"}}, "NVIDIA-A30", 24.0),
        ({"gpu": {"resourceName": "nvidia.com/mig-3g.40gb"}}, "nvidia.com/mig-3g.40gb", 37.25),
        (
            {"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-3g.20gb"}},
            "NVIDIA-A100-SXM4-40GB-MIG-3g.20gb",
            18.63,
        ),
    ],
    ids=["profile", "node selector", "shared", "products", "other label", "MIG resource", "MIG product"],
)
def test_which_gpu(values: Json, gpu: str, memory_gib: float) -> None:
    found = estimated({"gpuMemoryUtilization": 0.8}, **values)
    assert found["gpu"] == gpu
    assert found["available_gib"] == pytest.approx(0.8 * (memory_gib - 0.5), abs=0.02)


def test_a_gpu_by_its_memory() -> None:
    found = estimated({"gpuMemoryUtilization": 1}, {**LLAMA_8B, "gpu": "AMD-Instinct-MI300X", "gpu_memory_gib": 192})
    assert (found["gpu"], found["available_gib"]) == ("AMD-Instinct-MI300X", 191.5)


@pytest.mark.parametrize("values", [{"gpu": {"count": 0}}, {}], ids=["no GPU", "no product"])
def test_what_is_not_known_is_not_judged(values: Json) -> None:
    known = LLAMA_8B if values else {key: value for key, value in LLAMA_8B.items() if key != "gpu"}
    found = estimated({}, known, **values)
    assert [found[key] for key in ("fits", "available_gib", "margin_gib", "longest_model_len")] == [None] * 4
    assert "Which GPU it gets is not known." in found["msg"]


# The verdict


def test_what_fits() -> None:
    found = estimated({"maxModelLen": 16384})
    assert found["fits"] is True
    assert found["margin_gib"] == pytest.approx(found["available_gib"] - found["total_gib"], abs=0.011)


def test_what_does_not_fit_says_what_to_do() -> None:
    found = estimated({})
    assert found["fits"] is False
    assert found["margin_gib"] < 0
    assert found["msg"] == (
        "The model takes an estimated 32.46 GiB of each GPU: weights 14.96, KV cache of one sequence of 131072 tokens "
        "16.0, activations 0.5, overhead 1.0; vLLM may take 19.79 GiB of a NVIDIA-L4 (model.gpuMemoryUtilization 0.9). "
        f"To make it fit, set model.maxModelLen to {found['longest_model_len']} or less, raise gpu.count and "
        "model.tensorParallelSize above 1, choose a GPU with more memory, or take quantized weights."
    )


def test_the_longest_that_fits_fits_and_one_more_does_not() -> None:
    longest = estimated({})["longest_model_len"]
    assert 20000 < longest < 131072
    assert estimated({"maxModelLen": longest})["fits"] is True
    assert estimated({"maxModelLen": longest + 1})["fits"] is False


def test_weights_that_are_too_large_leave_no_length() -> None:
    found = estimated({}, {**profile("llama-3.3-70b"), "gpu": "NVIDIA-L4"})
    assert found["longest_model_len"] == 0
    assert "To make it fit, raise gpu.count" in found["msg"]


# Mistakes


def without(key: str) -> Json:
    return {**LLAMA_8B, "config": {name: value for name, value in LLAMA_8B["config"].items() if name != key}}


@pytest.mark.parametrize(
    ("values", "known", "message"),
    [
        ({}, {}, "Invalid profile: config.num_attention_heads is missing. Take it over from the model's config.json."),
        ({}, without("intermediate_size"), "config.intermediate_size is missing"),
        ({}, changed(LLAMA_8B, hidden_size="4096"), "config.hidden_size is '4096'. It must be a positive whole number"),
        ({}, changed(LLAMA_8B, num_hidden_layers=True), "config.num_hidden_layers is True"),
        ({}, changed(LLAMA_8B, torch_dtype="int3"), "config.torch_dtype is 'int3'. It must be one of bfloat16, "),
        ({}, {**LLAMA_8B, "gpus": 2}, "Invalid profile: gpus is not known. A profile has config, gpu, "),
        ({}, {**LLAMA_8B, "gpu": "GPU-X"}, "The memory of GPU GPU-X is not known. State it as gpu_memory_gib"),
        ({}, {**LLAMA_8B, "gpu_memory_gib": "80"}, "Invalid profile.gpu_memory_gib: '80'"),
        ({}, without("max_position_embeddings"), "The longest sequence is not known. Set model.maxModelLen"),
        ({"model": {"tensorParallelSize": -1}}, LLAMA_8B, "Invalid model.tensorParallelSize: -1"),
        ({"model": {"quantization": "exl3"}}, LLAMA_8B, "quantized by exl3 is not known. State it as weights_gib"),
        ([], LLAMA_8B, "Invalid values or profile. Both must be mappings."),
        ({}, "llama", "Invalid values or profile. Both must be mappings."),
    ],
)
def test_mistakes_are_named(values: Any, known: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as refused:
        vllm_memory_estimate(values, known)
    assert message in str(refused.value)


def test_null_is_as_missing() -> None:
    assert estimated({"maxModelLen": None, "quantization": None}, nodeSelector=None, extraArgs=None) == estimated({})
    assert vllm_memory_estimate({"model": None}, LLAMA_8B) == estimated({})
    assert estimated({"maxModelLen": 0}) == estimated({})


def test_a_model_of_several_parts_is_described_by_its_text_part() -> None:
    nested = {**LLAMA_8B, "config": {"text_config": LLAMA_8B["config"], "vision_config": {"hidden_size": 1}}}
    assert estimated({}, nested) == estimated({})


def test_the_filter_is_found_by_its_name() -> None:
    assert FilterModule().filters() == {"vllm_memory_estimate": vllm_memory_estimate}


def test_defaults_are_those_of_the_chart() -> None:
    model = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["model"]
    assert estimated({key: model[key] for key in ("tensorParallelSize", "pipelineParallelSize")}) == estimated({})
    assert model["gpuMemoryUtilization"] == sizing.UTILIZATION
    assert (model["maxModelLen"], model["dtype"], model["quantization"]) == (0, "auto", "")
