# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller is asked, and what it means when it does not answer; and approvals that somebody has signed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.controller import Controller
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.gate import approval
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.signed import Signed, judge_signed, read_signed
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import digest_of

from tests.awx.signing import sign
from tests.awx.workflow_run import APPROVAL, IDENTITY, JOB, NODES, RUN, Answers


def controller(answers: Answers) -> Controller:
    return Controller(answers.url, "s3cret")


@pytest.fixture
def answers() -> Iterator[Answers]:
    own = Answers()
    try:
        yield own
    finally:
        own.close()


def test_a_run_is_read_with_its_approvals_and_its_evidence(answers: Answers) -> None:
    run = controller(answers).run(7)
    assert run.launched_by is not None
    assert run.launched_by.name == "alice"
    (approval,) = run.approvals
    assert approval.by is not None
    assert (approval.by.name, approval.status) == ("bob", "successful")
    assert run.evidence == {"m": IDENTITY}
    assert answers.tokens == {"Bearer s3cret"}


@pytest.mark.parametrize(
    ("path", "answer", "why"),
    [
        (RUN, (401, b"{}"), "does not know the token"),
        (RUN, (403, b"{}"), "answers with 403. .* needs the role Read"),
        (RUN, (404, b"{}"), "answers with 404. .* needs the role Read"),
        (NODES, (403, b"{}"), "workflow_nodes/ answers with 403"),
        (APPROVAL, (403, b"{}"), "workflow_approvals/12/ answers with 403"),
        (JOB, (404, b"{}"), "jobs/11/ answers with 404"),
        (NODES, (500, b"{}"), "answers with 500"),
        (NODES, (302, b"{}"), "answers with 302"),
        (NODES, (200, b"<html>"), "does not answer with JSON"),
        (NODES, (200, b"[]"), "something else than an object"),
        (NODES, (200, json.dumps({"next": NODES}).encode()), "more than 10 pages"),
    ],
)
def test_what_is_not_answered_is_not_approved(answers: Answers, path: str, answer: tuple[int, bytes], why: str) -> None:
    answers.special[path] = answer
    with pytest.raises(InferenceError, match=f"^The approval cannot be seen: .*{why}") as caught:
        controller(answers).run(7)
    assert "s3cret" not in caught.value.message


def test_a_controller_that_is_not_there_approves_nothing(answers: Answers) -> None:
    answers.server.server_close()
    with pytest.raises(InferenceError, match="cannot be reached"):
        controller(answers).run(7)


NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SAID = {"environment": "production", "identities": {"m": IDENTITY}, "reason": "release 1.2 was reviewed"}


@pytest.mark.parametrize(
    ("change", "age", "why"),
    [
        ({}, timedelta(hours=1), ""),
        ({"environment": "staging"}, timedelta(), "is for staging, and not for production"),
        ({"environment": None}, timedelta(), "is for None"),
        ({"identities": {}}, timedelta(), "does not name m"),
        ({"identities": {"m": "sha256:other"}}, timedelta(), "is not what was signed"),
        ({"identities": None}, timedelta(), "holds no approval"),
        ({"reason": "short"}, timedelta(), "gives no reason"),
        ({"reason": None}, timedelta(), "gives no reason"),
        ({}, timedelta(days=2), "is 48.0 h old"),
        ({}, timedelta(hours=-1), "old, and may be"),
    ],
)
def test_what_was_signed(change: dict[str, Any], age: timedelta, why: str) -> None:
    signed = Signed(json.dumps({**SAID, **change}), "A" * 40, NOW - age)
    if not why:
        assert judge_signed(signed, "production", "m", IDENTITY, NOW, DAY) == SAID["reason"]
        return
    with pytest.raises(InferenceError, match=f"^The change is not approved: .*{why}"):
        judge_signed(signed, "production", "m", IDENTITY, NOW, DAY)


def test_a_text_that_is_no_approval_is_refused() -> None:
    for text in ("", "x", "[]", "null"):
        with pytest.raises(InferenceError, match="holds no approval"):
            judge_signed(Signed(text, "A" * 40, NOW), "production", "m", IDENTITY, NOW, DAY)


def execute(words: Sequence[str]) -> tuple[int, str, str]:
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a signed file, the keyring of its signer, one of somebody else, and a file that was changed."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("bob", "eve"):
        sign(folder, name, SAID)
    (folder / "plain.json").write_text(json.dumps(SAID) + "\n")
    changed = (folder / "bob.asc").read_text().replace("production", "staging")
    (folder / "changed.asc").write_text(changed)
    return folder


def test_a_signature_is_verified_against_a_keyring(keys: Path) -> None:
    signed = read_signed(execute, "gpgv", str(keys / "bob.asc"), str(keys / "bob.gpg"))
    assert json.loads(signed.text) == SAID
    assert abs(datetime.now(UTC) - signed.at) < timedelta(minutes=5)
    assert len(signed.key) == 40


@pytest.mark.parametrize(
    ("file", "keyring", "why"),
    [
        ("eve.asc", "bob.gpg", "no key of"),
        ("changed.asc", "bob.gpg", "no key of"),
        ("plain.json", "bob.gpg", "no key of"),
        ("bob.asc", "plain.json", "no key of"),
        ("nothing.asc", "bob.gpg", "is no file"),
        ("bob.asc", "nothing.gpg", "is no file"),
    ],
)
def test_what_nobody_who_may_has_signed_is_refused(keys: Path, file: str, keyring: str, why: str) -> None:
    with pytest.raises(InferenceError, match=f"^The change is not approved: .*{why}"):
        read_signed(execute, "gpgv", str(keys / file), str(keys / keyring))


PARAMS: dict[str, Any] = {
    "model_name": "m",
    "environment": "production",
    "identity": {"model": "org/m"},
    "policy": "signed",
    "approval_identity": "",
    "approval_reason": "",
    "approval_file": None,
    "approval_keyring": None,
    "max_age": 24.0,
    "workflow_job": None,
    "controller_host": None,
    "controller_token": None,
    "validate_certs": True,
}
HASH = digest_of(PARAMS["identity"])
STATED = {"policy": "stated", "approval_identity": HASH, "approval_reason": "release 1.2 was reviewed"}


@pytest.mark.parametrize(
    ("given", "how"),
    [
        ({"policy": "none"}, "none"),
        (STATED, "stated"),
        ({**STATED, "policy": "signed"}, "production wants a signed approval"),
        ({}, f"with the identity {HASH}"),
        ({"policy": "stated"}, "approval_identity is not set"),
        ({"approval_file": "x"}, "approval_keyring is not set"),
        ({**STATED, "workflow_job": 7}, "nothing says how to ask the controller about workflow job 7"),
        ({**STATED, "workflow_job": 7, "controller_host": "http://x"}, "nothing says how to ask"),
    ],
)
def test_which_approval_is_needed(given: dict[str, Any], how: str) -> None:
    params = {**PARAMS, **given}
    if " " not in how:
        result = approval(params, execute)
        assert (result["how"], result["identity_hash"]) == (how, HASH)
        return
    with pytest.raises(InferenceError, match=how):
        approval(params, execute)


def test_a_workflow_is_asked_for_and_its_evidence_counts(answers: Answers) -> None:
    params = {**PARAMS, "workflow_job": 7, "controller_host": answers.url, "controller_token": "t"}
    answers.approve(datetime.now(UTC) - timedelta(hours=1))
    with pytest.raises(InferenceError, match="is not what was approved"):
        approval(params, execute)
    answers.show({"inference_evidence": {"m": HASH}}, datetime.now(UTC) - timedelta(hours=2))
    result = approval(params, execute)
    assert (result["how"], result["launched_by"], result["approved_by"]) == ("workflow", "alice", "bob")


def test_a_signed_approval_is_enough_outside_of_a_controller(keys: Path) -> None:
    given = {"approval_file": str(keys / "bob.asc"), "approval_keyring": str(keys / "bob.gpg")}
    with pytest.raises(InferenceError, match="is not what was signed"):
        approval({**PARAMS, **given}, execute)
