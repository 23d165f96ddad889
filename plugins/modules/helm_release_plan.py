#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_release_plan
short_description: Say what has to be done to a Helm release, and why
version_added: 0.1.0
description:
  - Compares a release with what an upgrade would make of it, by its status, its values and its rendered objects.
  - M(kubernetes.core.helm) compares values and the chart's version only. It calls a failed release unchanged, and it
    misses a template that changed under the same version. RV(release_values) holds values with which it will act.
  - Changes nothing.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  chart:
    description: The path of the chart, or another reference that Helm understands.
    type: str
    required: true
  values:
    description: All the values of the release, merged into one.
    type: dict
    default: {}
  overwrite_manual_edits:
    description:
      - Whether Helm is to write the release's objects again even if nothing else is to be done, so that what somebody
        has changed of them is as it was deployed. Helm leaves what somebody has added.
    type: bool
    default: false
extends_documentation_fragment:
  - ai_aas.inference.attributes
  - ai_aas.inference.helm
attributes:
  check_mode:
    support: full
    details: The module changes nothing, so check mode makes no difference.
  diff_mode:
    support: full
    details: Shows the objects that an upgrade would change. The data of Secrets is replaced by a digest.
requirements:
  - PyYAML
seealso:
  - module: kubernetes.core.helm
"""

EXAMPLES = r"""
- name: See what is to be done
  ai_aas.inference.helm_release_plan:
    release: gpt-oss-20b
    namespace: system
    chart: charts/vllm-deployment
    values:
      model:
        name: unsloth/gpt-oss-20b
        servedNames: [gpt-oss-20b]
  register: plan

- name: Do it
  kubernetes.core.helm:
    name: gpt-oss-20b
    namespace: system
    chart_ref: charts/vllm-deployment
    release_values: "{{ plan.release_values }}"
  when: plan.operation != 'none'
"""

RETURN = r"""
operation:
  description:
    - One of C(install), C(upgrade), C(recover) and C(none).
    - C(recover) means that another operation holds the release, or was cut off. See
      M(ai_aas.inference.helm_release_recover).
  returned: success
  type: str
  sample: upgrade
why:
  description: What differs, one sentence each.
  returned: success
  type: list
  elements: str
  sample: [its status is failed]
release_values:
  description: The values with which M(kubernetes.core.helm) will do what is to be done.
  returned: success
  type: dict
  sample: {model: {name: unsloth/gpt-oss-20b}}
hooks:
  description: The objects of the chart's hooks that Helm applies, and waits for, before it changes anything else.
  returned: success
  type: list
  elements: dict
  sample: [{kind: Job, metadata: {name: gpt-oss-20b-download}}]
workload:
  description: The Deployment that an upgrade would make, or nothing if the chart makes none.
  returned: success
  type: dict
  sample: {kind: Deployment, metadata: {name: gpt-oss-20b-vllm-deployment}}
identity:
  description:
    - What would be deployed, as M(ai_aas.inference.verified_revision) records it. The digest of its image is the one
      that the values pin, or empty.
  returned: success, unless an operation holds the release
  type: dict
  sample: {chart: vllm-deployment, chart_version: 0.2.0, model: unsloth/gpt-oss-20b}
force_conflicts:
  description:
    - Whether Helm has to be told to overwrite what others have written, as O(overwrite_manual_edits) wants it. Helm 4
      refuses to do so by itself. See O(kubernetes.core.helm#module:force_conflicts).
  returned: success
  type: bool
  sample: false
surges:
  description: Whether its new pods come before the old ones end.
  returned: success
  type: bool
  sample: false
keeps_serving:
  description: Whether an upgrade leaves a pod that serves at each moment, as the strategy of its Deployment says.
  returned: success
  type: bool
  sample: false
replaces:
  description:
    - Names of the Deployments whose selector would be another, as in a release of another chart. Kubernetes lets none
      be changed, so an upgrade fails unless they are deleted before it.
  returned: success
  type: list
  elements: str
  sample: []
status:
  description: The release's status in Helm's words, or null where there is none.
  returned: success
  type: str
  sample: deployed
revision:
  description: The release's newest revision, or 0.
  returned: success
  type: int
  sample: 3
"""

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.arguments import RELEASE, open_helm
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import described
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.plan import (
    UNFINISHED,
    desired_values,
    index,
    keeps_serving,
    objects_of,
    plan,
    replaced,
    surges,
    workload_of,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module

ARGUMENTS: dict[str, Any] = {
    **RELEASE,
    "chart": {"type": "str", "required": True},
    "values": {"type": "dict", "default": {}},
    "overwrite_manual_edits": {"type": "bool", "default": False},
}


def show(objects: dict[str, Any], other: dict[str, Any]) -> str:
    """Return those objects that differ from the other side's, as text."""
    import yaml

    return str(yaml.safe_dump_all([item for name, item in sorted(objects.items()) if other.get(name) != item]))


def execute(module: AnsibleModule) -> dict[str, Any]:
    """Read, render, compare."""
    import yaml

    helm = open_helm(module)
    current = helm.status()
    wanted = desired_values(current, module.params["values"])
    # Helm renders nothing for a release that an operation holds.
    if current and current.status in UNFINISHED:
        rendered = replace(current, values=wanted)
    else:
        rendered = helm.render(module.params["chart"], wanted)
    before, after = objects_of(current), objects_of(rendered)
    workload = workload_of(after)
    overwrite = module.params["overwrite_manual_edits"]
    decided = plan(current, rendered, (before, after), overwrite=overwrite)
    return {
        "changed": False,
        "operation": decided.action,
        "why": list(decided.why),
        "release_values": dict(decided.values),
        "hooks": [each for text in rendered.hooks for each in index(list(yaml.safe_load_all(text))).values()],
        "workload": workload,
        "identity": described(rendered.values, rendered.chart) if rendered.chart else {},
        "force_conflicts": overwrite and helm.major() >= 4,
        "surges": surges(workload),
        "keeps_serving": keeps_serving(before, after),
        "replaces": replaced(before, after),
        "status": current.status if current else None,
        "revision": current.revision if current else 0,
        "diff": {"before": show(before, after), "after": show(after, before)},
    }


def main() -> None:
    run_module(execute, libraries=("yaml",), argument_spec=ARGUMENTS)


if __name__ == "__main__":
    main()
