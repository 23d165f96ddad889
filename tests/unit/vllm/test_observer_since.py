# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a release while its servers are asked counts for more than their answers."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import ApiError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import (
    Details,
    Pod,
    Question,
    Verdict,
    Workload,
    not_ready,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observer import ReleaseObserver, Route
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.release import Releases

READY = Pod("a", "ua", "n", pulled=True, running=True, started=True, ready=True)
CRASHED = replace(READY, restarts=1, exit_code=137, exit_reason="OOMKilled", container="vllm")
UNREADY = replace(READY, ready=False)
DONE = Workload(True, True, desired=1, updated=1, ready=1, available=1, total=1, pods=(READY,))
SILENT = not_ready("not_generating", "says nothing", "serving")
AWAY = ApiError("The Kubernetes API cannot be reached", "reset")


def look(monkeypatch: pytest.MonkeyPatch, before: Workload, since: Workload | ApiError, answer: Verdict) -> Verdict:
    """Look at a release whose only pod answers so, and which is another one afterwards."""
    found: list[Workload | ApiError] = [before]

    def workload(_name: str) -> Workload:
        if isinstance(found[-1], ApiError):
            raise found[-1]
        return found[-1]

    def put_to(_pod: Pod) -> Verdict:
        found.append(since)
        return answer

    releases = SimpleNamespace(kube=None, namespace="ns", once=True, known=lambda: True, workload=workload)
    observer = ReleaseObserver(cast(Releases, releases), "m", Question(("m",)), Route(), False, 1.0)
    monkeypatch.setattr(observer, "put_to", put_to)
    monkeypatch.setattr(observer.inspector, "inspect", lambda seen: seen)
    monkeypatch.setattr(observer.inspector, "autopsy", lambda _pod: Details(), raising=False)
    return observer.look().verdict


CASES = [
    ("nothing", DONE, "not_generating", "serving"),
    ("its container ended", replace(DONE, pods=(CRASHED,)), "oom_killed", "serving"),
    ("its probe fails", replace(DONE, ready=0, pods=(UNREADY,)), "probe_failing", "loaded"),
    ("it was removed", Workload(), "not_found", None),
    ("the API server is away", AWAY, "not_generating", "serving"),
]


@pytest.mark.parametrize(("since", "reason", "phase"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_what_has_become_of_it(
    monkeypatch: pytest.MonkeyPatch, since: Workload | ApiError, reason: str, phase: str | None
) -> None:
    verdict = look(monkeypatch, DONE, since, SILENT)
    assert (verdict.reason, verdict.phase, verdict.proof) == (reason, phase, "ua/0")


def test_a_pod_that_had_restarted_before_is_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = replace(DONE, pods=(CRASHED,))
    assert look(monkeypatch, before, before, SILENT).reason == "not_generating"


def test_a_server_that_generates_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has become of it is seen at the next look, which is at once."""
    ready = Verdict(True, None, "generates", phase="verified")
    assert look(monkeypatch, DONE, replace(DONE, pods=(CRASHED,)), ready).ready


def test_a_release_that_is_not_there_is_told_by_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = look(monkeypatch, Workload(), Workload(), SILENT)
    assert verdict.reason == "not_found"
    assert verdict.msg.endswith(": app.kubernetes.io/instance=m in namespace ns")
