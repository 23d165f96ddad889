# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several of these tests need once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import wait


@pytest.fixture
def successes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a wait on the real clock look again at once after a success."""
    monkeypatch.setattr(wait, "SECONDS_BETWEEN_SUCCESSES", 0.001)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that signs itself, for 127.0.0.1 and api.example, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += [
        "-subj",
        "/CN=server",
        "-addext",
        "subjectAltName=IP:127.0.0.1,DNS:api.example",
        "-keyout",
        str(path),
        "-out",
        "-",
    ]
    made = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)
    path.write_text(path.read_text() + made.stdout)
    return path
