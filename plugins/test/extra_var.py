# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells whether a variable was set for this run alone."""

from __future__ import annotations

DOCUMENTATION = r"""
name: extra_var
short_description: Whether a variable was set for this run alone
version_added: 0.1.0
description:
  - Is true for the name of a variable that was given with C(--extra-vars). Such a variable is stronger than what any
    inventory says, so a play may have to refuse it.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  _input:
    description: The name of a variable.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: See that the inventory says which environment it is
  ansible.builtin.assert:
    that: "'environment_name' is not ai_aas.inference.extra_var"
"""

RETURN = r"""
_value:
  description: Whether it was given so.
  type: bool
"""

from collections.abc import Callable

from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars


def extra_var(name: str) -> bool:
    return name in load_extra_vars(DataLoader())


class TestModule:
    def tests(self) -> dict[str, Callable[[str], bool]]:
        return {"extra_var": extra_var}
