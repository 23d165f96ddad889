# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped values of real models: each fits the GPU that it names, and has the time and room that its size needs.

The sizes are those of the filter vllm_memory_estimate, which tests/unit/vllm/test_memory.py compares with published
ones.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from ansible_collections.ai_aas.inference.plugins.filter.vllm_memory_estimate import vllm_memory_estimate

from tests.unit.chart.golden_renderings import LAYERINGS, OPTIONS
from tests.unit.chart.rendering import CHART, MODELS, Helm, Rendering, merge

Json = dict[str, Any]
GIB = 2**30
# The slowest hub that a first start is to bear, and what comes after the download: load, compilation, graph capture.
DOWNLOAD_BYTES_PER_SECOND = 100e6
AFTER_DOWNLOAD_SECONDS = 300
GPUS = {
    "llama-3.1-8b": (1, "NVIDIA-L4"),
    "llama-3.3-70b": (4, "NVIDIA-A100-SXM4-80GB"),
    "mixtral-8x7b": (2, "NVIDIA-A100-SXM4-80GB"),
    "qwen3-32b": (2, "NVIDIA-L40S"),
    "unsloth-gpt-oss-20b": (1, "NVIDIA-L4"),
}


def load(name: str) -> Json:
    found: Json = yaml.safe_load((CHART / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


def estimated(model: str, *layers: str, **changes: Any) -> Json:
    values: Json = {}
    for layer in (model, *layers):
        values = merge(values, load(f"values-{layer}"))
    return vllm_memory_estimate(merge(values, {"model": changes}), load(f"profile-{model}"))


def weights(model: str) -> float:
    """Bytes of all weights."""
    found = estimated(model)
    return float(found["weights_gib"] * found["gpus"] * GIB)


def in_bytes(quantity: str) -> int:
    """Return a quantity of Kubernetes such as 16Gi in bytes."""
    found = re.fullmatch(r"(\d+)Gi", quantity)
    assert found, quantity
    return int(found[1]) * GIB


def pod_volumes(rendering: Rendering) -> dict[str, Json]:
    return {volume["name"]: volume for volume in rendering.pod["spec"]["volumes"]}


def test_each_model_has_a_profile() -> None:
    profiles = {path.stem.removeprefix("profile-") for path in CHART.glob("profile-*.yaml")}
    assert profiles == set(MODELS) == set(GPUS)


@pytest.mark.parametrize(("model", "environment"), LAYERINGS)
def test_model_fits_its_gpu_in_each_environment(model: str, environment: str) -> None:
    found = estimated(model, environment)
    assert (found["gpus"], found["gpu"]) == GPUS[model]
    assert found["fits"] is True
    # A twentieth is kept for what an estimate cannot know.
    assert found["margin_gib"] > 0.05 * found["available_gib"]


@pytest.mark.parametrize("model", [model for model, (count, _gpu) in GPUS.items() if count > 1])
def test_half_the_gpus_would_not_do(model: str) -> None:
    assert estimated(model, tensorParallelSize=GPUS[model][0] // 2)["fits"] is False


@pytest.mark.parametrize("model", MODELS)
def test_parallelism_divides_the_heads_and_takes_all_gpus(model: str) -> None:
    values, config = load(f"values-{model}"), load(f"profile-{model}")["config"]
    size = values["model"].get("tensorParallelSize", 1)
    assert values["gpu"]["count"] == size * values["model"].get("pipelineParallelSize", 1)
    assert config["num_attention_heads"] % size == 0


@pytest.mark.parametrize("model", MODELS)
def test_context_is_within_what_the_model_was_made_for(model: str) -> None:
    length = load(f"values-{model}")["model"]["maxModelLen"]
    assert 16384 <= length <= load(f"profile-{model}")["config"]["max_position_embeddings"]


@pytest.mark.parametrize(("model", "environment"), LAYERINGS)
def test_a_first_start_has_time_to_download_and_load(helm: Helm, model: str, environment: str) -> None:
    rendering = helm.template(layers=(model, environment), options=OPTIONS)
    probe = rendering.container["startupProbe"]
    needed = weights(model) / DOWNLOAD_BYTES_PER_SECOND + AFTER_DOWNLOAD_SECONDS
    startup = probe["failureThreshold"] * probe["periodSeconds"]
    assert startup >= needed
    assert startup < 4 * needed, "a start that hangs would be noticed late"
    assert rendering.one("Deployment")["spec"]["progressDeadlineSeconds"] > startup


@pytest.mark.parametrize(("model", "environment"), LAYERINGS)
def test_pod_has_room_for_the_weights(helm: Helm, model: str, environment: str) -> None:
    rendering = helm.template(layers=(model, environment), options=OPTIONS)
    volumes, resources = pod_volumes(rendering), rendering.container["resources"]
    assert in_bytes(volumes["cache"]["emptyDir"]["sizeLimit"]) > 1.2 * weights(model)
    # The pages of the files that are read count, and so does what lies in shared memory.
    shared = in_bytes(volumes["shm"]["emptyDir"]["sizeLimit"])
    assert in_bytes(resources["limits"]["memory"]) > weights(model) + shared
    assert in_bytes(resources["requests"]["memory"]) > 0.9 * weights(model)


@pytest.mark.parametrize("model", MODELS)
def test_values_say_what_the_profile_says(model: str) -> None:
    """The comment at the head of the values names the model, and the profile's names it too."""
    name = load(f"values-{model}")["model"]["name"]
    for kind in ("values", "profile"):
        assert name in (CHART / f"{kind}-{model}.yaml").read_text(encoding="utf-8").split("---")[0]


@pytest.mark.parametrize("model", MODELS)
def test_readme_says_what_each_takes(model: str) -> None:
    count, gpu = GPUS[model]
    found = estimated(model)
    sizes = f"{found['total_gib']} GiB | {found['available_gib']} GiB | {found['max_model_len']}"
    assert f"| `{model}` | {count} x {gpu} | {sizes} |\n" in (CHART / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", MODELS)
def test_models_are_served_under_names_that_are_their_own(model: str) -> None:
    (name,) = load(f"values-{model}")["model"]["servedNames"]
    assert name in model
