# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that utilities raise. Only `_module` turns them into a module's failure."""

from __future__ import annotations

from typing import Any


class InferenceError(Exception):
    """A failure that a user can act on.

    Args:
        what: what failed and where, as one phrase without a full stop.
        why: the cause as far as it was observed; empty if it is unknown.
        remedy: what to do about it, as one or more sentences.
        result: what had been found and done so far; becomes part of the module's result.
    """

    def __init__(self, what: str, why: str = "", remedy: str = "", result: dict[str, Any] | None = None) -> None:
        self.what = what
        self.why = why
        self.remedy = remedy
        self.result = dict(result or {})
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole as one line of text: what, why and what to do."""
        sentence = f"{self.what}: {self.why}" if self.why else self.what
        return f"{sentence.rstrip('.')}. {self.remedy}".strip()


class InvalidInputError(InferenceError):
    """A value that breaks a rule; nothing was tried with it."""
