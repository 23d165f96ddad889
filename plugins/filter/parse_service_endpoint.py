# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes an endpoint apart."""

from __future__ import annotations

DOCUMENTATION = r"""
name: parse_service_endpoint
short_description: Take the endpoint of a model apart
version_added: 0.1.0
description:
  - Reads C(<service-name>.<namespace>.svc.cluster.local:<port>), the form in which the registry stores endpoints.
  - Fails on anything else, and names the rule that it breaks.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  _input:
    description: The endpoint, without a scheme.
    type: str
    required: true
seealso:
  - plugin: ai_aas.inference.build_service_endpoint
    plugin_type: filter
  - plugin: ai_aas.inference.service_endpoint
    plugin_type: test
"""

EXAMPLES = r"""
- name: Show in which namespace a model is served
  ansible.builtin.debug:
    msg: "{{ (endpoint | ai_aas.inference.parse_service_endpoint).namespace }}"
  vars:
    endpoint: gpt-oss-20b-vllm-deployment.system.svc.cluster.local:8000
# => system
"""

RETURN = r"""
_value:
  description: The parts of the endpoint.
  type: dict
  contains:
    service:
      description: Name of the Kubernetes service.
      type: str
      sample: gpt-oss-20b-vllm-deployment
    namespace:
      description: Namespace of the service.
      type: str
      sample: system
    port:
      description: Port of the service.
      type: int
      sample: 8000
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import parse_endpoint, refuse
from ansible_collections.ai_aas.inference.plugins.plugin_utils.errors import failing_as


def parse_service_endpoint(value: object) -> dict[str, Any]:
    with failing_as(AnsibleFilterError):
        if not isinstance(value, str):
            refuse("endpoint", value, "It must be a string")
        return parse_endpoint(value)._asdict()


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"parse_service_endpoint": parse_service_endpoint}
