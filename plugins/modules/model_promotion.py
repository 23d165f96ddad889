#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether a model may be promoted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: model_promotion
short_description: Refuse to promote anything but what was verified in the environment before
version_added: 0.1.0
description:
  - Compares what would be deployed with what was verified in the environment before, which for production is staging
    and for staging development. What was verified stands in the metadata of that environment's entry, where the role
    P(ai_aas.inference.vllm_release#role) keeps it.
  - The same have to be the chart with its content, the model and its revision, the image, the served names, and all
    values that decide what the model answers. Replicas, resources, places and who may reach it are an environment's
    own.
  - Refuses a model revision that is no commit, and an image without a digest, because they cannot be verified
    afterwards.
  - Changes nothing.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  model_name:
    description: The model.
    type: str
    required: true
  environment:
    description: The environment that it is promoted to.
    type: str
    required: true
    choices: [development, staging, production]
  identity:
    description: What would be deployed, as RV(ai_aas.inference.helm_release_plan#module:identity) says.
    type: dict
    required: true
  source_kubeconfig:
    description:
      - The kubeconfig of the environment before. With it the module also sees whether the release has changed there
        since, or whether its objects were edited. Without it the entry alone is believed.
    type: path
  source_context:
    description: The context in that kubeconfig. The default is its current context.
    type: str
extends_documentation_fragment:
  - ai_aas.inference.attributes.read_only
  - ai_aas.inference.registry
requirements:
  - kubernetes
  - PyYAML
seealso:
  - module: ai_aas.inference.helm_release_plan
  - module: ai_aas.inference.verified_revision
"""

EXAMPLES = r"""
- name: See what would be deployed
  ai_aas.inference.helm_release_plan:
    release: gpt-oss-20b
    namespace: system
    chart: charts/vllm-deployment
    values: "{{ values }}"
  register: plan

- name: Refuse anything but what staging has verified
  ai_aas.inference.model_promotion:
    model_name: gpt-oss-20b
    environment: production
    identity: "{{ plan.identity }}"
"""

RETURN = r"""
source:
  description: The environment that is promoted from.
  returned: success
  type: str
  sample: staging
verified:
  description: What was verified there.
  returned: success
  type: dict
  contains:
    release:
      description: The release.
      type: str
    namespace:
      description: Its namespace.
      type: str
    revision:
      description: The revision that was verified.
      type: int
    identity:
      description: What it is made of, as RV(ai_aas.inference.verified_revision#module:record) has it.
      type: dict
    actor:
      description: Who verified it.
      type: str
    at:
      description: When.
      type: str
  sample: {release: gpt-oss-20b, namespace: system, revision: 3}
differences:
  description: Why it is refused, a phrase each.
  returned: when it was compared
  type: list
  elements: str
  sample: ["the chart's version would be 0.3.0, and 0.2.0 was verified"]
looked_at_source:
  description: Whether the cluster of the environment before was looked at.
  returned: when it was compared
  type: bool
  sample: true
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.promotion import promotion
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import (
    connection_arguments,
    environment_argument,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.secrecy import guarded

ARGUMENTS: dict[str, Any] = {
    "model_name": {"type": "str", "required": True},
    **environment_argument(required=True),
    "identity": {"type": "dict", "required": True},
    "source_kubeconfig": {"type": "path"},
    "source_context": {"type": "str"},
    **connection_arguments(),
}


@guarded
def execute(module: AnsibleModule) -> dict[str, Any]:
    """Compare, or refuse."""
    return promotion(module.params)


def main() -> None:
    run_module(execute, libraries=("kubernetes", "psycopg2", "yaml"), argument_spec=ARGUMENTS)


if __name__ == "__main__":
    main()
