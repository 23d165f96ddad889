# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells whether a value is an endpoint."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_endpoint
short_description: Tell whether a value is the endpoint of a model
version_added: 0.1.0
description:
  - Tells whether a value has the form C(<service-name>.<namespace>.svc.cluster.local:<port>), in which the registry
    stores endpoints.
  - Never fails; what is no string is no endpoint.
author:
  - The ai_aas.inference maintainers (@ai-aas)
options:
  _input:
    description: The value.
    type: raw
    required: true
seealso:
  - plugin: ai_aas.inference.parse_service_endpoint
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Refuse an address that the router could not use
  ansible.builtin.assert:
    that: endpoint is ai_aas.inference.service_endpoint
    fail_msg: Write it as service.namespace.svc.cluster.local:port
  vars:
    endpoint: gpt-oss-20b-vllm-deployment.system.svc.cluster.local:8000
"""

RETURN = r"""
_value:
  description: Whether it is one.
  type: bool
"""

from collections.abc import Callable

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import parse_endpoint


def is_service_endpoint(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(parse_endpoint(value))
    except InvalidInputError:
        return False


class TestModule:
    def tests(self) -> dict[str, Callable[[object], bool]]:
        return {"service_endpoint": is_service_endpoint}
