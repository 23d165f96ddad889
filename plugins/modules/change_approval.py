#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses a change that nobody else has approved."""

from __future__ import annotations

DOCUMENTATION = r"""
module: change_approval
short_description: Refuse a change of a model that was not approved
version_added: 0.1.0
description:
  - In a job of AWX that is part of a workflow, asks the controller who launched the workflow, who approved it, and what
    was shown before. Refuses if these are the same person, if nobody approved or the approval is too old, or if what
    would be deployed is not what was shown.
  - Elsewhere looks at an approval that is given with the run, as O(policy) wants it.
  - What cannot be seen counts as not approved. Asks nobody, and changes nothing.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  model_name:
    description: The model.
    type: str
    required: true
  environment:
    description: The environment.
    type: str
    required: true
    choices: [development, staging, production]
  identity:
    description: What would be deployed, as RV(ai_aas.inference.helm_release_plan#module:identity) says.
    type: dict
    required: true
  policy:
    description:
      - What is needed outside of AWX. V(none) needs nothing, also inside of it. V(stated) needs O(approval_identity)
        and O(approval_reason), or O(approval_file). V(signed) needs O(approval_file).
    type: str
    choices: [none, stated, signed]
    required: true
  approval_identity:
    description: The hash of what was approved, which is RV(identity_hash).
    type: str
    default: ''
  approval_reason:
    description: Why, in 10 characters or more.
    type: str
    default: ''
  approval_file:
    description:
      - A text of JSON that somebody has signed with C(gpg --clear-sign), with the keys C(environment), C(identities)
        (a hash by model) and C(reason).
    type: path
  approval_keyring:
    description: The exported public keys of those who may sign.
    type: path
  max_age:
    description: How old an approval may be, in hours.
    type: float
    default: 24
  workflow_job:
    description: The number of the workflow's job, which AWX gives to each job as C(awx_workflow_job_id).
    type: int
  controller_host:
    description: Where the controller is. By default E(CONTROLLER_HOST).
    type: str
  controller_token:
    description: A token that may read the workflow. By default E(CONTROLLER_OAUTH_TOKEN).
    type: str
  validate_certs:
    description: Whether the controller's certificate is verified.
    type: bool
    default: true
extends_documentation_fragment:
  - ai_aas.inference.attributes.read_only
requirements:
  - gpgv, for signed approvals
seealso:
  - module: ai_aas.inference.helm_release_plan
"""

EXAMPLES = r"""
- name: Go on only if somebody else has approved the change
  ai_aas.inference.change_approval:
    model_name: gpt-oss-20b
    environment: production
    identity: "{{ plan.identity }}"
    policy: signed
    approval_file: approvals/gpt-oss-20b.asc
    approval_keyring: /etc/inference/approvers.gpg
    workflow_job: "{{ awx_workflow_job_id | default(omit) }}"
"""

RETURN = r"""
identity_hash:
  description: The hash of what would be deployed, which is what is approved.
  returned: success
  type: str
  sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
how:
  description: C(none), C(stated), C(signed) or C(workflow).
  returned: success
  type: str
  sample: workflow
launched_by:
  description: Who asked for the change, as far as that is known.
  returned: success
  type: str
  sample: alice
approved_by:
  description: Who approved it. Of a signed approval the fingerprint of the key.
  returned: success
  type: str
  sample: bob
approved_at:
  description: When.
  returned: success
  type: str
  sample: "2026-11-01T11:00:00+00:00"
reason:
  description: Why, where it was given with the approval.
  returned: success
  type: str
  sample: ''
"""

from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.gate import approval
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import environment_argument

ARGUMENTS: dict[str, Any] = {
    "model_name": {"type": "str", "required": True},
    **environment_argument(required=True),
    "identity": {"type": "dict", "required": True},
    "policy": {"type": "str", "required": True, "choices": ["none", "stated", "signed"]},
    "approval_identity": {"type": "str", "default": ""},
    "approval_reason": {"type": "str", "default": ""},
    "approval_file": {"type": "path"},
    "approval_keyring": {"type": "path", "no_log": False},
    "max_age": {"type": "float", "default": 24.0},
    "workflow_job": {"type": "int"},
    "controller_host": {"type": "str", "fallback": (env_fallback, ["CONTROLLER_HOST"])},
    "controller_token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["CONTROLLER_OAUTH_TOKEN"])},
    "validate_certs": {"type": "bool", "default": True},
}


def execute(module: AnsibleModule) -> dict[str, Any]:
    """Decide, or refuse."""

    def run(words: Sequence[str]) -> tuple[int, str, str]:
        code, output, errors = module.run_command(list(words))
        return int(code), str(output), str(errors)

    return approval(module.params, run)


def main() -> None:
    run_module(execute, argument_spec=ARGUMENTS)


if __name__ == "__main__":
    main()
