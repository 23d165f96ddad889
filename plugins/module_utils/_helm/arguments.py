# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which release a module is about: the options that say so, and what they open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.client import Helm
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.arguments import RELEASE as IN_CLUSTER

# Described in the doc fragment `helm`.
RELEASE: dict[str, Any] = {
    **IN_CLUSTER,
    "binary_path": {"type": "path"},
}


def open_helm(module: AnsibleModule) -> Helm:
    """The release that the parameters name, by the `helm` program."""
    return helm_of(module, module.params["namespace"], module.params["release"])


def helm_of(module: AnsibleModule, namespace: str, release: str) -> Helm:
    """A release in the cluster that the parameters name."""
    params = module.params
    flags = (("--kubeconfig", params["kubeconfig"]), ("--kube-context", params["context"]))
    options = tuple(word for flag, value in flags if value for word in (flag, value))
    binary = params["binary_path"] or module.get_bin_path("helm", required=True)

    def run(words: Sequence[str], content: str) -> tuple[int, str, str]:
        code, output, errors = module.run_command(list(words), data=content)
        return int(code), str(output), str(errors)

    return Helm(run, binary, release, namespace, options)
