# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way the stand-in can misbehave, in one table. A new fault is one more line, unless it needs a new field."""

from __future__ import annotations

from typing import NamedTuple

FOREVER = float("inf")
ENGINE_FAILED = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"
ENGINE_DEAD = "EngineCore encountered an issue. See stack trace (above) for the root cause."


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
    """Status of each completion, with the body of a dead engine when it is 500."""
    dies_at_token: bool = False
    """The engine dies when it makes a token, and the server a moment later."""
    dies: bool = False
    """The engine is dead now: everything answers 503, and the server ends a moment later."""
    chat_template: bool = True
    """Without one a chat answers 400 while completions work."""


HEALTHY = Fault()

FAULTS: dict[str, Fault] = {
    "frozen": Fault(delay=FOREVER),
    "engine-dead": Fault(dies=True),
    "dies-at-first-token": Fault(dies_at_token=True),
    "nan": Fault(text=""),
    "overloaded": Fault(delay=10.0, queue=(4, 56)),
    "error-500": Fault(status=500),
    "no-chat-template": Fault(chat_template=False),
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
}


def find_fault(name: str | None) -> Fault:
    """The fault of that name; none is a healthy server. KeyError tells a wrong name."""
    return FAULTS[name] if name else HEALTHY
