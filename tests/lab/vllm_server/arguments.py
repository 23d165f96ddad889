# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `vllm serve`, as far as anyone gives them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

VERSION = "0.32.0"
DEFAULT_MODEL = "Qwen/Qwen3-0.6B"

# Known to vLLM and without effect here.
WITH_VALUE = """
    allowed-local-media-path allowed-origins api-server-count attention-backend attention-config block-size
    chat-template chat-template-content-format code-revision collect-detailed-traces compilation-config config
    config-format convert cpu-offload-gb data-parallel-address data-parallel-backend data-parallel-rank
    data-parallel-rpc-port data-parallel-size data-parallel-size-local decode-context-parallel-size
    default-chat-template-kwargs distributed-executor-backend download-dir dtype ec-transfer-config
    expert-placement-strategy fully-sharded-loras generation-config gpu-memory-utilization
    guided-decoding-backend hf-config-path hf-overrides hf-token ignore-patterns kernel-config kv-cache-dtype
    kv-cache-memory-bytes kv-events-config kv-offloading-backend kv-offloading-size kv-sharing-fast-prefill
    kv-transfer-config limit-mm-per-prompt load-format log-config-file logits-processors logprobs-mode
    long-prefill-token-threshold lora-dtype lora-extra-vocab-size master-addr master-port max-cpu-loras
    max-cudagraph-capture-size max-log-len max-logprobs max-lora-rank max-loras max-long-partial-prefills
    max-num-batched-tokens max-num-partial-prefills max-num-seqs max-parallel-loading-workers middleware
    mm-encoder-tp-mode mm-processor-cache-gb mm-processor-kwargs model-impl model-loader-extra-config nnodes
    node-rank num-gpu-blocks-override optimization-level otlp-traces-endpoint override-generation-config
    performance-mode pipeline-parallel-size pooler-config pt-load-map-location quantization reasoning-parser
    reasoning-parser-plugin response-role root-path runner safetensors-load-strategy scheduler-cls
    scheduling-policy seed speculative-config ssl-ca-certs ssl-cert-reqs stream-interval structured-outputs-config
    swap-space task tokenizer tokenizer-mode tokenizer-revision tool-call-parser tool-parser-plugin tool-server
    uds uvicorn-log-level video-pruning-rate worker-cls worker-extension-cls
"""
SWITCHES = """
    aggregate-engine-logging allow-credentials async-scheduling calculate-kv-scales cudagraph-metrics
    data-parallel-external-lb data-parallel-hybrid-lb disable-access-log-for-endpoints
    disable-cascade-attn disable-chunked-mm-input disable-custom-all-reduce disable-fastapi-docs
    disable-frontend-multiprocessing disable-hybrid-kv-cache-manager disable-log-requests disable-log-stats
    disable-sliding-window disable-uvicorn-access-log enable-auto-tool-choice enable-chunked-prefill
    enable-dbo enable-eplb enable-expert-parallel enable-force-include-usage enable-log-deltas enable-log-outputs
    enable-log-requests enable-lora enable-lora-bias enable-mfu-metrics enable-mm-embeds
    enable-prefix-caching enable-prompt-embeds enable-prompt-tokens-details enable-request-id-headers
    enable-reasoning enable-server-load-tracking enable-sleep-mode enable-ssl-refresh
    enable-tokenizer-info-endpoint enforce-eager exclude-tools-when-tool-choice-none headless
    interleave-mm-strings language-model-only ray-workers-use-nsight return-tokens-as-token-ids
    skip-mm-profiling skip-tokenizer-init trust-remote-code trust-request-chat-template use-tqdm-on-load
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser, naming itself as vLLM's does."""
    parser = argparse.ArgumentParser(prog="vllm", usage="vllm [-h] [-v] {chat,complete,serve,launch,bench,...} ...")
    parser.add_argument("-v", "--version", action="version", version=VERSION)
    parser.add_argument("model_tag", nargs="?")
    parser.add_argument("--model")
    parser.add_argument("--served-model-name", nargs="+", default=[])
    parser.add_argument("--host")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--api-key", nargs="+", default=[])
    parser.add_argument("--revision")
    parser.add_argument("--tensor-parallel-size", "-tp", type=int, default=1)
    parser.add_argument("--max-model-len", default="131072")
    parser.add_argument("--lora-modules", nargs="+", default=[])
    parser.add_argument("--shutdown-timeout", type=float, default=0.0)
    parser.add_argument("--ssl-keyfile")
    parser.add_argument("--ssl-certfile")
    for name in WITH_VALUE.split():
        parser.add_argument(f"--{name}")
    for name in SWITCHES.split():
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction)
    return parser


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Parse the words after `vllm`, with or without `serve`; ends the process with 2 as argparse does."""
    given = list(words[1:] if words[:1] == ["serve"] else words)
    parsed = build_parser().parse_args([dashed(word) for word in given])
    parsed.model = parsed.model_tag or parsed.model or DEFAULT_MODEL
    parsed.served_model_name = parsed.served_model_name or [parsed.model]
    parsed.max_model_len = parse_length(parsed.max_model_len)
    return parsed


def dashed(word: str) -> str:
    """vLLM takes --max_model_len for --max-model-len."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return name.replace("_", "-") + equals + value


def parse_length(text: str) -> int:
    """A number of tokens, where 8k is 8000, 8K is 8192 and auto (or -1) is what the model has."""
    factors = {"k": 1000, "K": 1024, "m": 1000**2, "M": 1024**2}
    if text in ("auto", "-1"):
        return 131072
    if text[-1:] in factors:
        return int(float(text[:-1]) * factors[text[-1]])
    return int(text)
