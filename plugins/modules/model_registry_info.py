#!/usr/bin/python
# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists entries of the model registry."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_registry_info
short_description: List entries of the model registry
version_added: 0.1.0
description:
  - Reads the entries of the registry, as data and as a table for people.
  - Rows of the table that belong to no environment are no deployments and are left out.
author:
  - The ai_aas.inference maintainers (@ai-aas)
extends_documentation_fragment:
  - ai_aas.inference.attributes.read_only
  - ai_aas.inference.registry
options:
  model_name:
    description:
      - Only entries of this model.
    type: str
  environment:
    description:
      - Only entries of this environment.
    type: str
    choices: [development, staging, production]
  status:
    description:
      - Only entries with this status.
    type: str
    choices: [pending, deploying, ready, degraded, failed, disabled]
  stale_after:
    description:
      - Only entries whose health was last checked more than this many seconds ago, or never.
    type: float
  history:
    description:
      - Return also what was changed, by whom and why. O(model_name) and O(environment) apply to it.
    type: bool
    default: false
  history_limit:
    description:
      - The number of changes that are returned at most, the latest ones.
    type: int
    default: 100
notes:
  - The history lists what M(ai_aas.inference.model_registry_entry) documents to be in it. Where the role finds or may
    read none, it is empty and a warning says so.
seealso:
  - module: ai_aas.inference.model_registry_entry
  - module: ai_aas.inference.model_registry_schema
"""

EXAMPLES = r"""
- name: Read what is routed to in production
  ai_aas.inference.model_registry_info:
    environment: production
    status: ready
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"
  register: registered

- name: Show it
  ansible.builtin.debug:
    var: registered.table

- name: Find what no health check has looked at for five minutes
  ai_aas.inference.model_registry_info:
    status: ready
    stale_after: 300

- name: Ask who changed a model in production, and why
  ai_aas.inference.model_registry_info:
    model_name: gpt-oss-20b
    environment: production
    history: true
  register: asked

- name: Show the answer
  ansible.builtin.debug:
    var: asked.history_table
"""

RETURN = r"""
entries:
  description: The entries, by environment and name. What the table has no column for is null.
  returned: success
  type: list
  elements: dict
  sample:
    - id: 42
      model_id: 0b1f6a0e-9d1c-4a55-8f0e-0f4d6f3c2a11
      organization_id: 00000000-0000-0000-0000-000000000000
      model_name: gpt-oss-20b
      environment: development
      endpoint: gpt-oss-20b-vllm-deployment.system.svc.cluster.local:8000
      namespace: system
      status: ready
      revision: 1
      deployment_target: self_hosted
      cost_per_1k_tokens: 0.0
      metadata: {}
      last_health_check_at: null
      created_at: "2025-01-27T12:00:00Z"
      updated_at: "2025-01-27T12:00:00Z"
count:
  description: How many entries there are.
  returned: success
  type: int
  sample: 1
table:
  description: The entries as lines of a table, beginning with its heading. Times are in UTC.
  returned: success
  type: list
  elements: str
  sample:
    - ID | Model Name | Endpoint                        | Status | Environment | Namespace | Last Health | Updated
    - 42 | tiny       | tiny.lab.svc.cluster.local:8000 | ready  | staging     | lab       |             |
history:
  description: The changes, the latest one first.
  returned: with O(history=true)
  type: list
  elements: dict
  contains:
    id:
      description: Number of the change. A later one has a higher number.
      type: int
    changed_at:
      description: When it was made, in UTC.
      type: str
    operation:
      description: C(insert), C(update), C(delete), or C(truncate) for each row that a TRUNCATE took away.
      type: str
    model_name:
      description: The model.
      type: str
    environment:
      description: The environment.
      type: str
    actor:
      description: Who made it. Null where another tool did.
      type: str
    role:
      description: The role of the database that made it.
      type: str
    reason:
      description: Why it was made.
      type: str
    job:
      description: The job that made it.
      type: dict
    before:
      description: The declared values before it. Null for a new entry.
      type: dict
    after:
      description: The declared values after it. Null for one that is gone.
      type: dict
    changed:
      description: Names of the values that differ.
      type: list
      elements: str
history_table:
  description: The changes as lines of a table, beginning with its heading. Times are in UTC.
  returned: with O(history=true)
  type: list
  elements: str
  sample:
    - When             | Who   | What   | Model Name | Environment | Changed         | Reason        | Job
    - 2025-01-27 12:00 | alice | update | tiny       | staging     | status=disabled | incident 1234 | awx_job_id=12
timings:
  description: Seconds by step.
  returned: success
  type: dict
  sample: {connect: 0.0081, read: 0.0042, commit: 0.0002}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import (
    connection_arguments,
    environment_argument,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.listing import list_entries
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.secrecy import guarded

ARGUMENTS = {
    "model_name": {"type": "str"},
    **environment_argument(required=False),
    "status": {
        "type": "str",
        "choices": ["pending", "deploying", "ready", "degraded", "failed", "disabled"],
    },
    "stale_after": {"type": "float"},
    "history": {"type": "bool", "default": False},
    "history_limit": {"type": "int", "default": 100},
}


@guarded
def read(module: AnsibleModule) -> dict[str, object]:
    return list_entries(module.params)


def main() -> None:
    run_module(read, libraries=("psycopg2",), argument_spec={**ARGUMENTS, **connection_arguments()})


if __name__ == "__main__":
    main()
