# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of strangers as a message can hold them: servers, logs and events say what they like."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 500
LONGEST_MESSAGE = 2000
NAMED = 20
LONGEST_NAME = 100


def readable(text: str, most: int = LONGEST) -> str:
    """A text in one line, without what a terminal would obey, and not endless."""
    cut = text.strip()[: most + 1]
    line = "".join(character if character.isprintable() else " " for character in cut).strip()
    return line if len(cut) <= most else f"{line[:most]}…"


def named(names: Sequence[str]) -> str:
    """Some of the names, and how many more there are."""
    some = ", ".join(readable(name, LONGEST_NAME) for name in names[:NAMED])
    return f"{some} and {len(names) - NAMED} more" if len(names) > NAMED else some
