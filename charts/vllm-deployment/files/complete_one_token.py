# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a server for one token under an exact name. An open port, /health and /v1/models prove nothing."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any


def judge(answer: Any) -> str | None:
    """Return what is wrong with an answer. The text may be empty: a token need not be a letter."""
    try:
        made, reason = answer["usage"]["completion_tokens"], answer["choices"][0]["finish_reason"]
    except (LookupError, TypeError):
        return f"the answer is no completion: {str(answer)[:500]}"
    if made < 1 or reason not in ("stop", "length"):
        return f"{made} tokens came, and the end was {reason!r}"
    return None


def ask(url: str, model: str, key: str | None, seconds: float) -> str | None:
    """Return why no token came, None when one did."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    body = json.dumps({"model": model, "prompt": "Hello", "max_tokens": 1}).encode()
    request = urllib.request.Request(f"{url}/v1/completions", body, headers)  # noqa: S310 - the chart's own URL
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=seconds) as answer:
            return judge(json.load(answer))
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}: {error.read(500).decode(errors='replace')}"
    except (OSError, ValueError) as error:
        return str(error)


if __name__ == "__main__":
    problem = ask(sys.argv[1], sys.argv[2], os.environ.get("VLLM_API_KEY"), float(sys.argv[3]))
    if problem:
        sys.exit(f"{sys.argv[2]} does not generate at {sys.argv[1]}: {problem}")
    print(f"{sys.argv[2]} generates at {sys.argv[1]}")
