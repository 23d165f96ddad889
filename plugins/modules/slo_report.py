#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says how far the promises about models were kept."""

from __future__ import annotations

DOCUMENTATION = r"""
module: slo_report
short_description: Say how far the promises about models were kept
version_added: 0.1.0
description:
  - Reads the records that the playbooks C(deploy), C(promote), C(rollback) and C(disable) leave, and compares what they
    measured with five objectives. A deployed model is ready within 10 minutes, completes a token within 3 s, and is
    routed to within 2 minutes; a disabled one is denied; and one that is taken back serves within 5 minutes.
  - Returns data, and one page with plots over time that needs nothing from elsewhere.
  - Changes nothing.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  records:
    description: The folder of the records.
    type: path
    required: true
  title:
    description: The title of the page.
    type: str
    default: Promises about models
  environment:
    description: Only records of this environment. The default is all of them.
    type: str
  since:
    description: Only records from this time on, as C(2026-01-31) or C(2026-01-31T12:00:00Z).
    type: str
    default: ''
extends_documentation_fragment:
  - ai_aas.inference.attributes.read_only
seealso:
  - module: ai_aas.inference.verified_revision
"""

EXAMPLES = r"""
- name: Compare what was measured with what is promised
  ai_aas.inference.slo_report:
    records: /var/lib/inference/records
    environment: production
  register: report

- name: Write the page
  ansible.builtin.copy:
    content: "{{ report.page }}"
    dest: /var/www/html/promises.html
    mode: "0644"
"""

RETURN = r"""
objectives:
  description: Each objective.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: C(readiness), C(completion), C(routing), C(denial) or C(rollback).
      type: str
    title:
      description: The promise in words.
      type: str
    most:
      description: The most that it may take.
      type: float
    unit:
      description: The unit of all values.
      type: str
    count:
      description: How many runs it was measured in, failed ones included.
      type: int
    kept:
      description: How many of them kept it.
      type: int
    share:
      description: The share of them that kept it, or null without a run.
      type: float
    median:
      description: Half of the measured values are at most this.
      type: float
    p95:
      description: 95 % of the measured values are at most this.
      type: float
    worst:
      description: The highest value that was measured.
      type: float
  sample:
    - {name: rollback, title: A model is taken back and serves, most: 300, unit: s, count: 2, kept: 2, share: 1.0,
       median: 41.0, p95: 44.0, worst: 44.0}
page:
  description: The page, in HTML.
  returned: success
  type: str
  sample: <!DOCTYPE html>…
others:
  description: Files in the folder that are no records.
  returned: success
  type: list
  elements: str
  sample: []
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._slo.objectives import OBJECTIVES, points, summary
from ansible_collections.ai_aas.inference.plugins.module_utils._slo.page import page
from ansible_collections.ai_aas.inference.plugins.module_utils._slo.records import read_records

ARGUMENTS: dict[str, Any] = {
    "records": {"type": "path", "required": True},
    "title": {"type": "str", "default": "Promises about models"},
    "environment": {"type": "str"},
    "since": {"type": "str", "default": ""},
}


def execute(module: AnsibleModule) -> dict[str, Any]:
    """Read, compare, draw."""
    params = module.params
    records, others = read_records(Path(params["records"]))
    wanted = [
        each for each in records if each.at >= params["since"] and params["environment"] in (None, each.environment)
    ]
    parts = []
    for objective in OBJECTIVES:
        measured = points(objective, wanted)
        parts.append((objective, summary(objective, measured), measured))
    return {
        "changed": False,
        "objectives": [told for _objective, told, _measured in parts],
        "page": page(params["title"], parts),
        "others": others,
    }


def main() -> None:
    run_module(execute, argument_spec=ARGUMENTS)


if __name__ == "__main__":
    main()
