# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks up where models are served."""

from __future__ import annotations

DOCUMENTATION = r"""
name: model_endpoint
short_description: Look up where models are served
version_added: 0.1.0
description:
  - Reads the endpoint of each model from its entry in the registry.
  - Fails when a model has no entry in the environment, when the entry is not V(ready), or when it has no endpoint.
author:
  - The ai_aas.inference maintainers (@ai-aas)
extends_documentation_fragment:
  - ai_aas.inference.registry_plugin
  - ai_aas.inference.registry
options:
  _terms:
    description: Names of models, exactly as they are registered.
    type: list
    elements: str
    required: true
  environment:
    description: The environment in which they are registered.
    type: str
    choices: [development, staging, production]
    required: true
  any_status:
    description: Whether an entry counts whatever its status is, so that it need not be V(ready).
    type: bool
    default: false
seealso:
  - module: ai_aas.inference.model_registry_info
  - plugin: ai_aas.inference.parse_service_endpoint
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show where a model is served
  ansible.builtin.debug:
    msg: "{{ lookup('ai_aas.inference.model_endpoint', 'gpt-oss-20b', environment='production') }}"

- name: Show where several models are, or were, served
  ansible.builtin.debug:
    msg: "{{ query('ai_aas.inference.model_endpoint', *models, environment='production', any_status=true) }}"
  vars:
    models: [gpt-oss-20b, gpt-oss-120b]
"""

RETURN = r"""
_raw:
  description: The endpoint of each model, in the order of the names.
  type: list
  elements: str
  sample:
    - gpt-oss-20b-vllm-deployment.production.svc.cluster.local:8000
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import refuse, shown
from ansible_collections.ai_aas.inference.plugins.plugin_utils.errors import failing_as
from ansible_collections.ai_aas.inference.plugins.plugin_utils.registry import read_entries, request_from


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: Sequence[Any], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        environment: str = self.get_option("environment")
        any_status: bool = self.get_option("any_status")
        with failing_as(AnsibleLookupError):
            for name in terms:
                if not isinstance(name, str):
                    refuse("model name", name, "It must be a string")
            entries = read_entries(request_from(self.get_option, environment=environment))
            by_name = {entry["model_name"]: entry for entry in entries}
            return [endpoint_of(by_name.get(name), name, environment, any_status) for name in terms]


def endpoint_of(entry: Mapping[str, Any] | None, name: str, environment: str, any_status: bool) -> str:
    """The endpoint in an entry.

    Raises:
        InferenceError: there is no entry, or none to be used.
    """
    what = f"Model '{shown(name)}' has no endpoint to be used in environment '{environment}'"
    if entry is None:
        raise InferenceError(what, "it is not registered there", "Register it, or correct its name or the environment.")
    if entry["status"] != "ready" and not any_status:
        raise InferenceError(
            what,
            f"its status is '{shown(entry['status'] or 'none')}', so it is not routed to",
            "Make it ready, for example with the playbook deploy or enable, or set any_status to true.",
        )
    if not entry["endpoint"]:
        raise InferenceError(what, "its entry holds no endpoint", "Register it again with one.")
    return str(entry["endpoint"])
