#!/usr/bin/python
# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the entries of one environment to a declared set."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_registry_sync
short_description: Bring the model registry's entries of an environment to a declared set
version_added: 0.1.0
description:
  - Registers and updates many entries of one environment in one transaction. It either happens as a whole or not at
    all.
  - Each entry is treated as M(ai_aas.inference.model_registry_entry) does with C(state=present). One that a person
    disabled stays disabled.
  - Entries that are not declared are left alone, unless O(prune) says otherwise.
author:
  - The ai_aas.inference maintainers (@ai-aas)
extends_documentation_fragment:
  - ai_aas.inference.attributes
  - ai_aas.inference.registry
  - ai_aas.inference.registry.cache
  - ai_aas.inference.registry.provenance
options:
  environment:
    description:
      - The environment of all entries.
    type: str
    required: true
    choices: [development, staging, production]
  entries:
    description:
      - The declared entries. Either this or O(entries_file) is required.
    type: list
    elements: dict
    suboptions:
      model_name:
        description:
          - Name of the model, exactly as the model server lists it.
        type: str
        required: true
      endpoint:
        description:
          - Where the model is served, C(<service-name>.<namespace>.svc.cluster.local:<port>). A new entry needs it.
        type: str
      namespace:
        description:
          - Kubernetes namespace of the endpoint's service. Taken from the endpoint by default.
        type: str
      status:
        description:
          - The status of the entry, unless a person disabled it.
        type: str
        default: ready
        choices: [pending, deploying, ready, degraded, failed]
      revision:
        description:
          - Revision of the model. A new entry gets the highest of its name and organisation plus one by default.
        type: int
      organization_id:
        description:
          - UUID of the organisation that owns the entry.
        type: str
      deployment_target:
        description:
          - Who runs the model.
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
  entries_file:
    description:
      - A file with one JSON object in each line, with the keys of O(entries). It is read as a stream, so that it may
        hold very many. Empty lines are passed over.
    type: path
  metadata_mode:
    description:
      - V(merge) lays the declared metadata over what is there, at every depth. V(replace) puts it in its place.
    type: str
    default: merge
    choices: [merge, replace]
  prune:
    description:
      - What becomes of the environment's entries that are not declared. V(delete) disables those that other tables
        refer to.
    type: str
    default: none
    choices: [none, disable, delete]
  max_removals:
    description:
      - How many entries O(prune) may disable or delete at once. If there are more, nothing at all is changed.
    type: int
    default: 10
notes:
  - While it runs, other changes of the collection wait, within their O(statement_timeout). Reading does not wait.
seealso:
  - module: ai_aas.inference.model_registry_entry
  - module: ai_aas.inference.model_registry_info
"""

EXAMPLES = r"""
- name: Declare the models of staging
  ai_aas.inference.model_registry_sync:
    environment: staging
    entries:
      - model_name: gpt-oss-20b
        endpoint: gpt-oss-20b-vllm-deployment.system.svc.cluster.local:8000
      - model_name: mixtral
        endpoint: mixtral-vllm-deployment.system.svc.cluster.local:8000
        metadata: {team: search}
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"

- name: Declare all models of production, and disable up to two others
  ai_aas.inference.model_registry_sync:
    environment: production
    entries_file: /srv/models/production.jsonl
    prune: disable
    max_removals: 2
    redis_url: redis://cache.example.com:6379/0
    reason: Monthly clean-up
"""

RETURN = r"""
counts:
  description: How many entries were, or would be, treated in each way.
  returned: success
  type: dict
  sample: {insert: 1, update: 0, disable: 0, delete: 0, unchanged: 41, kept_disabled: 1}
actions:
  description: What was done, or would be, with which model.
  returned: success
  type: list
  elements: str
  sample: [insert mixtral]
diff:
  description: The declared values of the entries that change, before and after. Only in diff mode, empty otherwise.
  returned: success
  type: dict
  sample: {before: {}, after: {mixtral: {status: ready}}, before_header: entries of staging}
history:
  description:
    - V(recorded) if the changes are, or would be, in the history, V(unavailable) if they cannot be, V(none) if nothing
      changed.
  returned: success
  type: str
  sample: recorded
cache:
  description:
    - What became of the router's copies of all declared entries. V(deleted), V(stale) if the cache could not be reached
      and may lead to old routes for two minutes, or V(none) if no cache is given.
  returned: success
  type: str
  sample: deleted
removals:
  description: The entries that would be removed.
  returned: when there are more of them than O(max_removals)
  type: list
  elements: str
  sample: [llama]
timings:
  description: Seconds by step.
  returned: success
  type: dict
  sample: {connect: 0.0081, sync: 0.0421, commit: 0.0011, cache: 0.0012}
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
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.secrecy import guarded
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.sync import sync_entries

ARGUMENTS = {
    **environment_argument(required=True),
    "entries": {"type": "list", "elements": "dict", "options": entry_arguments()},
    "entries_file": {"type": "path"},
    "metadata_mode": {"type": "str", "default": "merge", "choices": ["merge", "replace"]},
    "prune": {"type": "str", "default": "none", "choices": ["none", "disable", "delete"]},
    "max_removals": {"type": "int", "default": 10},
}


@guarded
def sync(module: AnsibleModule) -> dict[str, object]:
    return sync_entries(module.params, check=module.check_mode, diff=module._diff)


def main() -> None:
    run_module(
        sync,
        libraries=("psycopg2",),
        argument_spec={**ARGUMENTS, **connection_arguments(), **cache_arguments(), **provenance_arguments()},
        mutually_exclusive=[("entries", "entries_file")],
        required_one_of=[("entries", "entries_file")],
    )


if __name__ == "__main__":
    main()
