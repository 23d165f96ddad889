# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of a registry whose models are served somewhere, and checks of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._health.health import check_health
from ansible_collections.ai_aas.inference.plugins.modules import model_registry_health

from tests.integration.registry.conftest import Registry

INTERVAL = 20.0


def endpoint(model: str) -> str:
    return f"{model}.system.svc.cluster.local:8000"


@dataclass
class Scene:
    """Models in development, all of them reached at one address unless told otherwise."""

    registry: Registry
    address: str
    endpoint_map: dict[str, str] = field(default_factory=dict)

    def add(self, *models: str, status: str = "ready", **columns: Any) -> None:
        """Register models as another tool would."""
        for number, model in enumerate(models, start=1):
            place = {"model_name": model, "deployment_endpoint": endpoint(model), "revision": number}
            self.registry.add(status, **{**place, **columns})
            self.endpoint_map[endpoint(model)] = self.address

    def add_many(self, count: int) -> list[str]:
        models = [f"m{number:05}" for number in range(count)]
        self.registry.execute(
            "INSERT INTO model_registry_entries (model_name, revision, deployment_target, deployment_endpoint, "
            "deployment_environment, deployment_namespace, deployment_status) SELECT name, 1, 'self_hosted', "
            "name || '.system.svc.cluster.local:8000', 'development', 'system', 'ready' FROM unnest(%s) AS n (name)",
            models,
        )
        self.endpoint_map |= {endpoint(model): self.address for model in models}
        return models

    def params(self, **given: Any) -> dict[str, Any]:
        """The module's, with all defaults but the slow ones."""
        defaults = {name: option.get("default") for name, option in model_registry_health.ARGUMENTS.items()}
        quick = {"timeout": 0.8, "interval": INTERVAL, "jitter": 0.0, "cache_settle": 0.0}
        place = {"environment": "development", "database_url": self.registry.url, "endpoint_map": self.endpoint_map}
        return {**defaults, **quick, **place, **given}

    def check(self, *, check: bool = False, due: bool = True, **given: Any) -> dict[str, Any]:
        """What the module returns for one sweep, before which every entry is made due."""
        if due:
            self.make_due()
        return check_health(self.params(**given), set(), lambda _line: None, check=check)

    def make_due(self) -> None:
        """Let some time pass."""
        self.registry.execute(
            "UPDATE model_registry_entries SET last_health_check_at = last_health_check_at - interval '1 hour'"
        )

    def statuses(self) -> dict[str, str]:
        rows = self.registry.execute("SELECT model_name, deployment_status FROM model_registry_entries")
        return dict(rows)

    def status(self, model: str) -> str:
        return self.statuses()[model]

    def metadata(self, model: str) -> Any:
        return self.registry.execute("SELECT metadata FROM model_registry_entries WHERE model_name = %s", model)[0][0]

    def age(self, model: str) -> float | None:
        """Seconds since the model's last check."""
        statement = "SELECT extract(epoch FROM clock_timestamp() - last_health_check_at)::float FROM "
        return self.registry.execute(f"{statement} model_registry_entries WHERE model_name = %s", model)[0][0]  # type: ignore[no-any-return]

    def updated(self, models: Sequence[str], **metadata: Any) -> None:
        """Let another tool write metadata."""
        self.registry.execute(
            "UPDATE model_registry_entries SET metadata = metadata || %s::jsonb WHERE model_name = ANY(%s)",
            json.dumps(metadata),
            list(models),
        )
