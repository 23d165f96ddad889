# Copyright: ai_aas.inference contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry as an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: model_registry
short_description: The entries of the model registry as hosts
version_added: 0.1.0
description:
  - Makes a host of each entry of the registry, with the variables that the playbooks of this collection read.
  - Reads a file whose name ends in C(model_registry.yml) or C(model_registry.yaml).
  - A host is named C(<model name>) if O(environment) is given, or else C(<model name>@<environment>), since names are
    unique only within an environment.
  - Each host is in the group of its environment, and in the group C(status_<status>).
  - The variables of a host are C(vllm_served_name), C(environment_name), C(vllm_namespace), C(vllm_endpoint),
    C(vllm_release) if the endpoint's service is named as the chart of this collection does, and C(registry_entry)
    with the whole entry. What an entry lacks is not defined. C(ansible_connection) and C(ansible_python_interpreter)
    let modules run on the controller.
  - What the registry holds is data. Nothing in it is ever evaluated as a template.
author:
  - The ai_aas.inference maintainers (@ai-aas)
extends_documentation_fragment:
  - ai_aas.inference.registry_plugin
  - ai_aas.inference.registry
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
notes:
  - Connection options in the file can be templates, or be encrypted with Ansible Vault.
  - What is cached holds no password. Another database, user, O(environment) or O(status) is cached apart.
options:
  plugin:
    description: Names this plugin.
    type: str
    required: true
    choices: [ai_aas.inference.model_registry]
  environment:
    description: Only entries of this environment.
    type: str
    choices: [development, staging, production]
  status:
    description: Only entries with this status.
    type: str
    choices: [pending, deploying, ready, degraded, failed, disabled]
seealso:
  - module: ai_aas.inference.model_registry_info
"""

EXAMPLES = r"""
# production.model_registry.yml: what is routed to in production, from the database in DATABASE_URL.
plugin: ai_aas.inference.model_registry
environment: production
status: ready

---
# all.model_registry.yml: all entries, from a database that is named here, kept for ten minutes.
plugin: ai_aas.inference.model_registry
login_host: db.example.com
login_db: ai_aas
login_user: reader
login_password: "{{ lookup('ansible.builtin.env', 'REGISTRY_PASSWORD') }}"
ssl_mode: verify-full
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/model_registry
cache_timeout: 600
compose:
  registered_since: registry_entry.created_at
groups:
  routed: registry_entry.status == 'ready'
keyed_groups:
  - key: vllm_namespace
    prefix: namespace
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.template import trust_as_template
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.endpoint import namespace_of, parse_endpoint
from ansible_collections.ai_aas.inference.plugins.plugin_utils.errors import failing_as
from ansible_collections.ai_aas.inference.plugins.plugin_utils.registry import (
    CONNECTION_OPTIONS,
    fingerprint,
    read_entries,
    request_from,
)

# What the collection's chart adds to the name of a release to name its service.
SERVICE_SUFFIX = "-vllm-deployment"
FILE_ENDINGS = ("model_registry.yml", "model_registry.yaml")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]
    NAME = "ai_aas.inference.model_registry"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(FILE_ENDINGS)

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._template_options(self._read_config_data(path))
        with failing_as(AnsibleParserError):
            entries = self._entries(path, cache)
        for entry in entries:
            self._add(entry)

    def _template_options(self, config: Mapping[str, Any]) -> None:
        """Evaluate what the file says. What comes from the environment is no template."""
        for name in CONNECTION_OPTIONS:
            if name in config:
                self.set_option(name, self.templar.template(config[name]))

    def _entries(self, path: str, cache: bool) -> list[dict[str, Any]]:
        """The entries, from the cache where it is on and may be read."""
        request = request_from(
            self.get_option, environment=self.get_option("environment"), status=self.get_option("status")
        )
        if not self.get_option("cache"):
            return read_entries(request)
        key = f"{self.get_cache_key(path)}_{fingerprint(request)}"
        if cache:
            with contextlib.suppress(KeyError):
                cached: list[dict[str, Any]] = self._cache[key]
                return cached
        self._cache[key] = read_entries(request)
        return self._cache[key]  # type: ignore[no-any-return]

    def _add(self, entry: dict[str, Any]) -> None:
        host, environment = entry["model_name"], entry["environment"]
        if not self.get_option("environment"):
            host = f"{host}@{environment}"
        self.inventory.add_host(host)
        for group in (environment, f"status_{entry['status']}" if entry["status"] else None):
            if group:
                self.inventory.add_child(self.inventory.add_group(self._sanitize_group_name(group)), host)
        for name, value in variables_of(entry).items():
            self.inventory.set_variable(host, name, value)
        self._construct(host)

    def _construct(self, host: str) -> None:
        """Add the variables and groups that the file asks for."""
        strict = self.get_option("strict")
        variables = self.inventory.get_host(host).get_vars()
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)


def variables_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of an entry's host. What the entry lacks is left out, so that defaults hold."""
    endpoint = entry["endpoint"]
    variables = {
        "vllm_served_name": entry["model_name"],
        "environment_name": entry["environment"],
        "vllm_namespace": entry["namespace"] or namespace_of(endpoint),
        "vllm_endpoint": endpoint,
        "vllm_release": release_of(endpoint),
        "registry_entry": dict(entry),
        "ansible_connection": "local",
        # Ansible evaluates no text of an inventory plugin, except where it is told to. What entries hold stays text.
        "ansible_python_interpreter": trust_as_template("{{ ansible_playbook_python }}"),
    }
    return {name: value for name, value in variables.items() if value}


def release_of(endpoint: str | None) -> str | None:
    """The Helm release that serves there, if its service is named as the chart names it, or None."""
    service = ""
    with contextlib.suppress(InvalidInputError):
        service = parse_endpoint(endpoint or "").service
    return service.removesuffix(SERVICE_SUFFIX) if service.endswith(SERVICE_SUFFIX) else None
