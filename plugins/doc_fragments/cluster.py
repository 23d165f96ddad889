# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say which cluster a module looks at through the Kubernetes API."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description: The path of a kubeconfig file. By default E(KUBECONFIG), C(~/.kube/config), or a pod's own account.
    type: path
  context:
    description: The context in the kubeconfig. The default is its current context.
    type: str
requirements:
  - kubernetes
"""
