# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what has to be done in AWX so that it has what is declared."""

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_plan
short_description: Say what has to be done in AWX so that it has what is declared
version_added: 0.1.0
description:
  - Compares what AWX's API answered with the objects that the data of the role P(ai_aas.inference.awx#role) come to.
    The role makes the steps with the modules of awx.awx; without a difference there is no step, and no module runs.
  - Secrets cannot be compared, since AWX does not show them.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  _input:
    description: The data of the role P(ai_aas.inference.awx#role), as its C(vars/main.yml) puts them together.
    type: dict
    required: true
  answers:
    description: The objects of the organization, by endpoint of the API.
    type: dict
    required: true
  surveys:
    description: What each C(related.survey_spec) answered.
    type: dict
    default: {}
  roles:
    description: The roles that each team of the organization holds, by the team's name.
    type: dict
    default: {}
  notifications:
    description: The notification templates of the organization, by event.
    type: dict
    default: {}
  secrets:
    description: The values of credentials, by environment and kind. None of them is part of the result.
    type: dict
    default: {}
  replace_secrets:
    description: Whether credentials that are there get their values again.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what a first run would make
  ansible.builtin.debug:
    msg: "{{ (awx_data | ai_aas.inference.awx_plan(answers)).steps | map(attribute='summary') }}"
  vars:
    answers: "{{ {'organizations': query('awx.awx.controller_api', 'organizations')} }}"
"""

RETURN = r"""
_value:
  description: What has to be done.
  type: dict
  contains:
    steps:
      description: What has to be made or changed, in this order.
      type: list
      elements: dict
      sample: [{action: create, kind: label, name: staging, summary: Create label staging}]
    removals:
      description: What the role made and what is no longer declared, in the order in which it can be removed.
      type: list
      elements: dict
    declared:
      description: How many objects are declared.
      type: int
      sample: 96
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.declaration import declare
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.plan import plan, prune
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.reading import Found
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.settings import settings_from
from ansible_collections.ai_aas.inference.plugins.plugin_utils.errors import failing_as


def awx_plan(
    data: Mapping[str, Any],
    answers: Mapping[str, Any],
    surveys: Mapping[str, Any] | None = None,
    roles: Mapping[str, Any] | None = None,
    notifications: Mapping[str, Any] | None = None,
    secrets: Mapping[str, Any] | None = None,
    replace_secrets: bool = False,
) -> dict[str, Any]:
    with failing_as(AnsibleFilterError):
        settings = settings_from(data)
        declared = declare(settings)
        found = Found(answers, surveys or {}, roles or {}, notifications or {})
        return {
            "steps": plan(declared, found, secrets or {}, replace_secrets),
            "removals": prune(declared, found, settings.mark),
            "declared": len(declared),
        }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"awx_plan": awx_plan}
