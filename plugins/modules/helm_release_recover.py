#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_release_recover
short_description: Free a Helm release whose last operation was cut off
version_added: 0.1.0
description:
  - Helm refuses to change a release that is C(pending-install), C(pending-upgrade), C(pending-rollback) or
    C(uninstalling), and it stays so for ever if the operation was cut off.
  - Waits until the operation has ended, or has written nothing for O(patience) seconds. In the second case its
    revision is marked as C(failed), as Helm itself does with an operation that it sees fail, so that the release can be
    upgraded.
  - No object of the workload is touched. What serves goes on serving.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  release:
    description: The name of the release.
    type: str
    required: true
  namespace:
    description: The namespace of the release.
    type: str
    required: true
  patience:
    description:
      - Seconds after its last sign of life when an operation counts as cut off. It should be as long as the longest
        that anybody gives Helm by C(--timeout), unless it is known that nobody works at the release.
    type: float
    default: 600
extends_documentation_fragment:
  - ai_aas.inference.attributes
  - ai_aas.inference.cluster
attributes:
  check_mode:
    support: full
    details: Waits for nothing. Fails if the operation may still be alive.
  diff_mode:
    support: none
    details: RV(status) says what the release was found in.
notes:
  - The account needs C(list) and C(update) on C(secrets) in the namespace.
seealso:
  - module: ai_aas.inference.helm_release_plan
  - module: ai_aas.inference.helm_release_rollback
"""

EXAMPLES = r"""
- name: Make a release usable again
  ai_aas.inference.helm_release_recover:
    release: gpt-oss-20b
    namespace: system
    patience: 300
"""

RETURN = r"""
status:
  description: The status that the release was found in, in Helm's words, or empty where there is no release.
  returned: success
  type: str
  sample: pending-upgrade
revision:
  description: Its newest revision, or 0.
  returned: success
  type: int
  sample: 3
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.recovery import Store, recover
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.arguments import RELEASE
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube

ARGUMENTS: dict[str, Any] = {
    **RELEASE,
    "patience": {"type": "float", "default": 600},
}


def execute(module: AnsibleModule) -> dict[str, Any]:
    """Free the release."""
    params = module.params
    store = Store(Kube(params["kubeconfig"], params["context"]), params["namespace"], params["release"])
    return recover(store, params["patience"], time.time, time.sleep, check=module.check_mode)._asdict()


def main() -> None:
    run_module(execute, libraries=("kubernetes",), argument_spec=ARGUMENTS)


if __name__ == "__main__":
    main()
