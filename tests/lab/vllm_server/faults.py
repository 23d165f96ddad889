# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way the stand-in can misbehave, in one table. A new fault is one more line, unless it needs a new field.

No fault touches /_lab; only of a server that no longer listens, nothing can be asked.
"""

from __future__ import annotations

from typing import NamedTuple

FOREVER = float("inf")
ENGINE_FAILED = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"
ENGINE_DEAD = "EngineCore encountered an issue. See stack trace (above) for the root cause."
HANGS = "hangs"


class Fault(NamedTuple):
    """What differs from a healthy server."""

    exit_code: int | None = None
    """The process ends with this code instead of serving..."""
    while_loading: bool = True
    """...after its load time, or else before it."""
    log: tuple[str, ...] = ()
    """Written as error lines before the process ends."""
    delay: float = 0.0
    """Seconds before a completion's first token; FOREVER freezes the engine and its metrics."""
    queue: tuple[int, int] = (0, 0)
    """Other requests (running, waiting) that the metrics tell of while tokens go on being made for them."""
    text: str | None = None
    """Each token's text."""
    status: int = 200
    """Status of each completion..."""
    every: int = 1
    """...or only of each second, third..."""
    message: str = ENGINE_DEAD
    """...and its message when it is not 200."""
    ends: str | None = None
    """Each completion ends at once with this finish_reason, without a token."""
    dies_at_token: bool = False
    """The engine dies when it makes a token, and the server a moment later."""
    dies: bool = False
    """The engine is dead now: everything answers 503, and the server ends a moment later."""
    chat_template: bool = True
    """Without one a chat answers 400 while completions work."""
    dies_after_token: bool = False
    """The server ends a moment after a completion that went well."""
    health_fails_after: bool = False
    """/health is 503 once a completion has begun."""
    sleep_state: str = "awake"
    """What /metrics tells of it."""
    shows_running: bool = True
    """/metrics counts the requests that wait for a frozen engine."""
    served: str | None = None
    """The only model's name, instead of those of the arguments."""
    listens: bool = True
    """Else connections are refused while the process lives."""
    way: str = ""
    """HANGS or a name in hostile.WAYS: what becomes of answers..."""
    where: str = "/"
    """...to paths that begin so."""


HEALTHY = Fault()

FAULTS: dict[str, Fault] = {
    "frozen": Fault(delay=FOREVER),
    "engine-dead": Fault(dies=True),
    "dies-at-first-token": Fault(dies_at_token=True),
    "nan": Fault(text=""),
    "overloaded": Fault(delay=10.0, queue=(4, 56)),
    "error-500": Fault(status=500),
    "no-chat-template": Fault(chat_template=False),
    "draining": Fault(status=500, message="cannot schedule new futures after shutdown"),
    "aborts": Fault(ends="abort"),
    "zero-tokens": Fault(ends="stop"),
    "paused": Fault(delay=FOREVER, shows_running=False),
    "sleeping": Fault(delay=FOREVER, shows_running=False, sleep_state="weights_offloaded"),
    "error-400": Fault(status=400, message="This model's maximum context length is 0 tokens."),
    "error-string": Fault(status=500, way="error-string"),
    "no-usage": Fault(way="no-usage"),
    "flaky": Fault(status=500, every=2),
    "health-fails-after": Fault(health_fails_after=True),
    "dies-after-token": Fault(dies_after_token=True),
    "other-model": Fault(served="someone-else"),
    "stops-listening": Fault(listens=False),
    "models-hang": Fault(way=HANGS, where="/v1/models"),
    "models-empty": Fault(way="models-empty", where="/v1/models"),
    "models-not-a-list": Fault(way="models-not-a-list", where="/v1/models"),
    "names-null": Fault(way="names-null", where="/v1/models"),
    "metrics-hang": Fault(delay=FOREVER, way=HANGS, where="/metrics"),
    "metrics-missing": Fault(way="not-found", where="/metrics"),
    "metrics-garbage": Fault(way="garbage-text", where="/metrics"),
    # Of a whole server: these end a connection at once.
    "html-error": Fault(way="html-error"),
    "gzip": Fault(way="gzip"),
    "gzip-broken": Fault(way="gzip-broken"),
    "not-http": Fault(way="not-http"),
    "empty-reply": Fault(way="empty-reply"),
    "reset": Fault(way="reset"),
    # Below /v1 only, since a probe of /health, which may read without a limit, is not what they are for.
    "html-ok": Fault(way="html-ok", where="/v1/"),
    "redirect": Fault(way="redirect", where="/v1/"),
    "redirect-loop": Fault(way="redirect-loop", where="/v1/"),
    "truncated-json": Fault(way="truncated-json", where="/v1/"),
    "truncated-body": Fault(way="truncated-body", where="/v1/"),
    "endless-stream": Fault(way="endless-stream", where="/v1/"),
    "slow-headers": Fault(way="slow-headers", where="/v1/"),
    "header-bomb": Fault(way="header-bomb", where="/v1/"),
    "long-header": Fault(way="long-header", where="/v1/"),
    "continue-forever": Fault(way="continue-forever", where="/v1/"),
    "gzip-bomb": Fault(way="gzip-bomb", where="/v1/models"),
    "slow-drip": Fault(way="slow-drip", where="/v1/models"),
    "big-body": Fault(way="big-body", where="/v1/models"),
    "invalid-utf8": Fault(way="invalid-utf8", where="/v1/models"),
    "deep-json": Fault(way="deep-json", where="/v1/models"),
    # The process ends instead of serving.
    "bad-flag": Fault(
        exit_code=2,
        while_loading=False,
        log=(
            "usage: vllm [-h] [-v] {chat,complete,serve,launch,bench,...} ...",
            "vllm: error: unrecognized arguments: --max-modell-len 4096",
        ),
    ),
    "bad-model-path": Fault(
        exit_code=1,
        log=(
            "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or "
            "'namespace/repo_name': '{model}'. Use `repo_type` argument if needed.",
        ),
    ),
    "missing-model": Fault(
        exit_code=1,
        log=(
            "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file on "
            "the Hub and we cannot find the requested files in the local cache. Please check your connection and "
            "try again or make sure your Internet connection is on.",
        ),
    ),
    "gated-model": Fault(
        exit_code=1,
        log=(
            "huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1-0)",
            "OSError: You are trying to access a gated repo.",
            "Make sure to have access to it at https://huggingface.co/{model}.",
            "401 Client Error. Cannot access gated repo for url https://huggingface.co/{model}/resolve/main/config.json.",
            "Access to model {model} is restricted. You must have access to it and be authenticated to access it. "
            "Please log in.",
        ),
    ),
    "truncated-weights": Fault(
        exit_code=1,
        log=(
            "safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata, "
            "file not fully covered",
            ENGINE_FAILED,
        ),
    ),
    "cuda-oom": Fault(
        exit_code=1,
        log=(
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of "
            "23.64 GiB of which 1.07 GiB is free.",
            ENGINE_FAILED,
        ),
    ),
    "unsupported-architecture": Fault(
        exit_code=1,
        log=("ValueError: Model architectures ['FutureForCausalLM'] are not supported for now.",),
    ),
    "port-in-use": Fault(exit_code=1, while_loading=False, log=("OSError: [Errno 98] Address already in use",)),
    "no-driver": Fault(
        exit_code=1,
        while_loading=False,
        log=(
            "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and "
            "installed a driver from http://www.nvidia.com/Download/index.aspx",
            "RuntimeError: Failed to infer device type, please set the environment variable "
            "`VLLM_LOGGING_LEVEL=DEBUG` to turn on verbose logging to help debug the issue.",
        ),
    ),
    "no-kv-cache": Fault(
        exit_code=1,
        log=(
            "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
            "initializing the engine.",
            ENGINE_FAILED,
        ),
    ),
    "model-too-long": Fault(
        exit_code=1,
        log=(
            "ValueError: The model's max seq len (131072) is larger than the maximum number of tokens that can be "
            "stored in KV cache (22176). Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when "
            "initializing the engine.",
            ENGINE_FAILED,
        ),
    ),
    "tensor-parallel": Fault(
        exit_code=1,
        log=(
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ParallelConfig",
            "  Value error, World size (4) is larger than the number of available GPUs (1) in this node. If this is "
            "intentional and you are using:",
            "- ray, set '--distributed-executor-backend ray'.",
            "- multiprocessing, set '--nnodes' appropriately.",
        ),
    ),
    "disk-full": Fault(
        exit_code=1,
        log=(
            "UserWarning: Not enough free disk space to download the file.",
            "OSError: [Errno 28] No space left on device",
            ENGINE_FAILED,
        ),
    ),
    "hub-unreachable": Fault(
        exit_code=1,
        log=(
            "'[Errno -3] Temporary failure in name resolution' thrown while requesting HEAD "
            "https://huggingface.co/{model}/resolve/main/config.json",
            "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file on "
            "the Hub and we cannot find the requested files in the local cache.",
            "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in "
            "the cached files.",
        ),
    ),
    "hub-unauthorised": Fault(
        exit_code=1,
        log=(
            "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1-0)",
            "Repository Not Found for url: https://huggingface.co/{model}/resolve/main/config.json.",
            "Please make sure you specified the correct `repo_id` and `repo_type`.",
            "Invalid username or password.",
        ),
    ),
    "silent-crash": Fault(exit_code=1),
    "segfault": Fault(exit_code=139, log=("!!!!!!! Segfault encountered !!!!!!!",)),
}


def find_fault(name: str | None) -> Fault:
    """The fault of that name; none is a healthy server. KeyError tells a wrong name."""
    return FAULTS[name] if name else HEALTHY
