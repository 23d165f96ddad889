# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names what was set for one run and only an inventory may decide."""

from __future__ import annotations

DOCUMENTATION = r"""
name: overridden
short_description: Name what was set for one run and only an inventory may decide
version_added: 0.1.0
description:
  - A variable that is given with C(--extra-vars) is stronger than what any inventory says. This names those among
    C(environment), C(environment_name), C(environment_approval), C(environment_approval_hours),
    C(environment_approval_keyring) and C(environment_only_promoted), so that a play can refuse them.
author:
  - The ai_aas.inference maintainers (@ai-aas)
"""

EXAMPLES = r"""
- name: See that the inventory says which environment it is
  ansible.builtin.assert:
    that: query('ai_aas.inference.overridden') | length == 0
"""

RETURN = r"""
_raw:
  description: Their names.
  type: list
  elements: str
"""

from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars

NAMES = (
    *("environment", "environment_name", "environment_approval", "environment_approval_hours"),
    *("environment_approval_keyring", "environment_only_promoted"),
)


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: Any, variables: Any = None, **kwargs: Any) -> list[str]:
        given = load_extra_vars(self._loader or DataLoader())
        return [name for name in NAMES if name in given]
