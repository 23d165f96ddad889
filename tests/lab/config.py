# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab is, written to lab.json in its state directory once everything answers."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "lab.json"


@dataclass(frozen=True)
class Lab:
    """Addresses and credentials of a running lab."""

    name: str
    state_dir: str
    build: str
    ports: dict[str, int]
    database_url: str
    superuser_url: str
    redis_url: str
    kubeconfig: str
    router_api_key: str | None = None

    def router_url(self, environment: str) -> str:
        return f"http://127.0.0.1:{self.ports['router']}/{environment}"

    def save(self) -> None:
        """Written aside and renamed, for this user alone: it holds passwords."""
        path = Path(self.state_dir) / FILE
        temporary = path.with_suffix(".tmp")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")
        os.replace(temporary, path)


def load(state_dir: Path) -> Lab | None:
    """The lab of this state directory; None when none came up completely."""
    path = state_dir / FILE
    return Lab(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
