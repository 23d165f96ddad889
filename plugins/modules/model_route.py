#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model_route
short_description: Prove that a router serves or denies a model
version_added: 0.1.0
description:
  - Sends a completion of one token through the API router, as a client would, until the router does what is expected,
    twice in a row.
  - Without O(router_url) there is nothing to ask. The task is then skipped and says so.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  model:
    description: The model's name, as clients write it.
    type: str
    required: true
  expect:
    description:
      - V(served) wants a generated token. V(denied) wants the status 404, which is the router's answer for a model that
        is not in its registry or not ready.
    type: str
    choices: [served, denied]
    default: served
  router_url:
    description:
      - The base URL of the router, with or without C(/v1).
      - If it is not set, the environment variable E(ROUTER_URL) is used.
    type: str
  router_api_key:
    description: The key that the router wants, sent as C(X-API-Key).
    type: str
  router_ca_cert:
    description: A PEM file with the authority that signed the certificate of an https O(router_url).
    type: path
  validate_certs:
    description: Whether the certificate of an https O(router_url) is verified.
    type: bool
    default: true
  api:
    description: By which API the token is asked for.
    type: str
    choices: [completions, chat]
    default: completions
  timeout:
    description: Seconds until the wait gives up. A router that caches may need its whole time to live.
    type: float
    default: 130
  request_timeout:
    description: Seconds for each request, in all.
    type: float
    default: 30
  interval:
    description: Seconds between two requests.
    type: float
    default: 0.5
extends_documentation_fragment:
  - ai_aas.inference.attributes
attributes:
  check_mode:
    support: full
    details: Asks once and returns the verdict, without failing.
  diff_mode:
    support: none
    details: The module changes nothing.
seealso:
  - module: ai_aas.inference.vllm_ready
  - module: ai_aas.inference.model_registry_entry
"""

EXAMPLES = r"""
- name: See that clients reach the model
  ai_aas.inference.model_route:
    model: gpt-oss-20b
    router_url: https://api.dev.example.com
    router_api_key: "{{ lookup('ansible.builtin.env', 'ROUTER_API_KEY') }}"

- name: See that clients no longer reach it
  ai_aas.inference.model_route:
    model: gpt-oss-20b
    router_url: https://api.dev.example.com
    expect: denied
"""

RETURN = r"""
route:
  description: One of C(served), C(denied), or C(unverified) if neither was seen or no router was named.
  returned: always
  type: str
  sample: served
reason:
  description: Why the router did not do what was expected, or null.
  returned: when a router was asked
  type: str
  sample: denied
seconds:
  description: Seconds until the router was seen doing what was expected, or until the wait ended.
  returned: when a router was asked
  type: float
  sample: 0.04
request_seconds:
  description: Seconds that the last request took, which is a completion of one token where the model is served.
  returned: when a router was asked
  type: float
  sample: 0.021
msg:
  description: The verdict in words.
  returned: always
  type: str
  sample: The router serves the model
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.route import RouteObserver
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.transport import Tls
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import Patience, SystemClock, wait

ARGUMENTS: dict[str, Any] = {
    "model": {"type": "str", "required": True},
    "expect": {"type": "str", "choices": ["served", "denied"], "default": "served"},
    "router_url": {"type": "str", "fallback": (env_fallback, ["ROUTER_URL"])},
    "router_api_key": {"type": "str", "no_log": True},
    "router_ca_cert": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "api": {"type": "str", "choices": ["completions", "chat"], "default": "completions"},
    "timeout": {"type": "float", "default": 130},
    "request_timeout": {"type": "float", "default": 30},
    "interval": {"type": "float", "default": 0.5},
}


def execute(module: AnsibleModule) -> dict[str, Any]:
    """Ask the router until it does what is expected."""
    params = module.params
    if not params["router_url"]:
        return {"skipped": True, "route": "unverified", "msg": "No router_url is set: the route was not verified"}
    tls = Tls(params["router_ca_cert"], params["validate_certs"])
    observer = RouteObserver(params["router_url"], tls, params["router_api_key"], params)
    patience = Patience(params["timeout"], "permanent", once=module.check_mode)
    outcome = wait(observer.look, patience, SystemClock(), lambda seconds, verdict: None)
    verdict = outcome.verdict
    route = params["expect"] if verdict.ready else "unverified"
    times = {"seconds": round(outcome.seconds, 3), "request_seconds": round(observer.seconds, 3)}
    result = {"changed": False, "route": route, "reason": verdict.reason, **times}
    if verdict.ready or module.check_mode:
        return {**result, "msg": verdict.msg}
    what = f"Model {params['model']} is not {params['expect']} by the router after {outcome.seconds:.1f} s"
    remedy = "Compare the model's entry (model_registry_info) with this, and the router's cache and environment."
    raise InferenceError(what, verdict.msg, remedy, result)


def main() -> None:
    run_module(execute, argument_spec=ARGUMENTS)


if __name__ == "__main__":
    main()
