# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory of usual GPUs, by the names that Kubernetes knows them by."""

from __future__ import annotations

import re

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

MIB = 2**20

# The label nvidia.com/gpu.product, and nvidia.com/gpu.memory beside it: what GPU feature discovery reads from NVML, as
# nvidia-smi does.
MEMORY_MIB = {
    "NVIDIA-A10": 23028,
    "NVIDIA-A10G": 23028,
    "NVIDIA-A30": 24576,
    "NVIDIA-A40": 46068,
    "NVIDIA-A100-PCIE-40GB": 40960,
    "NVIDIA-A100-SXM4-40GB": 40960,
    "NVIDIA-A100-80GB-PCIe": 81920,
    "NVIDIA-A100-SXM4-80GB": 81920,
    "NVIDIA-B200": 183359,
    "NVIDIA-H100-80GB-HBM3": 81559,
    "NVIDIA-H100-NVL": 95830,
    "NVIDIA-H100-PCIe": 81559,
    "NVIDIA-H200": 143771,
    "NVIDIA-L4": 23034,
    "NVIDIA-L40": 46068,
    "NVIDIA-L40S": 46068,
    "NVIDIA-RTX-A6000": 49140,
    "Tesla-T4": 15360,
    "Tesla-V100-SXM2-16GB": 16384,
    "Tesla-V100-SXM2-32GB": 32768,
}

# A part of a GPU, as a resource (nvidia.com/mig-3g.40gb) or as the product's ending (-MIG-3g.40gb).
_MIG = re.compile(r"mig-\d+g\.(\d+)gb", re.IGNORECASE)
# What feature discovery adds where several pods share a GPU by taking turns: each sees all of its memory.
_SHARED = "-SHARED"


def memory_of(name: str) -> int:
    """Return the bytes of memory of a GPU product or of a MIG resource.

    Raises:
        InvalidInputError: the product is not known.
    """
    if part := _MIG.search(name):
        return int(part[1]) * 10**9
    product = name.removesuffix(_SHARED)
    if product not in MEMORY_MIB:
        raise InvalidInputError(
            f"The memory of GPU {name} is not known",
            remedy=f"State it as gpu_memory_gib in the model's profile. Known are {', '.join(sorted(MEMORY_MIB))}.",
        )
    return MEMORY_MIB[product] * MIB


def is_mig(resource: str) -> bool:
    return _MIG.search(resource) is not None


def is_a100(name: str) -> bool:
    """Return whether vLLM takes its smaller batch limits on it in spite of 80 GB of memory."""
    return "a100" in name.lower()
