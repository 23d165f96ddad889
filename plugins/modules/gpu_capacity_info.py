#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_capacity_info
short_description: Say whether new pods fit beside the old ones of a release, and what GPUs a cluster has
version_added: 0.1.0
description:
  - With O(workload), O(manifest) or O(pod_spec), computes from live nodes, pods, quotas and limit ranges whether these
    pods can start beside those that their release has, only in their place, or not at all.
  - Without, returns what each node has of each device, such as C(nvidia.com/gpu), C(amd.com/gpu) or a MIG profile.
  - Counts as the scheduler does the requests of containers, init containers and sidecars, the overhead that a pod
    states, cordoned nodes and nodes that are not ready, taints, node selectors, required node affinity, the number of
    pods, and pods that are being ended, which hold what they have until they are gone.
  - Counts as the API server does the quotas of the namespace with their scopes, and the defaults of its limit ranges.
  - RV(not_counted) names what it does not count, as far as it could change the answer.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  workload:
    description:
      - A Deployment or a StatefulSet as Helm renders it, such as
        RV(ai_aas.inference.helm_release_plan#module:workload).
    type: dict
  manifest:
    description:
      - YAML as C(helm template) renders it.
      - Looked at is its one Deployment or StatefulSet that requests a device, or else its only one.
    type: str
  pod_spec:
    description: The spec of a pod, as a workload has it at C(spec.template.spec).
    type: dict
  replicas:
    description:
      - How many pods shall run.
      - By default what the workload says. Where it leaves that to an autoscaler, and with O(pod_spec), as many as run
        now, at least 1.
    type: int
  release:
    description:
      - The release whose pods are the old ones, by the label C(app.kubernetes.io/instance).
      - Without it, whatever runs stays.
    type: str
  namespace:
    description: The namespace of the pods. Required with O(workload), O(manifest) and O(pod_spec).
    type: str
  resource:
    description: The device to look at when the whole cluster is looked at, such as C(nvidia.com/gpu). By default all.
    type: str
extends_documentation_fragment:
  - ai_aas.inference.attributes.read_only
  - ai_aas.inference.cluster
notes:
  - The account needs C(list) on C(nodes), on C(pods) of all namespaces, and on C(resourcequotas) in the namespace. If
    one of these rights lacks, the module fails, and its result has C(reason=forbidden).
  - If the account may not list C(limitranges) in the namespace, RV(not_counted) says so.
  - Between this look and the start of a pod another pod may take what is free.
seealso:
  - module: ai_aas.inference.helm_release_plan
"""

EXAMPLES = r"""
- name: See what GPUs are free
  ai_aas.inference.gpu_capacity_info:
    resource: nvidia.com/gpu
  register: gpus

- name: See whether a pod with two GPUs could start
  ai_aas.inference.gpu_capacity_info:
    pod_spec:
      containers:
        - name: server
          resources: {limits: {nvidia.com/gpu: 2}}
      tolerations: [{key: nvidia.com/gpu, operator: Exists}]
    replicas: 1
    namespace: system

- name: See what an upgrade would do
  ai_aas.inference.helm_release_plan:
    release: gpt-oss-20b
    namespace: system
    chart: charts/vllm-deployment
    values: "{{ lookup('ansible.builtin.file', 'charts/vllm-deployment/values-unsloth-gpt-oss-20b.yaml') | from_yaml }}"
  register: plan

- name: See whether its pods can start
  ai_aas.inference.gpu_capacity_info:
    workload: "{{ plan.workload }}"
    release: gpt-oss-20b
    namespace: system
  register: capacity
  failed_when: capacity.decision == 'refuse'

- name: Render a chart
  kubernetes.core.helm_template:
    release_name: gpt-oss-20b
    release_namespace: system
    chart_ref: charts/vllm-deployment
    values_files: [charts/vllm-deployment/values-unsloth-gpt-oss-20b.yaml]
  check_mode: false  # otherwise it renders nothing in check mode
  register: rendered

- name: See whether what it renders can start
  ai_aas.inference.gpu_capacity_info:
    manifest: "{{ rendered.stdout }}"
    release: gpt-oss-20b
    namespace: system
"""

RETURN = r"""
decision:
  description:
    - C(install) if nothing of the release runs and all its pods fit.
    - C(surge) if a new pod fits beside the old ones, and a rolling update that starts one pod at a time, and ends none
      before, comes to its end.
    - C(recreate) if the new pods fit only once old ones are gone. So it is for any StatefulSet.
    - C(refuse) if they do not fit even then.
  returned: with O(workload), O(manifest) or O(pod_spec)
  type: str
  sample: recreate
replicas:
  description: How many pods shall run.
  returned: with O(workload), O(manifest) or O(pod_spec)
  type: int
  sample: 1
fits_beside:
  description: For how many of the new pods there is room now.
  returned: with O(workload), O(manifest) or O(pod_spec)
  type: int
  sample: 0
fits_after_replacing:
  description: For how many there is room once the old ones are gone.
  returned: with O(workload), O(manifest) or O(pod_spec)
  type: int
  sample: 1
needed:
  description: What each pod asks for.
  returned: with O(workload), O(manifest) or O(pod_spec)
  type: dict
  sample: {cpu: "4", memory: 32Gi, nvidia.com/gpu: "1", pods: "1"}
nodes:
  description: For how many of the new pods each node has room now and after, why not for more now, and its numbers.
  returned: with O(workload), O(manifest) or O(pod_spec)
  type: list
  elements: dict
  sample:
    - name: gpu-0
      pods_beside: 0
      pods_after_replacing: 1
      why: nvidia.com/gpu 0 free of 1
      resources: {nvidia.com/gpu: {allocatable: "1", used: "1", free: "0"}}
quota:
  description: What each quota has left now of what the pods count for, and for how many pods, the fewest first.
  returned: with O(workload), O(manifest) or O(pod_spec)
  type: list
  elements: dict
  sample:
    - name: gpus
      resource: requests.nvidia.com/gpu
      hard: "4"
      used: "4"
      needed: "1"
      pods: 0
      why: "quota gpus: requests.nvidia.com/gpu 0 left of 4"
not_counted:
  description: What the scheduler or the API server would look at besides.
  returned: with O(workload), O(manifest) or O(pod_spec)
  type: list
  elements: str
  sample: [topology spread]
devices:
  description:
    - What each node has of each device.
    - C(why) says why a node takes no pods, and then nothing of it is free. It is empty if the node takes some.
  returned: without O(workload), O(manifest) and O(pod_spec)
  type: list
  elements: dict
  sample: [{node: gpu-0, resource: nvidia.com/gpu, allocatable: 8, used: 5, free: 3, why: ""}]
totals:
  description: The sums over all nodes.
  returned: without O(workload), O(manifest) and O(pod_spec)
  type: dict
  sample: {nvidia.com/gpu: {allocatable: 8, used: 5, free: 3}}
msg:
  description: The answer in words and numbers.
  returned: success
  type: str
  sample: "nvidia.com/gpu: 3 of 8 free on 1 nodes."
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.capacity import guarded, read_cluster
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.fleet import fleet
from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.wanted import wanted_of
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.arguments import CLUSTER
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube

PODS = ("workload", "manifest", "pod_spec")
ARGUMENTS: dict[str, Any] = {
    "workload": {"type": "dict"},
    "manifest": {"type": "str"},
    "pod_spec": {"type": "dict"},
    "replicas": {"type": "int"},
    "release": {"type": "str"},
    "namespace": {"type": "str"},
    "resource": {"type": "str"},
    **CLUSTER,
}


def execute(module: AnsibleModule) -> dict[str, Any]:
    """Look at the cluster."""
    params = module.params
    wanted = wanted_of(*(params[name] for name in (*PODS, "replicas")))
    kube = Kube(params["kubeconfig"], params["context"])
    if wanted is None:
        return {"changed": False, **fleet(read_cluster(kube, None), params["resource"])}
    return {"changed": False, **guarded(kube, params["namespace"], params["release"], wanted)}


def main() -> None:
    run_module(
        execute,
        libraries=("kubernetes", "yaml"),
        argument_spec=ARGUMENTS,
        mutually_exclusive=[(*PODS, "resource")],
        required_by=dict.fromkeys(PODS, ("namespace",)),
    )


if __name__ == "__main__":
    main()
