#!/usr/bin/python
# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registers, enables, disables and deregisters a model in an environment."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_registry_entry
short_description: Manage a model's entry in the model registry
version_added: 0.1.0
description:
  - Registers where a model is served in an environment, so that the API router finds it, and enables, disables or
    deregisters it.
  - A change is one transaction. It either happens as a whole or not at all, and other writers wait for it.
  - Works with the table of the ai-aas migrations as it is, and with the one that
    M(ai_aas.inference.model_registry_schema) creates.
author:
  - The ai_aas.inference maintainers (@ai-aas)
extends_documentation_fragment:
  - ai_aas.inference.attributes
  - ai_aas.inference.registry
  - ai_aas.inference.registry.cache
  - ai_aas.inference.registry.provenance
options:
  model_name:
    description:
      - Name of the model, exactly as the model server lists it. It is stored verbatim.
    type: str
    required: true
  environment:
    description:
      - The environment that the model is served in. A model has one entry in each.
    type: str
    required: true
    choices: [development, staging, production]
  state:
    description:
      - V(present) registers the entry or brings it up to date. An entry that is disabled stays so.
      - V(enabled) gives an existing entry the status C(ready), also a disabled one. With O(endpoint) it registers a
        missing entry too.
      - V(disabled) gives an existing entry the status C(disabled), which is meant for decisions of people. The entry
        must exist, so that a mistyped name does not pass for a disabled model.
      - V(absent) deregisters the entry, by giving it the status C(disabled). The row stays, since usage records may
        refer to it. A missing entry is left missing. With O(purge) the row is deleted.
      - With V(disabled) and V(absent) only the status is written. The other options are checked and not used.
    type: str
    default: present
    choices: [present, enabled, disabled, absent]
  purge:
    description:
      - With O(state=absent), delete the row. One that another table refers to is disabled instead, and a warning and
        RV(referenced_by) name the table. A table that the role may not read counts as one that refers to it.
    type: bool
    default: false
  endpoint:
    description:
      - Where the model is served, C(<service-name>.<namespace>.svc.cluster.local:<port>), without a scheme.
      - An existing entry keeps its endpoint when none is given. A new one needs it.
    type: str
  namespace:
    description:
      - Kubernetes namespace of the endpoint's service. Taken from O(endpoint) by default, and must agree with it.
    type: str
  status:
    description:
      - The status that O(state=present) gives to the entry. The router routes to C(ready) alone.
      - Automation takes a model out of routing with V(deploying) or V(degraded).
    type: str
    default: ready
    choices: [pending, deploying, ready, degraded, failed]
  revision:
    description:
      - Revision of the model. A new entry gets the highest of its name and organisation plus one by default.
    type: int
  organization_id:
    description:
      - UUID of the organisation that owns the entry. The table's own default by default.
    type: str
  deployment_target:
    description:
      - Who runs the model. A new entry gets V(self_hosted) unless the table has another default.
    type: str
    choices: [managed, self_hosted]
  cost_per_1k_tokens:
    description:
      - Cost of 1000 tokens, kept with four decimal places.
    type: float
  metadata:
    description:
      - Anything else that is to be kept with the entry, stored as JSON.
    type: dict
  metadata_mode:
    description:
      - V(merge) lays O(metadata) over what is there, at every depth. V(replace) puts it in its place.
    type: str
    default: merge
    choices: [merge, replace]
seealso:
  - module: ai_aas.inference.model_registry_info
  - module: ai_aas.inference.model_registry_schema
"""

EXAMPLES = r"""
- name: Register a model
  ai_aas.inference.model_registry_entry:
    model_name: gpt-oss-20b
    environment: development
    endpoint: gpt-oss-20b-vllm-deployment.system.svc.cluster.local:8000
    namespace: system
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"

- name: Take it out of routing during a deployment
  ai_aas.inference.model_registry_entry:
    model_name: gpt-oss-20b
    environment: development
    status: deploying

- name: Disable it
  ai_aas.inference.model_registry_entry:
    model_name: gpt-oss-20b
    environment: development
    state: disabled

- name: Enable it, and clear the router's cache
  ai_aas.inference.model_registry_entry:
    model_name: gpt-oss-20b
    environment: development
    state: enabled
    redis_url: redis://cache.example.com:6379/0

- name: Disable it, and keep in the history who asked for it and why
  ai_aas.inference.model_registry_entry:
    model_name: gpt-oss-20b
    environment: production
    state: disabled
    actor: "{{ awx_user_name }}"
    reason: Answers are cut off, see incident 1234
    job:
      awx_job_id: "{{ awx_job_id }}"

- name: Delete an entry that nothing refers to
  ai_aas.inference.model_registry_entry:
    model_name: gpt-oss-20b
    environment: development
    state: absent
    purge: true

- name: Deregister it, with options as community.postgresql has them
  ai_aas.inference.model_registry_entry:
    model_name: gpt-oss-20b
    environment: development
    state: absent
    login_host: db.example.com
    login_user: registry
    login_password: "{{ registry_password }}"
    login_db: ai_aas
"""

RETURN = r"""
entry:
  description: The entry as it is now, or would be. Null if there is none. What the table has no column for is null.
  returned: success
  type: dict
  sample:
    id: 42
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
previous:
  description: The entry as it was before. Null if there was none.
  returned: success
  type: dict
  sample: null
actions:
  description: What was done, or would be, in order.
  returned: success
  type: list
  elements: str
  sample: [update:endpoint, enable, cache_delete]
kept_disabled:
  description: Whether O(state=present) met a disabled entry and left it so. Use O(state=enabled) to enable it.
  returned: success
  type: bool
  sample: false
referenced_by:
  description: The tables that refer to an entry which was to be purged, and was disabled instead.
  returned: success
  type: list
  elements: str
  sample: [usage_events]
history:
  description:
    - V(recorded) if the change is, or would be, in the history, V(unavailable) if it cannot be, V(none) if nothing
      changed.
  returned: success
  type: str
  sample: recorded
cache:
  description:
    - What became of the router's copy of the entry. V(deleted), V(stale) if the cache could not be reached and may lead
      to the old route for two minutes, or V(none) if no cache is given.
  returned: success
  type: str
  sample: deleted
diff:
  description: The declared values before and after.
  returned: success
  type: dict
  sample: {before: {}, after: {status: ready}, before_header: gpt-oss-20b (development)}
timings:
  description:
    - Seconds by step. C(settle) is the time that was waited, by O(cache_settle), after the route was denied already.
  returned: success
  type: dict
  sample: {connect: 0.0081, read: 0.0042, write: 0.0013, commit: 0.0011, cache: 0.0012, settle: 0.5}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import (
    cache_arguments,
    connection_arguments,
    entry_arguments,
    environment_argument,
    provenance_arguments,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.change import change_entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.secrecy import guarded

ARGUMENTS = {
    **entry_arguments(),
    **environment_argument(required=True),
    "state": {"type": "str", "default": "present", "choices": ["present", "enabled", "disabled", "absent"]},
    "metadata_mode": {"type": "str", "default": "merge", "choices": ["merge", "replace"]},
    "purge": {"type": "bool", "default": False},
}


@guarded
def change(module: AnsibleModule) -> dict[str, object]:
    return change_entry(module.params, check=module.check_mode)


def main() -> None:
    run_module(
        change,
        libraries=("psycopg2",),
        argument_spec={**ARGUMENTS, **connection_arguments(), **cache_arguments(), **provenance_arguments()},
    )


if __name__ == "__main__":
    main()
