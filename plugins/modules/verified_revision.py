#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: verified_revision
short_description: Record that the newest revision of a release was verified, and what it is
version_added: 0.1.0
description:
  - Writes down what the newest revision of a release is made of, so that it can be gone back to, promoted and compared.
    Use it once M(ai_aas.inference.vllm_ready) has succeeded; it verifies nothing itself.
  - The records are kept in the ConfigMap C(RELEASE-verified). The Secret of the same name keeps Helm's own records of
    these revisions, with their values, since Helm's history forgets. An upgrade by Helm touches neither.
  - A revision that is recorded already stays as it was recorded.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  phases:
    description: Seconds of each phase until the revision was ready, as RV(ai_aas.inference.vllm_ready#module:phases).
    type: dict
    default: {}
  actor:
    description: Who verified it. The default is the account that runs the module.
    type: str
  revision:
    description:
      - The revision that was verified. Where another one is the newest, somebody has changed the release since, and
        nothing is recorded. The default is the newest.
      - In check mode one that is still to be made counts as a change.
    type: int
  keep:
    description: How many records are kept. Older ones are removed.
    type: int
    default: 5
extends_documentation_fragment:
  - ai_aas.inference.attributes
  - ai_aas.inference.helm
requirements:
  - kubernetes >= 29
seealso:
  - module: ai_aas.inference.helm_release_rollback
"""

EXAMPLES = r"""
- name: Wait for a model
  ai_aas.inference.vllm_ready:
    model: gpt-oss-20b
    release: gpt-oss-20b
    namespace: system
  register: waited

- name: Record what was verified
  ai_aas.inference.verified_revision:
    release: gpt-oss-20b
    namespace: system
    phases: "{{ waited.phases }}"
"""

RETURN = r"""
record:
  description: The record of the newest revision.
  returned: success
  type: dict
  contains:
    revision:
      description: The number of Helm's revision.
      type: int
    identity:
      description:
        - What it is made of. C(chart), C(chart_version), C(chart_digest), C(values_hash), C(image_digest) as the nodes
          pulled it, C(model), C(model_revision) and C(served_names).
      type: dict
    actor:
      description: Who verified it.
      type: str
    at:
      description: When, in UTC.
      type: str
    phases:
      description: Seconds of each phase until it was ready.
      type: dict
  sample:
    revision: 3
    identity: {chart: vllm-deployment, chart_version: 0.1.0, model: unsloth/gpt-oss-20b}
    actor: alice
    at: "2026-11-01T12:00:00Z"
    phases: {loaded: 31.2}
forgotten:
  description: The revisions whose records are removed.
  returned: success
  type: list
  elements: int
  sample: []
"""

from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.arguments import RELEASE, open_helm
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.recording import record_newest
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.verified import Store
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.provenance import account
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube

ARGUMENTS: dict[str, Any] = {
    **RELEASE,
    "phases": {"type": "dict", "default": {}},
    "actor": {"type": "str"},
    "revision": {"type": "int"},
    "keep": {"type": "int", "default": 5},
}


def execute(module: AnsibleModule) -> dict[str, Any]:
    """Record the newest revision."""
    params = module.params
    store = Store(Kube(params["kubeconfig"], params["context"]), params["namespace"], params["release"])
    about = {
        "actor": params["actor"] or account(),
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "phases": params["phases"],
    }
    keep, revision = params["keep"], params["revision"]
    return record_newest(open_helm(module), store, about, keep, revision, check=module.check_mode)


def main() -> None:
    run_module(execute, libraries=("kubernetes",), argument_spec=ARGUMENTS)


if __name__ == "__main__":
    main()
