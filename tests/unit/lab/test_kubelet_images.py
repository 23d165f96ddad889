# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images, back-offs and logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.kubelet.backoff import Backoff, format_duration
from tests.lab.kubelet.images import check_image, image_id, normalise, pull_policy
from tests.lab.kubelet.logs import ContainerLog
from tests.lab.kubelet.watch import lines_of


@pytest.mark.parametrize(
    ("image", "policy", "secret", "reason", "words"),
    [
        ("vllm/vllm-openai:v0.32.0", "IfNotPresent", False, None, ""),
        ("vllm/vllm-openai:v0.32.0", "Never", False, None, ""),
        ("vllm/vllm-openai:missing", "Always", False, "ErrImagePull", "docker.io/vllm/vllm-openai:missing: not found"),
        ("registry.invalid/a/b:1", "Always", False, "ErrImagePull", "lookup registry.invalid: no such host"),
        ("r.io/private/m:1", "Always", False, "ErrImagePull", "401 Unauthorized"),
        ("r.io/private/m:1", "Always", True, None, ""),
        ("vllm:missing", "Never", False, "ErrImageNeverPull", "is not present with pull policy of Never"),
        ("Vllm/UPPER:1", "Always", False, "InvalidImageName", "invalid reference format"),
        ("a b", "Always", False, "InvalidImageName", 'couldn\'t parse image name "a b"'),
        ("a:b:c", "Always", False, "InvalidImageName", "invalid reference format"),
    ],
)
def test_which_images_can_be_pulled(image: str, policy: str, secret: bool, reason: str | None, words: str) -> None:
    problem = check_image(image, policy, secret)
    assert (problem.reason if problem else None) == reason
    assert problem is None or words in problem.message
    assert problem is None or problem.can_heal is (reason == "ErrImagePull")


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("a/b:1", "docker.io/a/b:1"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
    ],
)
def test_full_names_and_ids(image: str, full: str) -> None:
    assert normalise(image) == full
    assert image_id(image) == image_id(full)
    assert image_id(image).startswith(full.rpartition(":")[0] + "@sha256:")


@pytest.mark.parametrize(
    ("given", "image", "policy"),
    [(None, "a", "Always"), (None, "a:1", "IfNotPresent"), ("Never", "a", "Never")],
)
def test_pull_policy(given: str | None, image: str, policy: str) -> None:
    assert pull_policy(given, image) == policy


def test_the_first_restart_is_free_and_the_next_wait_longer_and_longer() -> None:
    backoff, waits = Backoff(10), []
    for _unused in range(7):
        waits.append(backoff.remaining(now=100, finished=100))
        backoff.advance(ran_for=1)
    assert waits == [0, 10, 20, 40, 80, 160, 300]
    assert backoff.remaining(now=150, finished=100) == 250
    assert backoff.remaining(now=500, finished=100) == 0


def test_who_stays_up_begins_anew() -> None:
    backoff = Backoff(10)
    for ran_for in (1, 1, 1, 601):
        backoff.advance(ran_for)
    assert backoff.delay == 10


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "500ms"), (1, "1s"), (10, "10s"), (80, "1m20s"), (300, "5m0s"), (3600, "1h0m0s"), (0, "0s"), (1.5, "1.5s")],
)
def test_durations_look_like_gos(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_logs_are_cri_lines_and_rotate(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path / "c")
    log.write("stdout", b"one\ntw")
    log.write("stderr", b"err\n")
    log.write("stdout", b"o\nrest")
    log.write("stdout", b"")
    lines = log.current.read_text(encoding="ascii").splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        "stdout F one",
        "stderr F err",
        "stdout F two",
        "stdout F rest",
    ]
    assert log.tail() == "one\nerr\ntwo\nrest\n"
    log.rotate()
    assert (log.previous.read_text(encoding="ascii").splitlines(), log.current.read_bytes()) == (lines, b"")


@pytest.mark.parametrize(
    ("parts", "lines"),
    [([b"a\nb\n"], [b"a", b"b"]), ([b"a", b"b\n", b"c"], [b"ab"]), ([], []), ([b"a\n\n"], [b"a", b""])],
)
def test_lines_of_a_watch(parts: list[bytes], lines: list[bytes]) -> None:
    assert list(lines_of(iter(parts))) == lines
