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
    exact model name is listed, a completion of one token came back, and C(/health) answered after it, twice in a row.
  - An open port, C(/health) or C(/v1/models) alone are never taken as proof. A frozen engine answers all of them.
  - Ends at once, with the reason, when the model can never become ready by waiting.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  model:
    description: The name under which the model must be served, exactly.
    type: str
    required: true
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
      - With O(url) the way is always direct.
    type: str
    choices: [port_forward]
    default: port_forward
  api:
    description: By which API the token is asked for. A model without a chat template refuses V(chat).
    type: str
    choices: [completions, chat]
    default: completions
  api_key:
    description: The key that the server was started with, sent as a bearer token.
    type: str
  ca_cert:
    description: A PEM file with the authority that signed the certificate of an https O(url).
    type: path
  validate_certs:
    description: Whether the certificate of an https O(url) is verified.
    type: bool
    default: true
  timeout:
    description: Seconds until the wait gives up.
    type: float
    default: 1200
  request_timeout:
    description: Seconds for each request to the server, in all. The first one with a cold engine can take 25.
    type: float
    default: 30
  interval:
    description: Seconds between two looks while the model is not ready.
    type: float
    default: 0.5
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

- name: Ask a server by its address
  ai_aas.inference.vllm_ready:
    model: gpt-oss-20b
    url: http://127.0.0.1:8000
    timeout: 30
"""

RETURN = r"""
ready:
  description: Whether the model is ready.
  returned: always
  type: bool
  sample: true
reason:
  description:
    - Why it is not ready, or null. One of C(not_found), C(rollout), C(scaled_to_zero), C(scheduling),
      C(unschedulable), C(starting), C(image_pull), C(image_not_found), C(image_unauthorized), C(image_name_invalid),
      C(image_never_present), C(config_missing), C(container_error), C(crash), C(oom_killed), C(probe_failing),
      C(loading), C(quota), C(admission_denied), C(not_serving), C(timeout), C(not_vllm), C(wrong_name),
      C(not_generating), C(unhealthy), C(unauthorised), C(refused), C(server_error), C(tls_mismatch), C(forbidden),
      C(api_unreachable).
  returned: always
  type: str
  sample: wrong_name
phases:
  description:
    - Seconds that each phase took, as far as it was reached. The phases are C(scheduled), C(pulled), C(started),
      C(loaded), C(serving) and C(verified).
  returned: always
  type: dict
  sample: {scheduled: 0.5, pulled: 0.1, started: 0.4, loaded: 31.2, serving: 0.1, verified: 0.1}
served_models:
  description: The names that the server listed, as far as it was asked.
  returned: always
  type: list
  elements: str
  sample: [gpt-oss-20b]
observations:
  description: How often the model was looked at.
  returned: always
  type: int
  sample: 12
seconds:
  description: Seconds of the whole wait.
  returned: always
  type: float
  sample: 32.4
msg:
  description: The verdict in words.
  returned: always
  type: str
  sample: Model gpt-oss-20b generates
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.cluster import open_cluster
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.connection import direct
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import REMEDIES, Verdict
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observer import (
    Question,
    release_observer,
    url_observer,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.wait import Outcome, Patience, SystemClock, wait

ARGUMENTS: dict[str, Any] = {
    "model": {"type": "str", "required": True},
    "url": {"type": "str"},
    "release": {"type": "str"},
    "namespace": {"type": "str"},
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "transport": {"type": "str", "choices": ["port_forward"], "default": "port_forward"},
    "api": {"type": "str", "choices": ["completions", "chat"], "default": "completions"},
    "api_key": {"type": "str", "no_log": True},
    "ca_cert": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "timeout": {"type": "float", "default": 1200},
    "request_timeout": {"type": "float", "default": 30},
    "interval": {"type": "float", "default": 0.5},
    "fail_fast": {"type": "str", "choices": ["never", "permanent", "suspect"], "default": "permanent"},
    "each_replica": {"type": "bool", "default": False},
    "progress_file": {"type": "path"},
}


def observer(params: dict[str, Any]) -> Callable[[], Verdict]:
    """Return what looks at the model that the parameters name."""
    headers = {"Authorization": f"Bearer {params['api_key']}"} if params["api_key"] else {}
    question = Question(params["model"], params["api"], headers, params["request_timeout"])
    if params["url"]:
        return url_observer(*direct(params["url"], params["ca_cert"], params["validate_certs"]), question)
    cluster = open_cluster(params["namespace"], params["kubeconfig"], params["context"])
    return release_observer(cluster, params["release"], question, params["each_replica"])


def teller(progress_file: str | None) -> Callable[[float, Verdict], None]:
    """Return what writes a line of progress, or drops it where nobody reads it."""

    def tell(seconds: float, verdict: Verdict) -> None:
        if progress_file:
            with Path(progress_file).open("a", encoding="utf-8") as file:
                file.write(f"{seconds:6.1f} s  {verdict.reason or 'ready'}: {verdict.msg}\n".replace("\n", " ") + "\n")

    return tell


def result_of(outcome: Outcome) -> dict[str, Any]:
    """Return the module's result for the end of a wait."""
    verdict = outcome.verdict
    return {
        "changed": False,
        "ready": verdict.ready,
        "reason": verdict.reason,
        "phases": outcome.phases,
        "served_models": list(verdict.served_models),
        "observations": outcome.observations,
        "seconds": round(outcome.seconds, 3),
        "msg": verdict.msg,
    }


def execute(module: AnsibleModule) -> dict[str, Any]:
    """Wait, and fail with the reason if the model did not become ready."""
    params = module.params
    patience = Patience(params["timeout"], params["interval"], params["fail_fast"], once=module.check_mode)
    outcome = wait(observer(params), patience, SystemClock(), teller(params["progress_file"]))
    result = result_of(outcome)
    if outcome.verdict.ready or module.check_mode:
        return result
    waited = f"after {outcome.seconds:.1f} s" + (" (timeout)" if outcome.timed_out else "")
    remedy = REMEDIES.get(str(outcome.verdict.reason), "")
    raise InferenceError(
        f"Model {params['model']} is not ready {waited}, reason {outcome.verdict.reason}",
        outcome.verdict.msg,
        remedy,
        {key: value for key, value in result.items() if key != "msg"},
    )


def main() -> None:
    run_module(
        execute,
        argument_spec=ARGUMENTS,
        mutually_exclusive=[("url", "release")],
        required_one_of=[("url", "release")],
        required_by={"release": ("namespace",)},
    )


if __name__ == "__main__":
    main()
