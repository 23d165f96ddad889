# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lines of a container's log tell of its end. They are vLLM's and its libraries' own."""

from __future__ import annotations

import time

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.diagnosis import (
    CAUSES,
    cause_of,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import REASONS
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.text import LONGEST, readable
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.vllm_server.faults import ENGINE_FAILED, FAULTS

CORE = "(EngineCore pid=98) ERROR 11-23 10:42:14 [core.py:1108] "
API = "(APIServer pid=1) "
LINES: dict[str, list[str]] = {
    "bad_flag": [
        "vllm: error: unrecognized arguments: --max-modell-len 4096",
        "vllm serve: error: argument --dtype: invalid choice: 'fp3' (choose from auto, half, float16)",
        "vllm serve: error: argument --max-model-len: invalid human_readable_int value: '4q'",
        "api_server.py: error: ambiguous option: --enable could match --enable-lora, --enable-mfu-metrics",
        "api_server.py: error: the following arguments are required: --model",
        "vllm serve: error: argument --port: expected one argument",
    ],
    "model_gated": [
        "huggingface_hub.errors.GatedRepoError: 403 Client Error. (Request ID: Root=1-0)",
        f"{API}OSError: You are trying to access a gated repo.",
        "Cannot access gated repo for url https://huggingface.co/google/gemma-3-4b-it/resolve/main/config.json.",
        "Access to model google/gemma-3-4b-it is restricted. You must have access to it. Please log in.",
        "Invalid username or password.",
    ],
    "model_not_found": [
        f"{API}huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error. (Request ID: x)",
        "huggingface_hub.errors.RevisionNotFoundError: 404 Client Error. (Request ID: Root=1-0)",
        "huggingface_hub.errors.RemoteEntryNotFoundError: 404 Client Error. (Request ID: Root=1-0)",
        "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name': '/models/x'.",
        "OSError: /models/x does not appear to have a file named config.json. Checkout 'https://...'",
        "OSError: org/x is not a local folder and is not a valid model identifier listed on",
        "  Value error, Invalid repository ID or local directory specified: '/model-store'.",
    ],
    "hub_unreachable": [
        "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file",
        "huggingface_hub.errors.OfflineModeIsEnabled: Cannot reach https://huggingface.co/api/models/x",
        "huggingface_hub.errors.HfHubHTTPError: 504 Server Error: Gateway Time-out for url: https://...",
        "requests.exceptions.ConnectionError: (MaxRetryError('HTTPSConnectionPool(host=\\'huggingface.co\\'",
        "Failed to resolve 'huggingface.co' ([Errno -3] Temporary failure in name resolution)",
        "Max retries exceeded with url: /x (Caused by SSLError(...)) host='cdn-lfs.hf.co', port=443",
        "httpx.ConnectTimeout: timed out while requesting HEAD https://huggingface.co/x/config.json",
        "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them",
    ],
    "weights_truncated": [
        f"{CORE}safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata",
        "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge",
        "Exception: Error while deserializing header: MetadataIncompleteBuffer",
        "_pickle.UnpicklingError: invalid load key, 'v'.",
    ],
    "unsupported_architecture": [
        "ValueError: Model architectures ['FutureForCausalLM'] are not supported for now.",
        "  Value error, Model architectures ['X'] are not supported for now. Supported: ['A']",
        "has model type `x` but Transformers does not recognize this architecture. This could be",
    ],
    "context_too_long": [
        f"{CORE}ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
        "ValueError: The model's max seq len (8192) is larger than the maximum number of tokens that can be",
        f"{CORE}ValueError: To serve at least one request with the models's max seq len (131072), (4.11 GiB KV cache "
        "is needed, which is larger than the available KV cache memory (4.0 GiB). Based on the available memory, the "
        "estimated maximum model length is 127776.",
        "ValueError: To serve at least one request with the model's max seq len (917504), 23.38 GiB KV cache is needed,"
        " which is larger than the available KV cache memory (22.61 GiB).",
    ],
    "cuda_out_of_memory": [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total",
        "torch.cuda.OutOfMemoryError: HIP out of memory. Tried to allocate 1.50 GiB.",
        "RuntimeError: CUDA error: out of memory",
        "CUDA out of memory occurred when warming up sampler with 256 dummy requests.",
        "ValueError: Free memory on device cuda:0 (19.77/22.05 GiB) on startup is less than desired GPU memory "
        "utilization (0.9, 19.84 GiB).",
    ],
    "no_gpu": [
        "RuntimeError: Failed to infer device type, please set the environment variable `VLLM_LOGGING_LEVEL=DEBUG`",
        "RuntimeError: No CUDA GPUs are available",
        "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU",
        "  Value error, World size (4) is larger than the number of available GPUs (1) in this node. If this is",
        "torch.AcceleratorError: CUDA error: no CUDA-capable device is detected",
        "WARNING: The NVIDIA Driver was not detected.  GPU functionality will not be available.",
    ],
    "port_in_use": [
        f"{API}OSError: [Errno 98] Address already in use",
        "zmq.error.ZMQError: Address already in use (addr='tcp://127.0.0.1:5557')",
    ],
    "disk_full": [
        f"{API}OSError: [Errno 28] No space left on device",
        "RuntimeError: Data processing error: CAS service error: No space left on device (os error 28)",
    ],
    "engine_died": [
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above)",
        "ERROR 11-23 10:42:14 [core_client.py:610] EngineCore died unexpectedly.",
    ],
}  # fmt: skip
TOLD = [(reason, line) for reason, lines in LINES.items() for line in lines]

HARMLESS = [
    f"{API}INFO 11-23 10:42:14 [model.py:1745] Using max model len 262144",
    f"{API}INFO 11-23 10:42:14 [api_server.py:616] Starting vLLM server on http://0.0.0.0:8000",
    f"{API}INFO 11-23 10:42:14 [launcher.py:46] Route: /v1/chat/completions, Methods: POST",
    'INFO:     10.12.17.5:58280 - "POST /v1/completions HTTP/1.1" 500 Internal Server Error',
    f"{CORE}Error retrieving file list: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/models/x'."
    " Use `repo_type` argument if needed., retrying 1 of 2",
    f"{CORE}EngineCore failed to start.",
    ENGINE_FAILED,
    "Traceback (most recent call last):",
    "WARNING 11-23 10:42:14 [envs.py:2128] Unknown vLLM environment variable detected: VLLM_ERROR",
    "Warning: You are sending unauthenticated requests to the HF Hub. Please set a HF_TOKEN to enable",
    "INFO 11-23 10:42:14 [gpu_worker.py:492] Initial free memory 31.16 GiB, reserved 4.25 GiB. If OOM'ed, check",
    "INFO 11-23 10:42:14 [kv_cache_utils.py:1091] Maximum concurrency for 65,536 tokens per request: 6.49x",
    "INFO 11-23 10:42:14 [gpu_worker.py:298] Available KV cache memory: 16.23 GiB",
    "INFO 11-23 10:42:14 [shm_broadcast.py:466] No available shared memory broadcast block found in 60 seconds.",
    "DEBUG 11-23 10:42:14 [__init__.py:45] TPU platform is not available because: No module named 'libtpu'",
    "WARNING 11-23 10:42:14 CUDA graphs can take additional 1~3 GiB memory per GPU. If you are running out of memory",
    "INFO 11-23 10:42:14 [serving_chat.py:77] \"auto\" tool choice has been enabled please note that errors may occur",
    "ERROR 11-23 10:42:14 [serving.py:12] Error with model error=ErrorInfo(message='The model `x` does not exist.')",
    "HTTPSConnectionPool(host='stats.vllm.ai', port=443): Max retries exceeded with url: / (NewConnectionError)",
    "config.json: 100%|##########| 663/663 [00:00<00:00, 5.66MB/s]",
    "WARNING 11-23 10:42:14 [launcher.py:61] port 8000 is used by process psutil.Process(pid=7, name='vllm')",
    "NCCL version 2.27.3+cuda12.9",
    "",
    # Words of the table in lines that mean something else
    "NOTE: Legacy NVIDIA Driver detected.  Compatibility mode ENABLED.",
    "WARNING [urllib3.connectionpool] Connection pool is full, discarding connection: huggingface.co. Size: 10",
    "malloc(): corrupted top size",
    "corrupted double-linked list",
    "double free or corruption (!prev)",
]  # fmt: skip

# The faults of the stand-in server that end it, as its log tells them.
OF_FAULTS = {
    "bad-flag": "bad_flag",
    "bad-model-path": "model_not_found",
    "missing-model": "hub_unreachable",
    "gated-model": "model_gated",
    "truncated-weights": "weights_truncated",
    "cuda-oom": "cuda_out_of_memory",
    "unsupported-architecture": "unsupported_architecture",
    "port-in-use": "port_in_use",
    "no-driver": "no_gpu",
    "no-kv-cache": "context_too_long",
    "model-too-long": "context_too_long",
    "tensor-parallel": "no_gpu",
    "disk-full": "disk_full",
    "hub-unreachable": "hub_unreachable",
    "hub-unauthorised": "model_gated",
    "silent-crash": None,
    "segfault": None,
}


@pytest.mark.parametrize(("reason", "line"), TOLD, ids=[f"{reason}: {line[:60]}" for reason, line in TOLD])
def test_line_that_tells(reason: str, line: str) -> None:
    found = cause_of(["INFO hello", line, ENGINE_FAILED])
    assert found == (reason, readable(line))


@pytest.mark.parametrize("line", HARMLESS, ids=[line[-60:] for line in HARMLESS])
def test_line_that_tells_nothing(line: str) -> None:
    assert cause_of([line]) is None


def test_each_cause_has_more_than_one_line() -> None:
    for reason in {reason for reason, _pattern in CAUSES}:
        assert reason in REASONS
        assert len(LINES[reason]) >= 2, reason


def test_each_pattern_is_needed() -> None:
    for _reason, pattern in CAUSES:
        assert any(pattern.search(line) for _each, line in TOLD), pattern.pattern


@pytest.mark.parametrize(("fault", "reason"), OF_FAULTS.items())
def test_the_last_log_of_the_stand_in(fault: str, reason: str | None) -> None:
    found = cause_of([line.replace("{model}", "org/m") for line in FAULTS[fault].log])
    assert (found[0] if found else None) == reason


def test_each_fault_that_ends_the_server_has_a_cause() -> None:
    ending = {name for name, fault in FAULTS.items() if fault.exit_code is not None and fault.log}
    assert ending <= set(OF_FAULTS)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["EngineDeadError", "CUDA out of memory"], "cuda_out_of_memory"),
        (["No space left on device", "safetensors_rust.SafetensorError: x"], "weights_truncated"),
        (["LocalEntryNotFoundError: x", "GatedRepoError: 401"], "model_gated"),
        ([], None),
    ],
)
def test_the_most_specific_line_counts(lines: list[str], reason: str | None) -> None:
    for order in (lines, lines[::-1]):
        found = cause_of(order)
        assert (found[0] if found else None) == reason


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("  plain \n", "plain"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("a\x00b\tc\rd\x07", "a b c d"),
        ("\u202eevil\u2028x\u200b", "evil x"),
        ("ä 中 🙂", "ä 中 🙂"),
        ("\udcff", ""),
        ("x" * LONGEST, "x" * LONGEST),
        ("x" * (LONGEST + 1), "x" * LONGEST + "…"),
        (" " * 9999, ""),
    ],
)
def test_readable(line: str, told: str) -> None:
    assert readable(line) == told


HOSTILE = "ab \x00\x07\t\n\r\x1b\x7f\x9b\u200b\u2028\u202e\ud800\ufffeé中🙂"


@given(st.text(HOSTILE, max_size=9), st.integers(1, 60))
def test_whatever_a_line_holds_it_is_printable_and_short(line: str, times: int) -> None:
    told = readable(line * times)
    assert told.isprintable()
    assert len(told) <= LONGEST + 1


@given(st.lists(st.text(HOSTILE, max_size=9) | st.sampled_from([line for _reason, line in TOLD]), max_size=3))
def test_any_log_can_be_read(lines: list[str]) -> None:
    found = cause_of(lines)
    assert found is None or (found[0] in REASONS and found[1] in map(readable, lines))


@pytest.mark.parametrize("word", ["Connection ", "architecture "])
def test_a_line_without_end_takes_no_time(word: str) -> None:
    """A log may be one line of 256 KiB, and its reader holds up the wait. This is a sixth of it."""
    line, begin = word * (40_000 // len(word)), time.process_time()
    assert cause_of([line]) is None
    assert time.process_time() - begin < 0.2
