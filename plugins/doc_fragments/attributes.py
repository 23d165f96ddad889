# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules can do, in the words of Ansible's documentation."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in check mode, when in diff mode.
    support: full
  platform:
    description: Operating systems that the module runs on.
    platforms: posix
    support: full
"""

    # For modules that change nothing.
    READ_ONLY = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying the target.
    support: full
    details: The module changes nothing.
  diff_mode:
    description: Returns details on what has changed, or would change in check mode, when in diff mode.
    support: none
    details: The module changes nothing.
  platform:
    description: Operating systems that the module runs on.
    platforms: posix
    support: full
"""
