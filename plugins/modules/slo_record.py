#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a record of a run. The action plugin of the same name does it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: slo_record
short_description: Keep a small record of what a run did, and how long it took
version_added: 0.1.0
description:
  - Writes one file for M(ai_aas.inference.slo_report), where the play runs. The folder is made if it is missing.
  - What cannot be written is a warning, since a run does not fail for its record.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  records:
    description: The folder of the records.
    type: path
    required: true
  record:
    description:
      - What is kept. It needs the texts C(at), C(verb), C(model) and C(environment), and C(succeeded). Measures are
        numbers whose names end with C(seconds).
    type: dict
    required: true
extends_documentation_fragment:
  - ai_aas.inference.attributes
attributes:
  check_mode:
    support: full
    details: Writes nothing.
  diff_mode:
    support: none
    details: A record is no change.
seealso:
  - module: ai_aas.inference.slo_report
"""

EXAMPLES = r"""
- name: Keep how long a deploy took
  ai_aas.inference.slo_record:
    records: /var/lib/inference/records
    record:
      at: "2026-11-01T12:00:00Z"
      verb: deploy
      model: gpt-oss-20b
      environment: production
      succeeded: true
      ready_seconds: 31.5
"""

RETURN = r"""
path:
  description: The file, or an empty text where none was written.
  returned: success
  type: str
  sample: /var/lib/inference/records/20261101T120000Z-production-gpt-oss-20b.json
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._slo.records import keep_record

ARGUMENTS: dict[str, Any] = {
    "records": {"type": "path", "required": True},
    "record": {"type": "dict", "required": True},
}


def execute(module: AnsibleModule) -> dict[str, Any]:
    """Keep it."""
    if module.check_mode:
        return {"changed": False, "path": ""}
    return {"changed": False, "path": str(keep_record(module.params["records"], module.params["record"]))}


def main() -> None:
    run_module(execute, argument_spec=ARGUMENTS)


if __name__ == "__main__":
    main()
