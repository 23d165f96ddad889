#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_idle
short_description: Wait until the vLLM servers of a release work on no request
version_added: 0.1.0
description:
  - Reads the gauges C(vllm:num_requests_running) and C(vllm:num_requests_waiting) of all pods of a release, until their
    sum was zero for O(quiet) seconds.
  - Use it between taking a model out of routing and replacing its pods. It keeps no new request away.
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
  quiet:
    description: Seconds for which there has to be no request.
    type: float
    default: 2
  timeout:
    description: Seconds after which the wait ends with a warning. RV(idle) then is false.
    type: float
    default: 120
  scheme:
    description: Whether the servers speak TLS.
    type: str
    choices: [http, https]
    default: http
  ca_cert:
    description: A PEM file with the authorities that may have signed their certificates. The system's by default.
    type: path
  validate_certs:
    description: Whether their certificates are verified.
    type: bool
    default: true
extends_documentation_fragment:
  - ai_aas.inference.attributes
  - ai_aas.inference.cluster
attributes:
  check_mode:
    support: full
    details: Looks once.
  diff_mode:
    support: none
    details: The module changes nothing.
notes:
  - A release without a running pod is idle. A server that does not say what it works on is not.
  - The account needs C(list) on C(pods), and C(get) and C(create) on C(pods/portforward), in the namespace.
requirements:
  - websocket-client
seealso:
  - module: ai_aas.inference.model_route
"""

EXAMPLES = r"""
- name: Let requests end before the pods are replaced
  ai_aas.inference.vllm_idle:
    release: gpt-oss-20b
    namespace: system
    timeout: 300
"""

RETURN = r"""
idle:
  description: Whether there was no request for long enough.
  returned: success
  type: bool
  sample: true
requests:
  description: How many requests there were at last, or null if a server did not say.
  returned: success
  type: int
  sample: 0
seconds:
  description: How long the wait took.
  returned: success
  type: float
  sample: 2.1
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.arguments import RELEASE, server_arguments
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.idle import Servers, wait_idle
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.lifeline import end_with_parent
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import tls_of
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import SystemClock

ARGUMENTS: dict[str, Any] = {
    **RELEASE,
    "quiet": {"type": "float", "default": 2},
    "timeout": {"type": "float", "default": 120},
    **{name: option for name, option in server_arguments().items() if name in ("scheme", "ca_cert", "validate_certs")},
}


def execute(module: AnsibleModule) -> dict[str, Any]:
    """Wait until there is no request, or the time is over."""
    params = module.params
    end_with_parent(None)
    tls = tls_of(params["scheme"], params["ca_cert"], validate=params["validate_certs"])
    servers = Servers(Kube(params["kubeconfig"], params["context"]), params["namespace"], params["release"], tls)
    found = wait_idle(servers.requests, params["quiet"], params["timeout"], SystemClock(), once=module.check_mode)
    left = "what it works on cannot be seen" if found.requests is None else f"{found.requests} requests are left"
    told = f"Release {params['release']} is not idle after {found.seconds:.0f} s: {left}"
    warnings = [] if found.idle or module.check_mode else [told]
    return {"changed": False, **found._asdict(), "warnings": warnings}


def main() -> None:
    run_module(execute, libraries=("kubernetes", "websocket"), argument_spec=ARGUMENTS)


if __name__ == "__main__":
    main()
