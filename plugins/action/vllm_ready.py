# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the progress of a wait while its module runs: one line on stderr whenever something changes."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

SECONDS_BETWEEN_READS = 0.2


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs the module of the same name and follows the file in which it writes its progress."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; without progress where it would run elsewhere, or on its own under async."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        in_background = bool(self._task.async_val)
        if in_background or arguments.get("progress_file") or not self.is_local():
            return self.module_result(arguments, task_vars, in_background)
        host = (task_vars or {}).get("inventory_hostname", "localhost")
        handle, name = tempfile.mkstemp(prefix="vllm_ready.")
        os.close(handle)
        try:
            with Follower(Path(name), f"{host}: "):
                return self.module_result({**arguments, "progress_file": name}, task_vars, wrap_async=False)
        finally:
            os.unlink(name)

    def is_local(self) -> bool:
        """Tell whether the module writes its file where this plugin can read it."""
        return str(self._connection.transport) == "local"

    def module_result(
        self, arguments: dict[str, Any], task_vars: dict[str, Any] | None, wrap_async: bool
    ) -> dict[str, Any]:
        """Run the module, by its full name: a short one could be found in another collection."""
        result: dict[str, Any] = self._execute_module(
            "ai_aas.inference.vllm_ready", arguments, task_vars=task_vars, wrap_async=wrap_async
        )
        return result


class Follower:
    """Shows the lines that are added to a file, as a context manager that ends with the last line shown."""

    def __init__(self, path: Path, prefix: str) -> None:
        self.path = path
        self.prefix = prefix
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.follow, daemon=True)

    def follow(self) -> None:
        """Show what is there and what comes, until the module has ended."""
        with self.path.open(encoding="utf-8", errors="replace") as file:
            ended = False
            while not ended:
                ended = self.ended.wait(SECONDS_BETWEEN_READS)
                for line in file:
                    Display().display(self.prefix + line.rstrip(), stderr=True)

    def __enter__(self) -> Follower:
        self.thread.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self.ended.set()
        self.thread.join()
