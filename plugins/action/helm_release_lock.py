# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the module of the same name which run of Ansible it is of: the module alone would not know."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

# A full name: a short one would be looked up in the collections that the play lists.
MODULE = "ai_aas.inference.helm_release_lock"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs the module with the process that forked this worker."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = {"process": os.getppid(), **self._task.args}
        result: dict[str, Any] = self._execute_module(MODULE, arguments, task_vars=task_vars or {})
        return result
