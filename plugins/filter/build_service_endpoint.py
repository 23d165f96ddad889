# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes an endpoint of its parts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: build_service_endpoint
short_description: Make the endpoint of a model
version_added: 0.1.0
description:
  - Makes C(<service-name>.<namespace>.svc.cluster.local:<port>), the form in which the registry stores endpoints.
  - Fails when a part breaks a rule of it, and names the rule.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  _input:
    description: Name of the Kubernetes service.
    type: str
    required: true
  namespace:
    description: Namespace of the service.
    type: str
    required: true
  port:
    description: Port of the service.
    type: int
    default: 8000
seealso:
  - plugin: ai_aas.inference.parse_service_endpoint
    plugin_type: filter
  - plugin: ai_aas.inference.service_endpoint
    plugin_type: test
"""

EXAMPLES = r"""
- name: Show where the router finds a model
  ansible.builtin.debug:
    msg: "{{ 'gpt-oss-20b-vllm-deployment' | ai_aas.inference.build_service_endpoint(namespace='system') }}"
# => gpt-oss-20b-vllm-deployment.system.svc.cluster.local:8000
"""

RETURN = r"""
_value:
  description: The endpoint.
  type: str
  sample: gpt-oss-20b-vllm-deployment.system.svc.cluster.local:8000
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import (
    Endpoint,
    parse_endpoint,
    refuse,
)
from ansible_collections.ai_aas.inference.plugins.plugin_utils.errors import failing_as


def build_service_endpoint(service: object, namespace: object, port: int = 8000) -> str:
    with failing_as(AnsibleFilterError):
        for part, value in (("service name", service), ("namespace", namespace)):
            if not isinstance(value, str):
                refuse(part, value, "It must be a string")
        return str(parse_endpoint(str(Endpoint(str(service), str(namespace), port))))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"build_service_endpoint": build_service_endpoint}
