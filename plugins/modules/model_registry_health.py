#!/usr/bin/python
# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the models of one environment, and takes those that do not generate out of routing until they do."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_registry_health
short_description: Check the models of an environment, and take those that do not generate out of routing
version_added: 0.1.0
description:
  - Asks each model of one environment whose entry is C(ready) or C(degraded) for a token under its exact name, and
    writes C(last_health_check_at).
  - After O(failures) checks in a row without one, an entry turns from C(ready) to C(degraded), which takes it out of
    routing. After O(successes) checks in a row with one it is C(ready) again, if it was this module that degraded it.
  - Entries of any other status are neither asked nor changed. What a person disables while a check is under way stays
    disabled.
  - Failures are believed only if the checker itself is not cut off. See O(quorum) and O(control).
  - Several checkers can run at the same time. Each entry is claimed by one of them, and is not due again before half of
    O(interval) has passed.
author:
  - The ai_aas.inference maintainers (@ai-aas)
extends_documentation_fragment:
  - ai_aas.inference.attributes
  - ai_aas.inference.registry
  - ai_aas.inference.registry.cache
  - ai_aas.inference.registry.provenance
options:
  environment:
    description:
      - The environment whose models are checked.
    type: str
    required: true
    choices: [development, staging, production]
  models:
    description:
      - The names of the models that are checked. All of the environment by default.
    type: list
    elements: str
  probe:
    description:
      - What a model has to do. V(token) is a completion of one token. V(text) is a completion of eight tokens that hold
        some text, which finds damaged weights. V(health) is C(GET /health) alone, which a frozen engine answers, too;
        it is for models that have no completions, such as those that embed.
    type: str
    default: token
    choices: [token, text, health]
  api:
    description:
      - By which API tokens are asked for. V(chat) needs a chat template.
    type: str
    default: completions
    choices: [completions, chat]
  timeout:
    description:
      - Seconds for each model in all, from its name's resolution to the last byte. If there is no answer after half of
        them, two samples of C(/metrics) tell whether the model generates for others.
      - With O(transport=port_forward) these samples take up to 3 seconds more.
    type: float
    default: 5.0
  failures:
    description:
      - After how many failed checks in a row an entry is degraded.
    type: int
    default: 2
  successes:
    description:
      - After how many good checks in a row an entry that was degraded by health is restored.
    type: int
    default: 2
  quorum:
    description:
      - If more than this share of the ready entries that are checked fail in the same sweep, no failure is counted and
        nothing is degraded, and a warning says so. V(1) turns the rule off.
    type: float
    default: 0.5
  quorum_least:
    description:
      - The rule of O(quorum) needs at least so many failures.
    type: int
    default: 2
  control:
    description:
      - A plain http URL that answers as long as this checker's network works, with whatever status. While it does not,
        no failure is counted and nothing is degraded.
    type: str
  interval:
    description:
      - Seconds between two sweeps. An entry that was checked less than half of them ago is not due.
      - Set it to the period of the schedule that runs the module.
    type: float
    default: 60.0
  sweeps:
    description:
      - How many sweeps are made, O(interval) apart. V(0) goes on until the module is told to end by SIGTERM or an
        interrupt. It then ends within a second, and gives back what it had not finished.
      - While more than one is made, a database that cannot be reached ends a sweep and not the module. Each sweep is a
        line in the system's log.
    type: int
    default: 1
  concurrency:
    description:
      - How many models are asked at once. Each takes one file descriptor, and two while it is silent.
    type: int
    default: 256
  jitter:
    description:
      - Seconds over which the beginnings of a sweep's checks are spread.
    type: float
    default: 0.5
  transport:
    description:
      - How models are reached. V(direct) connects to their endpoints, or to where O(endpoint_map) leads.
      - V(port_forward) goes through the Kubernetes API to a ready pod of the endpoint's Service, and works from outside
        of the cluster.
    type: str
    default: direct
    choices: [direct, port_forward]
  endpoint_map:
    description:
      - Where an endpoint is reached from here, as a mapping of endpoints to C(host:port).
    type: dict
    default: {}
  kubeconfig:
    description:
      - The kubeconfig file for O(transport=port_forward), O(api_key_secret) and O(remediate). By default E(KUBECONFIG),
        C(~/.kube/config), or inside a pod its own account.
    type: path
  context:
    description:
      - The context in the kubeconfig. Its current context by default.
    type: str
  api_key:
    description:
      - The key that the model servers were started with, sent as a bearer token.
      - Taken from the environment variable E(VLLM_API_KEY) when it is not given.
    type: str
  api_key_secret:
    description:
      - A Secret in the namespace of each entry that holds the key of its server.
    type: dict
    suboptions:
      name:
        description:
          - Its name.
        type: str
        required: true
      key:
        description:
          - Which of its keys.
        type: str
        required: true
  scheme:
    description:
      - Whether model servers speak TLS.
    type: str
    default: http
    choices: [http, https]
  server_ca_cert:
    description:
      - A PEM file with the authorities that may have signed their certificates. The system's by default.
    type: path
  validate_certs:
    description:
      - Whether their certificates are verified.
    type: bool
    default: true
  remediate:
    description:
      - V(restart) deletes the pod of a model that health has degraded because it is alive and generates nothing, not
        even for others. Each pod of its Service is asked by itself, and only one that is frozen is deleted.
      - At most one pod of a model in O(remediate_period), and only while all its other pods are Ready.
    type: str
    default: none
    choices: [none, restart]
  remediate_period:
    description:
      - Seconds for which no pod of a model is deleted after its youngest one was made, whoever made it.
    type: float
    default: 1800.0
  metrics_file:
    description:
      - A file of its own for each environment, below the folder of a collector of text files such as node_exporter's,
        with a name that ends in C(.prom). After each sweep it is replaced at once by the state of every entry of the
        environment and the time of its last check. docs/monitoring.md lists the metrics.
      - What cannot be written is a warning.
    type: path
notes:
  - The rows of failures and successes are kept in the key C(health) of an entry's metadata, beside whatever others keep
    there. On a table without the column C(metadata) they are counted within one run alone.
  - What is the checker's fault counts neither way, and is among RV(unchecked). This holds for a name that does not
    resolve, a host that cannot be reached from here, a key that is not accepted, and a request that is refused as such
    (400).
  - A model that generates for others while its queue is too long for an answer in time is busy, and never degraded.
  - "With O(transport=port_forward) the account needs C(list) on C(endpointslices), and C(get) and C(create) on
    C(pods/portforward). O(remediate=restart) needs these, C(get) on C(services), and C(list) and C(delete) on C(pods).
    O(api_key_secret) needs C(get) on that Secret."
  - Whether C(changed) is true depends on statuses and restarts alone. Times of checks are no changes.
seealso:
  - module: ai_aas.inference.model_registry_info
  - module: ai_aas.inference.vllm_ready
"""

EXAMPLES = r"""
- name: Check the models of production once, as a schedule does each minute
  ai_aas.inference.model_registry_health:
    environment: production
    interval: 60
    database_url: "{{ lookup('ansible.builtin.env', 'DATABASE_URL') }}"
    redis_url: redis://cache.example.com:6379/0

- name: Say what a check would change
  ai_aas.inference.model_registry_health:
    environment: production
  check_mode: true
  diff: true

- name: Check every 20 seconds until told to end, and degrade after three failures
  ai_aas.inference.model_registry_health:
    environment: staging
    interval: 20
    sweeps: 0
    failures: 3
    control: http://gateway.example.com/healthz

- name: Check from outside of the cluster, with each namespace's key, and restart what is frozen
  ai_aas.inference.model_registry_health:
    environment: development
    transport: port_forward
    kubeconfig: /srv/kubeconfigs/development
    api_key_secret:
      name: vllm-api-key
      key: key
    remediate: restart
"""

RETURN = r"""
checked:
  description: How many entries were checked and written. Of several sweeps, all that is returned is of the last one.
  returned: always
  type: int
  sample: 42
healthy:
  description: How many of them did what O(probe) asks.
  returned: always
  type: int
  sample: 40
busy:
  description: How many of them generate for others, and did not answer in time.
  returned: always
  type: int
  sample: 1
failing:
  description: How many of them failed.
  returned: always
  type: int
  sample: 1
failures:
  description:
    - The first hundred of those that failed. docs/readiness.md says what each C(reason) means; C(wrong_name) is a 404
      to the exact name.
  returned: always
  type: list
  elements: dict
  sample:
    - model_name: llama
      reason: not_generating
      msg: "The server is alive but generates nothing: no answer within 5 s; its counters of tokens stand still"
degraded:
  description: The models that were, or would be, degraded.
  returned: always
  type: list
  elements: str
  sample: [llama]
restored:
  description: The models that were, or would be, restored.
  returned: always
  type: list
  elements: str
  sample: []
unchecked:
  description:
    - What nothing is known of. C(not_due) counts the entries that were checked a moment ago or are held by another
      session, C(count) those that were claimed and not checked, C(reasons) these by reason, and C(models) names the
      first hundred.
    - The reasons are C(unresolved), C(unreachable), C(checker), C(unauthorised), C(tls_mismatch), C(forbidden),
      C(refused), C(endpoint), C(kubernetes), C(api_key), C(cut_off), and, if the entry was changed or held by another
      session meanwhile, C(changed) and C(held).
  returned: always
  type: dict
  sample:
    not_due: 0
    count: 1
    reasons: {unresolved: 1}
    models: [{model_name: mixtral, reason: unresolved, msg: "[Errno -2] Name or service not known"}]
restarted:
  description: The pods that were, or would be, deleted, as C(namespace/name).
  returned: always
  type: list
  elements: str
  sample: []
cut_off:
  description: Why no failure was counted, or an empty text.
  returned: always
  type: str
  sample: 12 of 14 ready models that were checked fail at once
stopped:
  description: Whether it was told to end before its work was done.
  returned: always
  type: bool
  sample: false
sweeps:
  description: How many sweeps were made.
  returned: always
  type: int
  sample: 1
failed_sweeps:
  description: In how many of them the registry could not be read or written.
  returned: always
  type: int
  sample: 0
diff:
  description: The statuses that change.
  returned: always
  type: dict
  sample: {before: {llama: ready}, after: {llama: degraded}, before_header: statuses of production}
timings:
  description: Seconds by step of the last sweep.
  returned: always
  type: dict
  sample: {connect: 0.0229, claim: 0.0636, write: 0.12, commit: 0.0019, sweep: 0.5193}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._health.arguments import health_arguments
from ansible_collections.ai_aas.inference.plugins.module_utils._health.health import check_health
from ansible_collections.ai_aas.inference.plugins.module_utils._module import run_module
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.arguments import (
    cache_arguments,
    connection_arguments,
    provenance_arguments,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.secrecy import guarded

ARGUMENTS: dict[str, Any] = {
    **health_arguments(),
    **connection_arguments(),
    **cache_arguments(),
    **provenance_arguments(),
}


@guarded
def execute(module: AnsibleModule) -> dict[str, Any]:
    return check_health(module.params, module.no_log_values, module.log, check=module.check_mode)


def main() -> None:
    run_module(
        execute, libraries=("psycopg2",), argument_spec=ARGUMENTS, mutually_exclusive=[("api_key", "api_key_secret")]
    )


if __name__ == "__main__":
    main()
