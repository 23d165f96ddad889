# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say which release a module is about."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  release:
    description: The name of the release.
    type: str
    required: true
  namespace:
    description: The namespace of the release. It need not exist yet.
    type: str
    required: true
  binary_path:
    description: The path of the C(helm) program. The default is the one on the search path.
    type: path
  kubeconfig:
    description: The path of a kubeconfig file. The default is Helm's own.
    type: path
  context:
    description: The context in the kubeconfig. The default is its current context.
    type: str
requirements:
  - helm >= 3.14
"""
