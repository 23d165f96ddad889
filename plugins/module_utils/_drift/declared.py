# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared of models: what an inventory says, once all of its layers are merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

# Options of the module for one model, as its documentation describes them.
MODEL: dict[str, dict[str, Any]] = {
    "model_name": {"type": "str", "required": True},
    "host": {"type": "str"},
    "release": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "endpoint": {"type": "str", "required": True},
    "chart": {"type": "str", "required": True},
    "values": {"type": "dict", "default": {}},
    "metadata": {"type": "dict", "default": {}},
}


class Declared(NamedTuple):
    """One model of the environment. `host` is its name in the inventory, `values` are all of its release's."""

    model_name: str
    host: str
    release: str
    namespace: str
    endpoint: str
    chart: str
    values: Mapping[str, Any]
    metadata: Mapping[str, Any]

    @property
    def place(self) -> tuple[str, str]:
        """Where its release is: namespace and name."""
        return self.namespace, self.release


def declared_from(models: Sequence[Mapping[str, Any]]) -> list[Declared]:
    """Read the module's option.

    Raises:
        InvalidInputError: two models have the same name, or the same release.
    """
    found = [Declared(**{**each, "host": each.get("host") or each["model_name"]}) for each in models]
    refuse_twice("model", [each.model_name for each in found])
    refuse_twice("release", ["/".join(each.place) for each in found])
    return found


def refuse_twice(what: str, names: Sequence[str]) -> None:
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise InvalidInputError(
            f"Two models are declared with the same {what}",
            ", ".join(twice[:10]),
            "Each needs a name and a release of its own.",
        )
