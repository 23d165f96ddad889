#!/usr/bin/python
# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates the model registry's table, or reports on the one that is there."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_registry_schema
short_description: Create or inspect the table of the model registry
version_added: 0.1.0
description:
  - Creates the table C(model_registry_entries) where there is none. It serves the collection, the ai-aas API router
    and its admin tool together.
  - A table that is there is never altered. If it lacks a column that the registry cannot do without, the module fails
    and names the SQL that adds it.
author:
  - The ai_aas.inference maintainers (@ai-aas)
extends_documentation_fragment:
  - ai_aas.inference.attributes
  - ai_aas.inference.registry
options:
  state:
    description:
      - V(present) makes sure that the table is there and can be used.
    type: str
    default: present
    choices: [present]
notes:
  - The table is created in the first schema of the role's C(search_path) in one transaction. Of several runs at the
    same time one creates it.
seealso:
  - module: ai_aas.inference.model_registry_entry
  - module: ai_aas.inference.model_registry_info
"""

EXAMPLES = r"""
- name: Make sure that the registry has its table
  ai_aas.inference.model_registry_schema:
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"

- name: See what would be done
  ai_aas.inference.model_registry_schema:
    login_host: db.example.com
    login_user: registry
    login_password: "{{ registry_password }}"
    login_db: ai_aas
  check_mode: true
  diff: true
"""

RETURN = r"""
layout:
  description: V(superset) for the collection's own table, V(foreign) for one that someone else made.
  returned: when there is a table
  type: str
  sample: superset
version:
  description: Version of the collection's own table. Null for a foreign one.
  returned: when there is a table
  type: int
  sample: 1
missing:
  description: Columns that the registry cannot do without and that the table lacks.
  returned: when there is a table
  type: list
  elements: str
  sample: []
sql:
  description: The SQL that adds them.
  returned: when there is a table
  type: list
  elements: str
  sample: ["ALTER TABLE model_registry_entries ADD COLUMN deployment_namespace text;"]
actions:
  description: What was done, or would be.
  returned: success
  type: list
  elements: str
  sample: [create]
diff:
  description: The SQL that makes the table, when it is made.
  returned: success
  type: dict
  sample: {before: "", after: "CREATE TABLE model_registry_entries (…);"}
timings:
  description: Seconds by step.
  returned: success
  type: dict
  sample: {connect: 0.0081, read: 0.0012, write: 0.0195, commit: 0.0021}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import connection_arguments
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.schema import ensure_schema
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.secrecy import guarded

ARGUMENTS = {"state": {"type": "str", "default": "present", "choices": ["present"]}}


@guarded
def ensure(module: AnsibleModule) -> dict[str, object]:
    return ensure_schema(module.params, check=module.check_mode)


def main() -> None:
    run_module(ensure, libraries=("psycopg2",), argument_spec={**ARGUMENTS, **connection_arguments()})


if __name__ == "__main__":
    main()
