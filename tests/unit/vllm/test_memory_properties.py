# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of the estimate of GPU memory for any model."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import gpus, memory, shape, sizing
from hypothesis import given
from hypothesis import strategies as st

SHAPES = st.builds(
    shape.Shape,
    layers=st.integers(1, 128),
    hidden=st.integers(64, 16384),
    heads=st.integers(1, 128),
    kv_heads=st.integers(1, 64),
    head_size=st.sampled_from([64, 80, 128, 256]),
    intermediate=st.integers(64, 65536),
    vocabulary=st.integers(1000, 300000),
    experts=st.integers(1, 256),
    experts_per_token=st.integers(1, 8),
    latent=st.sampled_from([0, 0, 576]),
)
PLANS = st.builds(
    sizing.Plan,
    tensor=st.integers(1, 16),
    pipeline=st.integers(1, 8),
    utilization=st.floats(0.1, 1.0),
    length=st.integers(1, 1_000_000),
    batch_tokens=st.sampled_from([2048, 8192, 16384]),
    sequences=st.sampled_from([64, 256, 1024]),
    dtype=st.sampled_from(["bfloat16", "float32"]),
    kv_element_bytes=st.sampled_from([1, 2, 4]),
    weight_bytes=st.integers(1, 2 * 10**12),
    gpu=st.just("GPU"),
    gpu_memory=st.integers(2**30, 300 * 2**30),
)


@given(model=SHAPES, plan=PLANS, more=st.integers(0, 10**6))
def test_a_longer_sequence_takes_no_less(model: shape.Shape, plan: sizing.Plan, more: int) -> None:
    longer = memory.estimate(model, replace(plan, length=plan.length + more))
    assert longer.total >= memory.estimate(model, plan).total


@given(model=SHAPES, plan=PLANS, more=st.integers(0, 10**12))
def test_more_parameters_take_no_less(model: shape.Shape, plan: sizing.Plan, more: int) -> None:
    larger = memory.estimate(model, replace(plan, weight_bytes=plan.weight_bytes + more))
    assert larger.total >= memory.estimate(model, plan).total


@given(model=SHAPES, plan=PLANS, which=st.sampled_from(["tensor", "pipeline"]), more=st.integers(1, 8))
def test_more_gpus_take_no_more_of_each(model: shape.Shape, plan: sizing.Plan, which: str, more: int) -> None:
    spread = memory.estimate(model, replace(plan, **{which: getattr(plan, which) + more}))
    # A byte, for the rounding up.
    assert spread.total <= memory.estimate(model, plan).total + 1


@given(model=SHAPES, plan=PLANS)
def test_all_gpus_together_hold_the_whole_model(model: shape.Shape, plan: sizing.Plan) -> None:
    assert memory.estimate(model, plan).weights * plan.tensor * plan.pipeline >= plan.weight_bytes * (1 - 1e-9)


@given(model=SHAPES, plan=PLANS)
def test_the_longest_is_where_the_verdict_turns(model: shape.Shape, plan: sizing.Plan) -> None:
    found = memory.estimate(model, plan)
    assert 0 <= found.longest <= plan.length
    assert found.fits == (found.longest == plan.length)
    if found.longest:
        assert memory.estimate(model, replace(plan, length=found.longest)).fits


@given(name=st.sampled_from(sorted(gpus.MEMORY_MIB)))
def test_each_known_gpu_has_about_the_memory_in_its_name(name: str) -> None:
    stated = [int(part.removesuffix("GB")) for part in name.split("-") if part.endswith("GB")]
    assert all(0.99 < gpus.memory_of(name) / (size * 10**9) < 1.08 for size in stated)
