# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from tests.lab.kubelet.api import Api
from tests.lab.kubelet.kubelet import Kubelet
from tests.lab.kubelet.settings import read_settings


async def serve(kubeconfig: Path, state_dir: Path) -> None:
    """Be the kubelet until SIGTERM or Ctrl-C."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    (state_dir / "kubelet.ready").unlink(missing_ok=True)
    (state_dir / "pods").mkdir(parents=True, exist_ok=True)
    api = Api(kubeconfig, state_dir / "kubelet")
    await Kubelet(api, read_settings(state_dir)).run(end)


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.kubelet", description="The lab's kubelet.")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    given = parser.parse_args()
    asyncio.run(serve(given.kubeconfig.absolute(), given.state_dir.absolute()))


if __name__ == "__main__":
    main()
