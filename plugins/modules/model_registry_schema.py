#!/usr/bin/python
# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates the model registry's table, or reports on the one that is there."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_registry_schema
short_description: Create, upgrade, adopt or inspect the table of the model registry
version_added: 0.1.0
description:
  - Creates the table C(model_registry_entries) where there is none, and brings the collection's own table up to date.
    It serves the collection, the ai-aas API router and its admin tool together, and keeps its own history.
  - A table that someone else made is never altered, unless O(adopt=true). If it lacks what the registry cannot do
    without, the module fails and names the SQL that mends it.
author:
  - The ai_aas.inference maintainers (@ai-aas)
extends_documentation_fragment:
  - ai_aas.inference.attributes
  - ai_aas.inference.registry
options:
  state:
    description:
      - V(present) makes sure that the table is there and can be used. Its owner brings an older version up to date;
        another role leaves it so, with a warning.
      - V(preflight) changes nothing and does not fail for what it finds. RV(usable), RV(lacks) and RV(sql) say what is
        missing and the SQL that would mend it.
    type: str
    default: present
    choices: [present, preflight]
  adopt:
    description:
      - Whether a table that someone else made may be altered, so that it serves all tools as the collection's own does.
        Missing columns, defaults and constraints are added, rows without a namespace get one, the default organisation
        is seeded, and triggers number revisions, keep C(updated_at) and write the history. Nothing is taken away.
      - The table is locked against reading while that is done, for a moment unless it is large.
    type: bool
    default: false
notes:
  - All is done in one transaction. Of several runs at the same time one does it. The table is created in the first
    schema of the role's C(search_path).
seealso:
  - module: ai_aas.inference.model_registry_entry
  - module: ai_aas.inference.model_registry_info
"""

EXAMPLES = r"""
- name: Make sure that the registry has its table
  ai_aas.inference.model_registry_schema:
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"

- name: Say what a table lacks, and the SQL that would mend it
  ai_aas.inference.model_registry_schema:
    state: preflight
  register: looked_at

- name: Take over the table of the ai-aas migrations
  ai_aas.inference.model_registry_schema:
    adopt: true

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
  description:
    - V(superset) for the collection's own table, V(adopted) for one that it took over, V(foreign) for one that someone
      else made, V(none) where there is none.
  returned: success
  type: str
  sample: superset
version:
  description: Version of the collection's own or adopted table. Null for another one.
  returned: success
  type: int
  sample: 2
latest_version:
  description: The version that this collection makes.
  returned: success
  type: int
  sample: 2
usable:
  description: Whether entries can be read and changed.
  returned: success
  type: bool
  sample: true
missing:
  description: Columns that the registry cannot do without and that the table lacks.
  returned: success
  type: list
  elements: str
  sample: []
lacks:
  description: What the table lacks.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: What is missing.
      type: str
    needed:
      description: Whether the registry cannot be used without it.
      type: bool
    why:
      description: What it is needed for.
      type: str
    sql:
      description: The statements that mend it. Empty where a person has to decide.
      type: list
      elements: str
sql:
  description: The statements that mend what is needed.
  returned: success
  type: list
  elements: str
  sample: ["ALTER TABLE model_registry_entries ADD COLUMN deployment_namespace text;"]
actions:
  description: What was done, or would be. C(create), C(upgrade) or C(adopt).
  returned: success
  type: list
  elements: str
  sample: [create]
diff:
  description: The SQL that is run, or would be.
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

ARGUMENTS = {
    "state": {"type": "str", "default": "present", "choices": ["present", "preflight"]},
    "adopt": {"type": "bool", "default": False},
}


@guarded
def ensure(module: AnsibleModule) -> dict[str, object]:
    return ensure_schema(module.params, check=module.check_mode)


def main() -> None:
    run_module(ensure, libraries=("psycopg2",), argument_spec={**ARGUMENTS, **connection_arguments()})


if __name__ == "__main__":
    main()
