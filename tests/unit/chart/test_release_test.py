# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`helm test`: one token under the exact name."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.unit.chart.rendering import Helm, Manifest, rendered
from tests.unit.chart.servers import serve

URL = "http://gpt-oss-20b-vllm-deployment.system.svc:8000"
COMPLETION = {"choices": [{"text": "", "finish_reason": "length"}], "usage": {"completion_tokens": 1}}


def container(helm: Helm, **values: Any) -> Manifest:
    """Return the test's container."""
    (found,) = rendered(helm, **values).one("Pod")["spec"]["containers"]
    known: Manifest = found
    return known


def run(helm: Helm, url: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the test's command against a server of this machine."""
    words = [url if word == URL else word for word in container(helm, model__servedNames=["tiny", "alias"])["command"]]
    environment = {"http_proxy": "http://127.0.0.1:9", **({"VLLM_API_KEY": key} if key else {})}
    return subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, check=False, env=environment)


def test_test_is_a_hook_that_holds_no_gpu(helm: Helm) -> None:
    rendering = helm.template()
    metadata = rendering.one("Pod")["metadata"]
    assert metadata["name"] == "gpt-oss-20b-vllm-deployment-test"
    assert metadata["annotations"]["helm.sh/hook"] == "test"
    assert "app.kubernetes.io/instance" not in metadata["labels"]
    assert not [name for sizes in container(helm)["resources"].values() for name in sizes if "gpu" in name]


def test_test_asks_through_the_service(helm: Helm) -> None:
    assert container(helm, service__port=80)["command"][-3:] == [URL.replace("8000", "80"), "tiny", "60"]


def test_key_is_given_by_reference(helm: Helm) -> None:
    reference = {"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "held", "key": "api-key"}}}
    assert "env" not in container(helm)
    assert container(helm, apiKey__existingSecret__name="held")["env"] == [reference]


def test_one_token_is_enough(helm: Helm) -> None:
    asked: list[tuple[str, str, bytes]] = []
    with serve(200, json.dumps(COMPLETION), asked) as url:
        done = run(helm, url, "secret")
    ((path, authorization, body),) = asked
    assert (done.returncode, done.stdout) == (0, f"tiny generates at {url}\n")
    assert (path, authorization) == ("/v1/completions", "Bearer secret")
    assert json.loads(body) == {"model": "tiny", "prompt": "Hello", "max_tokens": 1}


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, '{"error": {"message": "The model `tiny` does not exist."}}', "The model `tiny` does not exist."),
        (401, '{"error": "Unauthorized"}', "HTTP 401"),
        (500, "EngineCore encountered an issue", "HTTP 500: EngineCore encountered an issue"),
        (200, "", "Expecting value"),
        (200, "[]", "the answer is no completion: []"),
        (200, json.dumps({**COMPLETION, "usage": {"completion_tokens": 0}}), "0 tokens came"),
        (200, json.dumps({**COMPLETION, "choices": [{"finish_reason": "abort"}]}), "the end was 'abort'"),
    ],
    ids=["wrong name", "wrong key", "broken engine", "nothing", "no completion", "no token", "aborted"],
)  # fmt: skip
def test_failure_says_why(helm: Helm, status: int, body: str, message: str) -> None:
    with serve(status, body) as url:
        done = run(helm, url)
    assert done.returncode == 1
    assert f"tiny does not generate at {url}: " in done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_nobody_there(helm: Helm) -> None:
    with serve(200, "") as url:
        pass
    done = run(helm, url)
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    assert "Traceback" not in done.stderr
