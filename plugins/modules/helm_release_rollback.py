#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: helm_release_rollback
short_description: Take a Helm release back to an earlier revision
version_added: 0.1.0
description:
  - Makes a new revision of a release out of an earlier one, by Helm's own rollback, which M(kubernetes.core.helm)
    lacks.
  - The last verified revision is the one that M(ai_aas.inference.verified_revision) recorded last. It can be gone back
    to even when Helm's history has forgotten it.
  - Waits for nothing. Use M(ai_aas.inference.vllm_ready) afterwards, and take the model out of routing before.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  to:
    description:
      - The revision to go back to. V(verified) is the last one that is recorded as verified; nothing is done where that
        is what is deployed. V(previous) is the last one before the newest that was deployed; asked for twice it goes
        back and forth, as Helm's own rollback does. A number is a revision of C(helm history).
    type: str
    default: verified
extends_documentation_fragment:
  - ai_aas.inference.attributes
  - ai_aas.inference.helm
attributes:
  diff_mode:
    support: full
    details: Shows the values of the two revisions by their digests, since they may hold what is secret.
requirements:
  - kubernetes >= 29
seealso:
  - module: ai_aas.inference.verified_revision
  - module: kubernetes.core.helm
"""

EXAMPLES = r"""
- name: Take a model back to what was verified last
  ai_aas.inference.helm_release_rollback:
    release: gpt-oss-20b
    namespace: system

- name: See where a rollback to the revision before would lead
  ai_aas.inference.helm_release_rollback:
    release: gpt-oss-20b
    namespace: system
    to: previous
  check_mode: true
"""

RETURN = r"""
target:
  description: The revision that was gone back to, or is there already.
  returned: success
  type: int
  sample: 3
previous:
  description: The newest revision before.
  returned: success
  type: int
  sample: 4
revision:
  description: The newest revision now. In check mode the one that it would be.
  returned: success
  type: int
  sample: 5
keeps_serving:
  description: Whether a pod serves at each moment meanwhile, as the strategy of the Deployment says that comes back.
  returned: success
  type: bool
  sample: false
restored:
  description: Whether the revision had to be put back into Helm's history.
  returned: success
  type: bool
  sample: false
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.arguments import RELEASE, open_helm
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.rollback import roll_back
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.verified import Store
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube

ARGUMENTS: dict[str, Any] = {**RELEASE, "to": {"type": "str", "default": "verified"}}


def execute(module: AnsibleModule) -> dict[str, Any]:
    """Go back to the revision that is asked for."""
    params = module.params
    store = Store(Kube(params["kubeconfig"], params["context"]), params["namespace"], params["release"])
    return roll_back(open_helm(module), store, params["to"], check=module.check_mode)


def main() -> None:
    run_module(execute, libraries=("kubernetes", "yaml"), argument_spec=ARGUMENTS)


if __name__ == "__main__":
    main()
