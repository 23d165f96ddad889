#!/usr/bin/python
# Copyright: (c) 2026, ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_ready
short_description: Wait until a vLLM model truly generates under its exact name
version_added: 0.1.0
description:
  - Waits until a model is ready. Ready means that the rollout of its release is complete, its pods are Ready, the
    exact model names are listed, a completion of one token came back for each, and C(/health) answered after it, twice
    in a row by the same pods.
  - An open port, C(/health) or C(/v1/models) alone are never taken as proof. A frozen engine answers all of them.
  - Ends at once, with the reason, when the model can never become ready by waiting. While it can, the Kubernetes API is
    watched and not polled.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  model:
    description: The name under which the model must be served, exactly. Required without O(releases).
    type: str
  aliases:
    description: Further names that must be listed and generate, such as aliases and LoRA adapters.
    type: list
    elements: str
  url:
    description:
      - The base URL of a server, with or without C(/v1). Needs no cluster.
      - Mutually exclusive with O(release).
    type: str
  release:
    description: The Helm release that serves the model. It is found by the label C(app.kubernetes.io/instance).
    type: str
  namespace:
    description: The namespace of the release. Required with O(release).
    type: str
  releases:
    description:
      - Several models to wait for at the same time, in one process. All other options hold for each of them.
      - The module ends when all have become ready or cannot any more.
    type: list
    elements: dict
    suboptions:
      model:
        description: As O(model).
        type: str
        required: true
      aliases:
        description: As O(aliases).
        type: list
        elements: str
      url:
        description: As O(url).
        type: str
      release:
        description: As O(release).
        type: str
      namespace:
        description: As O(namespace).
        type: str
  kubeconfig:
    description:
      - The path of a kubeconfig file. The default is the environment variable E(KUBECONFIG), then C(~/.kube/config),
        then the account of the pod in which the module runs.
    type: path
  context:
    description: The context in the kubeconfig. The default is its current context.
    type: str
  transport:
    description:
      - How a release's pods are reached. V(port_forward) goes through the Kubernetes API and works from anywhere.
      - V(api_proxy) uses the API server's proxy, which must reach the pods' network itself. It cannot pass on
        O(api_key).
      - With O(url) the way is always direct.
    type: str
    choices: [port_forward, api_proxy]
    default: port_forward
  api:
    description: By which API the token is asked for. A model without a chat template refuses V(chat).
    type: str
    choices: [completions, chat]
    default: completions
  probe:
    description:
      - V(token) asks for one token and takes it whatever it holds, since the first one of many models is empty.
      - V(text) asks for eight tokens and wants some text in them. It finds weights that are not numbers.
    type: str
    choices: [token, text]
    default: token
  api_key:
    description: The key that the server was started with, sent as a bearer token.
    type: str
  api_key_secret:
    description:
      - The Secret in the release's namespace that holds the key. The account must be allowed to get it.
      - Mutually exclusive with O(api_key).
    type: dict
    suboptions:
      name:
        description: The Secret's name.
        type: str
        required: true
      key:
        description: The key in the Secret.
        type: str
        required: true
  scheme:
    description: Whether the servers of a release speak HTTP or HTTPS. That of O(url) is in the URL.
    type: str
    choices: [http, https]
    default: http
  ca_cert:
    description: A PEM file with the authority that signed the server's certificate.
    type: path
  validate_certs:
    description: Whether a server's certificate is verified. V(api_proxy) never does.
    type: bool
    default: true
  tls_server_name:
    description:
      - The name that the certificate of a release's server must be for. The default is
        C(<release>.<namespace>.svc.cluster.local).
    type: str
  started_after:
    description:
      - The moment after which the server's process must have been started, as a date and time or in seconds since
        1970. It keeps a server that is about to be replaced from passing for its successor behind the same O(url).
      - A release needs it only where its Deployment was not changed, as after a plain restart of a container.
    type: str
  timeout:
    description: Seconds until the wait gives up.
    type: float
    default: 1200
  budgets:
    description:
      - Seconds that each phase may take. The wait gives up when one is used up, before O(timeout) is.
    type: dict
    suboptions:
      scheduled:
        description: Until the pods have nodes.
        type: float
      pulled:
        description: Until their image is there.
        type: float
      started:
        description: Until their containers run.
        type: float
      loaded:
        description: Until they are started, which means that the model is loaded.
        type: float
      serving:
        description: Until they are Ready, the rollout is complete and the server answers.
        type: float
      verified:
        description: Until the names are listed and generate.
        type: float
  request_timeout:
    description: Seconds for each completion, in all. The first one with a cold engine can take 25.
    type: float
    default: 30
  interval:
    description:
      - Seconds between two questions to a server that is not ready. The default is 0.1 with O(url), and 1 with
        O(release), whose pods are only asked once they are Ready.
    type: float
  fail_fast:
    description:
      - Which causes end the wait before its timeout. V(permanent) are those that cannot pass by waiting.
      - V(suspect) adds those that repeat more often than not, such as a container that keeps crashing.
    type: str
    choices: [never, permanent, suspect]
    default: permanent
  each_replica:
    description: Whether every pod of the newest revision has to generate, rather than one of them.
    type: bool
    default: false
  progress:
    description:
      - Whether a line on stderr tells of each change while the module runs on the controller. In AWX at most one comes
        in ten seconds. Under C(async) and with C(no_log) there are none.
    type: bool
    default: true
  progress_file:
    description:
      - A file that gets a line whenever something changes. The action plugin of this name sets and shows it.
    type: path
extends_documentation_fragment:
  - ai_aas.inference.attributes
attributes:
  check_mode:
    support: full
    details: Observes once and returns the verdict, without failing when the model is not ready.
  diff_mode:
    support: none
    details: The module changes nothing.
requirements:
  - kubernetes >= 29 (only with O(release))
seealso:
  - module: ai_aas.inference.model_registry_entry
"""

EXAMPLES = r"""
- name: Wait for a release, from outside the cluster
  ai_aas.inference.vllm_ready:
    model: gpt-oss-20b
    release: gpt-oss-20b
    namespace: system
    timeout: 1200
    budgets:
      scheduled: 120
      pulled: 600

- name: Ask a server by its address
  ai_aas.inference.vllm_ready:
    model: gpt-oss-20b
    url: http://127.0.0.1:8000
    timeout: 30

- name: Wait for a model and its adapter, in every replica, with the key that the chart uses
  ai_aas.inference.vllm_ready:
    model: gpt-oss-20b
    aliases: [gpt-oss-20b-sql]
    release: gpt-oss-20b
    namespace: system
    each_replica: true
    api_key_secret:
      name: vllm-api-key
      key: api-key

- name: Wait for several models in one process
  ai_aas.inference.vllm_ready:
    releases:
      - {model: gpt-oss-20b, release: gpt-oss-20b, namespace: system}
      - {model: gpt-oss-120b, release: gpt-oss-120b, namespace: system}
    fail_fast: suspect
"""

RETURN = r"""
ready:
  description: Whether the model is ready, or all of O(releases) are.
  returned: always
  type: bool
  sample: true
reason:
  description:
    - Why it is not ready, or null. docs/readiness.md says what each one means. One of C(not_found),
      C(scaled_to_zero), C(paused), C(quota), C(admission_denied), C(rollout), C(slow), C(verifying), C(scheduling),
      C(unschedulable), C(pod_rejected), C(starting), C(volume), C(image_pull), C(image_not_found),
      C(image_unauthorized), C(image_name_invalid), C(image_never_present), C(config_missing), C(container_error),
      C(crash), C(oom_killed), C(engine_died), C(cuda_out_of_memory), C(context_too_long), C(no_gpu), C(model_gated),
      C(model_not_found), C(hub_unreachable), C(bad_flag), C(weights_truncated), C(port_in_use),
      C(unsupported_architecture), C(disk_full), C(probe_misconfigured), C(loading), C(probe_failing), C(node_lost),
      C(not_serving), C(timeout), C(server_error), C(draining), C(busy), C(sleeping), C(old_process), C(not_vllm),
      C(wrong_name), C(refused), C(not_generating), C(no_text), C(unhealthy), C(unauthorised), C(tls_mismatch),
      C(forbidden), C(api_unauthorised), C(api_unreachable).
  returned: always
  type: str
  sample: wrong_name
severity:
  description: Whether the reason C(heals), is C(suspect) or C(permanent). Null if the model is ready.
  returned: for one model
  type: str
  sample: permanent
phases:
  description:
    - Seconds that each phase took, as far as it was passed. The phases are C(scheduled), C(pulled), C(started),
      C(loaded), C(serving) and C(verified).
  returned: for one model
  type: dict
  sample: {scheduled: 0.5, pulled: 0.1, started: 0.4, loaded: 31.2, serving: 0.1, verified: 0.1}
slowest:
  description: The phase that took longest, and what it waited for longest.
  returned: for one model
  type: dict
  sample:
    phase: loaded
    seconds: 31.2
    waited_for: "Pod demo-5d runs and its startup probe has not passed yet: the model is loading"
served_models:
  description: The names that the server listed, as far as it was asked.
  returned: for one model
  type: list
  elements: str
  sample: [gpt-oss-20b]
observations:
  description: How often the model was looked at.
  returned: for one model
  type: int
  sample: 12
seconds:
  description: Seconds of the whole wait.
  returned: always
  type: float
  sample: 32.4
releases:
  description: What is returned for one model, for each of O(releases) in their order, with its C(model).
  returned: with O(releases)
  type: list
  elements: dict
  sample: [{model: gpt-oss-20b, ready: true, reason: null, seconds: 32.4}]
msg:
  description: The verdict in words.
  returned: always
  type: str
  sample: Model gpt-oss-20b generates
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.arguments import server_arguments
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.lifeline import end_with_parent
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import PHASES
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.readiness import (
    make_progress_file,
    wait_until_ready,
)

MODEL: dict[str, Any] = {
    "model": {"type": "str"},
    "aliases": {"type": "list", "elements": "str"},
    "url": {"type": "str"},
    "release": {"type": "str"},
    "namespace": {"type": "str"},
}
ARGUMENTS: dict[str, Any] = {
    **MODEL,
    "releases": {
        "type": "list",
        "elements": "dict",
        "options": {**MODEL, "model": {"type": "str", "required": True}},
    },
    **server_arguments(),
    "transport": {"type": "str", "choices": ["port_forward", "api_proxy"], "default": "port_forward"},
    "probe": {"type": "str", "choices": ["token", "text"], "default": "token"},
    "api_key": {"type": "str", "no_log": True},
    "tls_server_name": {"type": "str"},
    "started_after": {"type": "str"},
    "timeout": {"type": "float", "default": 1200},
    "budgets": {"type": "dict", "options": {name: {"type": "float"} for name in PHASES}},
    "request_timeout": {"type": "float", "default": 30},
    "interval": {"type": "float"},
    "fail_fast": {"type": "str", "choices": ["never", "permanent", "suspect"], "default": "permanent"},
    "each_replica": {"type": "bool", "default": False},
    "progress": {"type": "bool", "default": True},
    "progress_file": {"type": "path"},
}


def execute(module: AnsibleModule) -> dict[str, Any]:
    """Wait, and fail with the reason if a model did not become ready."""
    make_progress_file(module.params["progress_file"])
    end_with_parent(module.params["progress_file"])
    return wait_until_ready(module.params, module.no_log_values, once=module.check_mode)


def main() -> None:
    run_module(
        execute,
        argument_spec=ARGUMENTS,
        mutually_exclusive=[
            ("model", "releases"),
            ("aliases", "releases"),
            ("url", "release", "releases"),
            ("api_key", "api_key_secret"),
        ],
        required_one_of=[("url", "release", "releases"), ("model", "releases")],
        required_by={"release": ("namespace",)},
    )


if __name__ == "__main__":
    main()
