# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values are accepted: the shipped layers, and a table of mistakes with what Helm says to them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.unit.chart.rendering import CHART, ENVIRONMENTS, MINIMAL, MODELS, SEED_MODEL, ChartError, Helm, merge, nest

# Each layer at least once; tests/unit/chart/test_golden.py has all models in all environments.
LAYERINGS = [*((model,) for model in MODELS), *((SEED_MODEL, environment) for environment in ENVIRONMENTS)]
SEED_OPTIONS = ("--set=prometheus.serviceMonitor.enabled=false", "--set=preInstallChecks.enabled=false")


def test_layers_are_all_known() -> None:
    shipped = {path.stem.removeprefix("values-") for path in CHART.glob("values-*.yaml")}
    assert shipped == {*MODELS, *ENVIRONMENTS}


@pytest.mark.parametrize("layers", LAYERINGS, ids="+".join)
def test_lint(helm: Helm, layers: tuple[str, ...]) -> None:
    report = helm.run("lint", ".", "--strict", *(f"--values=values-{layer}.yaml" for layer in layers))
    assert "0 chart(s) failed" in report
    assert "[WARNING]" not in report


@pytest.mark.parametrize("layers", LAYERINGS, ids="+".join)
def test_layers_agree_with_our_own_merge(helm: Helm, layers: tuple[str, ...]) -> None:
    """The roles merge the layers themselves: Helm must see the same values either way."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = merge(merged, yaml.safe_load((CHART / f"values-{layer}.yaml").read_text(encoding="utf-8")))
    assert helm.template(merged).objects == helm.template(layers=layers).objects


def test_command_line_of_the_seed(helm: Helm) -> None:
    rendering = helm.template(layers=(SEED_MODEL,), options=SEED_OPTIONS)
    assert rendering.container["args"][:3] == ["unsloth/gpt-oss-20b", "--served-model-name", "gpt-oss-20b"]
    assert rendering.one("Service")["metadata"]["name"] == "gpt-oss-20b-vllm-deployment"
    assert rendering.container["resources"]["limits"]["nvidia.com/gpu"] == 1


@pytest.mark.parametrize(("environment", "replicas"), [("development", 1), ("staging", 1), ("production", 2)])
def test_environments_differ_in_replicas(helm: Helm, environment: str, replicas: int) -> None:
    rendering = helm.template(layers=(SEED_MODEL, environment))
    assert rendering.one("Deployment")["spec"]["replicas"] == replicas


def test_development_is_not_scraped(helm: Helm) -> None:
    values = yaml.safe_load((CHART / "values-development.yaml").read_text(encoding="utf-8"))
    assert values["prometheus"]["serviceMonitor"]["enabled"] is False


def test_no_image_is_latest(helm: Helm) -> None:
    for layers in LAYERINGS:
        assert ":latest" not in helm.template(layers=layers).container["image"]


def test_a_model_is_all_that_must_be_given(helm: Helm) -> None:
    with pytest.raises(ChartError) as refused:
        helm.template({})
    assert "at '/model/servedNames': minItems" in str(refused.value)
    assert "at '/model/name': minLength" in str(refused.value)
    assert helm.template(MINIMAL).objects


# path, value, what Helm says
MISTAKES: list[tuple[str, Any, str]] = [
    ("bogus", 1, "at '': additional properties 'bogus' not allowed"),
    ("model.bogus", 1, "at '/model': additional properties 'bogus' not allowed"),
    ("probes.startup.failureThreshold", 9, "at '/probes/startup': additional properties 'failureThreshold'"),
    ("apiKey.existingSecret.value", "s", "at '/apiKey/existingSecret': additional properties 'value' not allowed"),
    ("resources.limits", {"nvidia.com/gpu": 1}, "at '/resources/limits': additional properties 'nvidia.com/gpu'"),
    ("model.name", "", "at '/model/name': minLength: got 0, want 1"),
    ("model.name", "--port=1", "at '/model/name': '--port=1' does not match pattern"),
    ("model.servedNames", [], "at '/model/servedNames': minItems: got 0, want 1"),
    ("model.servedNames", "tiny", "at '/model/servedNames': got string, want array"),
    ("model.servedNames", ["a", "a"], "at '/model/servedNames': items at 0 and 1 are equal"),
    ("model.servedNames", ["--port"], "at '/model/servedNames/0': '--port' does not match pattern"),
    ("model.maxModelLen", -1, "at '/model/maxModelLen': minimum: got -1, want 0"),
    ("model.dtype", "fp4", "at '/model/dtype': value must be one of 'auto'"),
    ("model.gpuMemoryUtilization", 1.5, "at '/model/gpuMemoryUtilization': maximum: got 1.5, want 1"),
    ("model.gpuMemoryUtilization", 0, "at '/model/gpuMemoryUtilization': exclusiveMinimum: got 0, want 0"),
    ("model.tensorParallelSize", 0, "at '/model/tensorParallelSize': minimum: got 0, want 1"),
    ("model.tensorParallelSize", 2, "tensorParallelSize times model.pipelineParallelSize needs 2 GPUs in the pod, and"),
    ("model.pipelineParallelSize", 4, "needs 4 GPUs in the pod, and gpu.count is 1"),
    ("image.tag", "latest", 'image.tag: "latest" names another image from day to day'),
    ("image.tag", "", "image.tag and image.digest are both empty"),
    ("image.tag", 0.32, "at '/image/tag': got number, want string"),
    ("image.digest", "sha256:123", "at '/image/digest': 'sha256:123' does not match pattern"),
    ("image.pullPolicy", "always", "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ("gpu.count", -1, "at '/gpu/count': minimum: got -1, want 0"),
    ("gpu.count", "1", "at '/gpu/count': got string, want integer"),
    ("gpu.count", 0.5, "at '/gpu/count': got number, want integer"),
    ("gpu.resourceName", "gpu", "at '/gpu/resourceName': 'gpu' does not match pattern"),
    ("replicas", 0, "at '/replicas': minimum: got 0, want 1"),
    ("replicas", "2", "at '/replicas': got string, want integer"),
    ("budgets.startupSeconds", 0, "at '/budgets/startupSeconds': minimum: got 0, want 1"),
    ("budgets.startupSeconds", "20m", "at '/budgets/startupSeconds': got string, want integer"),
    ("resources.requests.memory", 16, "at '/resources/requests/memory': got number, want string"),
    ("resources.requests.memory", "16 GB", "at '/resources/requests/memory': '16 GB' does not match pattern"),
    ("hubToken", "hf_plain", "at '/hubToken': got string, want object"),
    ("apiKey", "plain", "at '/apiKey': got string, want object"),
    ("service.port", 0, "at '/service/port': minimum: got 0, want 1"),
    ("service.type", "ExternalName", "at '/service/type': value must be one of"),
    ("podLabels", {"a": 1}, "at '/podLabels/a': got number, want string"),
    ("strategy", "Recreate", "at '/strategy': got string, want object"),
    ("strategy.surge", "yes", "at '/strategy/surge': got string, want boolean"),
    ("preInstallChecks.enabled", "no", "at '/preInstallChecks/enabled': got string, want boolean"),
    ("probes", None, "at '': missing property 'probes'"),
    ("nameOverride", "Chat", "at '/nameOverride': 'Chat' does not match pattern"),
    ("prometheus.serviceMonitor.interval", "30", "at '/prometheus/serviceMonitor/interval': '30' does not match"),
    ("extraEnv", [{"name": "HF_TOKEN", "value": "hf_plain"}], "HF_TOKEN may not be a plain value: use hubToken"),
    ("extraEnv", [{"name": "VLLM_API_KEY", "value": "plain"}], "VLLM_API_KEY may not be a plain value: use apiKey"),
    ("extraEnv", [{"value": "x"}], "at '/extraEnv/0': missing property 'name'"),
    ("extraArgs", ["--api-key=plain"], "extraArgs: --api-key is set by apiKey.existingSecret"),
    ("extraArgs", ["--served-model-name", "x"], "extraArgs: --served-model-name is set by model.servedNames"),
    ("extraArgs", ["--max_model_len", "1"], "extraArgs: --max-model-len is set by model.maxModelLen"),
    ("extraArgs", ["-tp=2"], "extraArgs: -tp is set by model.tensorParallelSize"),
    ("extraArgs", ["--port=9"], "extraArgs: --port is fixed by the chart"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), MISTAKES, ids=[f"{path}-{value}" for path, value, _unused in MISTAKES]
)
def test_mistakes_are_named(helm: Helm, path: str, value: Any, message: str) -> None:
    with pytest.raises(ChartError) as refused:
        helm.template(merge(MINIMAL, nest(path, value)))
    assert message in str(refused.value)


def test_a_refused_secret_is_not_repeated(helm: Helm) -> None:
    plain = (nest("hubToken", "hf_plain"), nest("extraEnv", [{"name": "HF_TOKEN", "value": "hf_plain"}]))
    for values in plain:
        with pytest.raises(ChartError) as refused:
            helm.template(merge(MINIMAL, values))
        assert "hf_plain" not in str(refused.value)


def test_null_takes_a_default_away(helm: Helm) -> None:
    keys = ("affinity", "extraArgs", "nodeSelector", "podAnnotations", "podSecurityContext", "tolerations")
    spec = helm.template(merge(MINIMAL, dict.fromkeys(keys))).pod["spec"]
    assert not [key for key in keys if spec.get(key)]
