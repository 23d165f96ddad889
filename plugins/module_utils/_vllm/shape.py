# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of a model, as far as memory depends on it, from the config.json that its publisher ships."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

BYTES = {"float32": 4, "float": 4, "bfloat16": 2, "float16": 2, "half": 2}
SLIDING = "sliding_attention"


@dataclass(frozen=True)
class Shape:
    """Sizes in elements, lengths in tokens.

    `latent` is the elements that multi-head latent attention keeps for each token and layer in place of keys and
    values; 0 for any other attention. `window` is how far the sliding layers look back.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int
    experts: int = 1
    experts_per_token: int = 1
    tied: bool = False
    sliding_layers: int = 0
    window: int = 0
    latent: int = 0
    dtype: str = "bfloat16"
    max_length: int = 0
    quantization: str = ""

    @property
    def embeddings(self) -> int:
        """Parameters of the embedding, and of the output layer where it is not the same."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """Parameters of a decoder with a gated MLP or a mixture of such; norms and biases are too few to count."""
        attention = 2 * self.hidden * self.head_size * (self.heads + self.kv_heads)
        router = self.hidden * self.experts if self.experts > 1 else 0
        return self.embeddings + self.layers * (attention + self.experts * 3 * self.hidden * self.intermediate + router)


def read_shape(config: Mapping[str, Any]) -> Shape:
    """Read a config.json.

    Raises:
        InvalidInputError: a size is missing or is not a positive integer.
    """
    config = {**config, **(config.get("text_config") or {})}
    heads = _size(config, "num_attention_heads")
    hidden = _size(config, "hidden_size")
    kinds = config.get("layer_types") or []
    kept = config.get("kv_lora_rank")
    return Shape(
        layers=_size(config, "num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=_size(config, "num_key_value_heads", default=heads),
        head_size=_size(config, "head_dim", default=max(hidden // heads, 1)),
        intermediate=_size(config, "moe_intermediate_size", "intermediate_size"),
        vocabulary=_size(config, "vocab_size"),
        experts=_size(config, "num_local_experts", "num_experts", "n_routed_experts", default=1),
        experts_per_token=_size(config, "num_experts_per_tok", default=1),
        tied=bool(config.get("tie_word_embeddings")),
        sliding_layers=sum(kind == SLIDING for kind in kinds),
        window=_size(config, "sliding_window") if SLIDING in kinds else 0,
        latent=_size(config, "kv_lora_rank") + _size(config, "qk_rope_head_dim") if kept else 0,
        dtype=_dtype(config),
        max_length=_size(config, "max_position_embeddings", default=0),
        quantization=str((config.get("quantization_config") or {}).get("quant_method") or ""),
    )


def _size(config: Mapping[str, Any], *keys: str, default: int | None = None) -> int:
    """Return the first of these that the configuration holds; JSON's null counts as missing."""
    for key in keys:
        value = config.get(key)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise InvalidInputError(
                f"Invalid profile: config.{key} is {value!r}",
                remedy="It must be a positive whole number, as in the model's config.json.",
            )
        return int(value)
    if default is None:
        raise InvalidInputError(
            f"Invalid profile: config.{keys[-1]} is missing",
            remedy="Take it over from the model's config.json.",
        )
    return default


def _dtype(config: Mapping[str, Any]) -> str:
    name = str(config.get("torch_dtype") or config.get("dtype") or "bfloat16").removeprefix("torch.")
    if name not in BYTES:
        raise InvalidInputError(
            f"Invalid profile: config.torch_dtype is {name!r}", remedy=f"It must be one of {', '.join(sorted(BYTES))}."
        )
    return name
