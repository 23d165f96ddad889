# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a record where the play runs. A module would be a process of its own, for one small file."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._slo.records import keep_record
from ansible_collections.ai_aas.inference.plugins.modules.slo_record import ARGUMENTS


class ActionModule(ActionBase):  # type: ignore[misc]
    """Keeps the record of a run."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, params = self.validate_argument_spec(argument_spec=ARGUMENTS)
        if self._task.check_mode:
            return {**result, "changed": False, "path": ""}
        try:
            return {**result, "changed": False, "path": str(keep_record(params["records"], params["record"]))}
        except InferenceError as error:
            return {**result, "changed": False, "path": "", "warnings": [error.message]}
