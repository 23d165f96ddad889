# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One workflow's run, as AWX 24.6.1 tells of it: alice has launched it, a job has shown what would be changed, bob has
approved it, and a job is running.
"""

from __future__ import annotations

import copy
import json
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

IDENTITY = "sha256:" + "ab" * 32
RUN = "/api/v2/workflow_jobs/7/"
JOB = "/api/v2/jobs/11/"
APPROVAL = "/api/v2/workflow_approvals/12/"
NODES = f"{RUN}workflow_nodes/"
DOCUMENTS: dict[str, Any] = {
    RUN: {"id": 7, "launched_by": {"id": 1, "name": "alice", "type": "user"}},
    NODES: {
        "next": f"{NODES}?page=2",
        "results": [
            {"summary_fields": {"job": {"id": 11, "type": "job", "status": "successful"}}},
            {"summary_fields": {"job": {"id": 12, "type": "workflow_approval", "status": "successful"}}},
        ],
    },
    f"{NODES}?page=2": {
        "next": None,
        "results": [
            {"summary_fields": {"job": {"id": 13, "type": "job", "status": "running"}}},
            {"summary_fields": {}},
        ],
    },
    JOB: {"finished": "2026-11-01T10:00:00Z", "artifacts": {"inference_evidence": {"m": IDENTITY}}},
    APPROVAL: {
        "name": "approve",
        "status": "successful",
        "timed_out": False,
        "finished": "2026-11-01T11:00:00Z",
        "summary_fields": {"approved_or_denied_by": {"id": 2, "username": "bob"}},
    },
}


class Answers:
    """A controller that answers with these documents, or with other statuses and bodies where a test says so."""

    def __init__(self) -> None:
        self.documents = copy.deepcopy(DOCUMENTS)
        self.special: dict[str, tuple[int, bytes]] = {}
        self.tokens: set[str | None] = set()
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answers.tokens.add(self.headers.get("Authorization"))
                status, body = answers.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def answer(self, path: str) -> tuple[int, bytes]:
        if path in self.special:
            return self.special[path]
        return (200, json.dumps(self.documents[path]).encode()) if path in self.documents else (404, b"{}")

    def show(self, artifacts: dict[str, Any], at: datetime) -> None:
        """What the job before the approval has handed on."""
        self.documents[JOB] |= {"artifacts": artifacts, "finished": at.isoformat()}

    def approve(self, at: datetime, number: int = 2, name: str = "bob") -> None:
        """Who has approved it, and when."""
        by = {"approved_or_denied_by": {"id": number, "username": name}}
        self.documents[APPROVAL] |= {"finished": at.isoformat(), "summary_fields": by}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
