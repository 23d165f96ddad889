#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what is declared of models with what runs, is registered and is routed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: model_drift
short_description: Say where declaration, cluster, registry and router disagree about models
version_added: 0.1.0
description:
  - Looks at all models of an environment at once, from every side. It compares what is declared with what Helm has
    deployed, as M(ai_aas.inference.helm_release_plan) would; what Helm has deployed with the objects that are there;
    whether these serve, and are what was verified; and the entry of the registry, and the router's copy of it, with all
    of them.
  - Each difference says between which sides it lies, and which playbook mends it.
  - Changes nothing.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  environment:
    description: The environment of the models.
    type: str
    required: true
    choices: [development, staging, production]
  models:
    description: What is declared.
    type: list
    elements: dict
    required: true
    suboptions:
      model_name:
        description: The name under which the model is served, registered and routed.
        type: str
        required: true
      host:
        description: The name of the model in the inventory. The default is O(models[].model_name).
        type: str
      release:
        description: Its release.
        type: str
        required: true
      namespace:
        description: The namespace of its release.
        type: str
        required: true
      endpoint:
        description: Where the router finds it, as C(service.namespace.svc.cluster.local:port).
        type: str
        required: true
      chart:
        description:
          - The path of the chart, or another reference that Helm understands. Releases of a chart that is a folder
            without dependencies are compared without rendering, unless its content has changed under the same version.
        type: str
        required: true
      values:
        description: All the values of the release, merged into one.
        type: dict
        default: {}
      metadata:
        description: What is to be kept with the entry. Other keys of it are not compared.
        type: dict
        default: {}
  complete:
    description:
      - Whether O(models) is everything that there should be in the environment. Then entries and releases of others
        are differences too. A disabled entry is none, since that is how a deregistered model is kept; nor is a release
        that another environment's entry leads to.
    type: bool
    default: false
  ignore_managers:
    description:
      - Programs that may change objects after Helm has deployed them, by the names under which Kubernetes keeps who
        wrote a field, such as V(keda-operator).
    type: list
    elements: str
    default: []
  metrics_file:
    description:
      - A file for a collector of text files, such as node_exporter's. Its name must end with C(.prom). It is replaced
        in every run, also in check mode, since it says what was seen. What cannot be written is a warning.
    type: path
  redis_url:
    description:
      - Where the router's cache is. By default E(REDIS_URL). Without it, routes are not compared.
    type: str
  binary_path:
    description:
      - The path of the C(helm) program, for what has to be rendered. The default is the one on the search path.
    type: path
extends_documentation_fragment:
  - ai_aas.inference.attributes.read_only
  - ai_aas.inference.cluster
  - ai_aas.inference.registry
requirements:
  - helm >= 3.14
  - PyYAML
notes:
  - Secrets of a release are not compared, and texts that differ are not shown, since they can be secrets.
  - The account needs to list Secrets of Helm, ConfigMaps, pods and Services in the namespaces, and the kinds of objects
    that the chart makes. A kind that it may not list is left out, and the model's RV(models[].notes) say so.
seealso:
  - module: ai_aas.inference.helm_release_plan
  - module: ai_aas.inference.model_registry_health
"""

EXAMPLES = r"""
- name: Compare a model
  ai_aas.inference.model_drift:
    environment: production
    models:
      - model_name: gpt-oss-20b
        release: gpt-oss-20b
        namespace: system
        endpoint: gpt-oss-20b-vllm-deployment.system.svc.cluster.local:8000
        chart: charts/vllm-deployment
        values:
          model:
            name: unsloth/gpt-oss-20b
            servedNames: [gpt-oss-20b]
  register: compared

- name: Show where it differs
  ansible.builtin.debug:
    var: compared.differences_table
"""

RETURN = r"""
drifted:
  description: Whether anything differs.
  returned: success
  type: bool
  sample: true
models:
  description: Each declared model.
  returned: success
  type: list
  elements: dict
  contains:
    model_name:
      description: Its name.
      type: str
    host:
      description: Its name in the inventory.
      type: str
    release:
      description: Its release.
      type: str
    namespace:
      description: The namespace of its release.
      type: str
    revision:
      description: The newest revision of its release, or 0.
      type: int
    release_status:
      description: The release's status in Helm's words, or null where there is none.
      type: str
    verified:
      description: Whether that revision was verified.
      type: bool
    ready_pods:
      description: How many of its pods are ready.
      type: int
    wanted_pods:
      description: How many it should have.
      type: int
    status:
      description: Its status in the registry, or null where it is not registered.
      type: str
    last_health_check_at:
      description: When its health was last checked.
      type: str
    needs_deploy:
      description: Whether a deploy would change anything, or mend a difference.
      type: bool
    differences:
      description: What differs.
      type: list
      elements: dict
      contains:
        between:
          description: >-
            Between which sides. One of C(declared and running), C(deployed and running), C(running),
            C(running and registered) and C(registered and routed).
          type: str
        what:
          description: What differs.
          type: str
        mend:
          description: The playbook that mends it, with its flags. Empty if none does.
          type: str
    notes:
      description: What was not compared, and what is a person's own decision.
      type: list
      elements: str
  sample:
    - model_name: gpt-oss-20b
      host: gpt-oss-20b
      release: gpt-oss-20b
      namespace: system
      revision: 3
      release_status: deployed
      verified: true
      ready_pods: 1
      wanted_pods: 1
      status: ready
      last_health_check_at: "2026-11-01T12:00:00Z"
      needs_deploy: true
      differences:
        - between: declared and running
          what: value image.tag differs
          mend: ai_aas.inference.deploy --limit gpt-oss-20b
      notes: []
undeclared:
  description: What is registered, or runs, and is in no inventory.
  returned: success
  type: list
  elements: dict
  sample:
    - {model_name: old, between: not declared, what: it is registered as ready, mend: ""}
counts:
  description: How many models there are, how many of them differ, and how many are not declared.
  returned: success
  type: dict
  sample: {models: 1, differing: 1, undeclared: 0}
table:
  description: The models as lines of a table, beginning with its heading.
  returned: success
  type: list
  elements: str
  sample:
    - Model Name  | Release            | Revision   | Verified | Ready | Registered | Last Health | Differences
    - gpt-oss-20b | system/gpt-oss-20b | 3 deployed | yes      | 1/1   | ready      |             | 1
differences_table:
  description: The differences as lines of a table, beginning with its heading.
  returned: success
  type: list
  elements: str
  sample:
    - Model Name  | Between              | Difference              | Mended by
    - gpt-oss-20b | declared and running | value image.tag differs | ai_aas.inference.deploy --limit gpt-oss-20b
msg:
  description: The whole in a sentence.
  returned: success
  type: str
  sample: "1 of 1 models of production differ: gpt-oss-20b."
timings:
  description: Seconds by step.
  returned: success
  type: dict
  sample: {registry: 0.02, cluster: 0.2, compare: 0.05}
"""

from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.declared import MODEL
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.drift import look
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.arguments import helm_of
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import (
    cache_arguments,
    connection_arguments,
    environment_argument,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.secrecy import guarded
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.arguments import CLUSTER

ARGUMENTS: dict[str, Any] = {
    **environment_argument(required=True),
    "models": {"type": "list", "elements": "dict", "required": True, "options": MODEL},
    "complete": {"type": "bool", "default": False},
    "ignore_managers": {"type": "list", "elements": "str", "default": []},
    "metrics_file": {"type": "path"},
    "binary_path": {"type": "path"},
    **CLUSTER,
    **connection_arguments(),
    "redis_url": cache_arguments()["redis_url"],
}


@guarded
def execute(module: AnsibleModule) -> dict[str, Any]:
    """Look from all sides."""
    return look(module.params, partial(helm_of, module))


def main() -> None:
    run_module(execute, libraries=("kubernetes", "psycopg2", "yaml"), argument_spec=ARGUMENTS)


if __name__ == "__main__":
    main()
