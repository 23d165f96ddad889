# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that block, in threads that nobody has to wait for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from functools import partial

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._health.workers import Workers

HUNG = """
import asyncio, time
from ansible_collections.ai_aas.inference.plugins.module_utils._health.workers import Workers

async def main():
    try:
        await asyncio.wait_for(Workers("names").call(lambda: time.sleep(60)), 0.1)
    except TimeoutError:
        print("given up")

asyncio.run(main())
"""


def test_results_and_errors_come_back() -> None:
    async def main() -> None:
        workers = Workers("w", 2)
        calls = [workers.call(partial(abs, number)) for number in range(20)]
        assert await asyncio.gather(*calls) == list(range(20))
        with pytest.raises(ZeroDivisionError):
            await workers.call(lambda: 1 / 0)
        workers.end()

    asyncio.run(main())


def test_no_more_threads_than_told_and_no_more_than_needed() -> None:
    async def main() -> tuple[int, int]:
        one, many = Workers("one", 5), Workers("many", 3)
        for _unused in range(4):
            await one.call(lambda: None)
        await asyncio.gather(*(many.call(lambda: time.sleep(0.01)) for _unused in range(9)))
        one.end()
        many.end()
        return one.started, many.started

    assert asyncio.run(main()) == (1, 3)


def test_a_call_that_hangs_keeps_no_process_from_ending() -> None:
    done = subprocess.run([sys.executable, "-c", HUNG], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "given up\n"


def test_a_result_that_comes_too_late_is_nobodys() -> None:
    release = threading.Event()

    async def main() -> Workers:
        workers = Workers("w")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(workers.call(release.wait), 0.01)
        return workers

    workers = asyncio.run(main())
    release.set()
    assert asyncio.run(workers.call(lambda: 7)) == 7
    workers.end()
