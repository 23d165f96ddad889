#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_release_lock
short_description: Let one run at a time change a Helm release
version_added: 0.1.0
description:
  - Takes the lock of a release or gives it back. The lock is a Lease C(<release>-lock) in its namespace, and belongs to
    a run of C(ansible-playbook).
  - Whoever finds it taken is told by whom, since when and until when.
  - The lock of a run whose process has ended is free, as far as that can be seen, which is on the same machine only.
    Elsewhere it has to expire, or to be taken over.
  - It keeps apart those that ask for it. Helm itself does not.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  release:
    description: The name of the release.
    type: str
    required: true
  namespace:
    description: The namespace of the release. It is made if it does not exist, as Helm would with the release.
    type: str
    required: true
  state:
    description: V(present) takes the lock, or extends this run's own. V(absent) gives it back.
    type: str
    choices: [present, absent]
    default: present
  seconds:
    description: When the lock expires if it is not given back. Nobody renews it meanwhile.
    type: int
    default: 3600
  take_over:
    description: Take the lock whoever has it.
    type: bool
    default: false
  actor:
    description: On whose behalf the lock is held. By default the operating system's account.
    type: str
  process:
    description: The process whose end frees the lock. By default the run of Ansible that the task is of.
    type: int
extends_documentation_fragment:
  - ai_aas.inference.attributes
  - ai_aas.inference.cluster
attributes:
  check_mode:
    support: full
    details: Takes nothing. Fails if another run holds the lock.
  diff_mode:
    support: none
    details: A lock is no change of the release, so the task never says that it changed something.
notes:
  - The account needs C(get), C(create), C(update) and C(delete) on C(leases) of C(coordination.k8s.io) in the
    namespace.
seealso:
  - module: ai_aas.inference.helm_release_recover
"""

EXAMPLES = r"""
- name: Change a release that nobody else changes meanwhile
  block:
    - name: Take its lock
      ai_aas.inference.helm_release_lock:
        release: gpt-oss-20b
        namespace: system
        actor: alice
  always:
    - name: Give it back
      ai_aas.inference.helm_release_lock:
        release: gpt-oss-20b
        namespace: system
        actor: alice
        state: absent
"""

RETURN = r"""
holder:
  description: This run, as the Lease names it.
  returned: success
  type: str
  sample: alice@controller:4711:123456
before:
  description:
    - What the lock was before. One of C(free), C(own), and C(left) by a run that has ended without giving it back.
    - With O(state=absent) C(own) if this run had it, and C(free) otherwise.
  returned: success
  type: str
  sample: free
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.lock import (
    FREE,
    OWN,
    Holder,
    Lock,
    process_began,
    this_machine,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.provenance import account
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.arguments import RELEASE
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube

ARGUMENTS: dict[str, Any] = {
    **RELEASE,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "seconds": {"type": "int", "default": 3600},
    "take_over": {"type": "bool", "default": False},
    "actor": {"type": "str"},
    "process": {"type": "int"},
}


def execute(module: AnsibleModule) -> dict[str, Any]:
    """Take the lock, or give it back."""
    params = module.params
    process = params["process"] or os.getppid()
    me = Holder(params["actor"] or account(), this_machine(), process, process_began(process))
    lock = Lock(Kube(params["kubeconfig"], params["context"]), params["namespace"], params["release"])
    if params["state"] == "absent":
        before = OWN if lock.give_back(me, check=module.check_mode) else FREE
    else:
        before = lock.take(me, params["seconds"], over=params["take_over"], check=module.check_mode)
    return {"changed": False, "holder": str(me), "before": before}


def main() -> None:
    run_module(execute, libraries=("kubernetes",), argument_spec=ARGUMENTS)


if __name__ == "__main__":
    main()
