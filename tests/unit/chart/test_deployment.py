# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Deployment and its pod. Each mistake of the charts before this one has a test that it would fail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.chart.rendering import Helm, Manifest, Rendering, rendered

DIGEST = "sha256:" + "0123456789abcdef" * 4


def arguments(rendering: Rendering) -> list[str]:
    """Return the arguments of `vllm serve`."""
    args: list[str] = rendering.container["args"]
    return args


def seconds_of(probe: Manifest) -> int:
    """Return how long a probe fails before it has a consequence."""
    return int(probe["failureThreshold"]) * int(probe["periodSeconds"])


# The command


def test_command_is_explicit_and_the_model_comes_first(helm: Helm) -> None:
    container = helm.template().container
    assert container["command"] == ["vllm", "serve"]
    assert container["args"][:3] == ["example/tiny", "--served-model-name", "tiny"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"--host=0.0.0.0", "--port=8000", "--gpu-memory-utilization=0.9", "--shutdown-timeout=15"}),
        ({"model__revision": "abc123"}, {"--revision=abc123"}),
        ({"model__maxModelLen": 1048576}, {"--max-model-len=1048576"}),
        ({"model__dtype": "bfloat16"}, {"--dtype=bfloat16"}),
        ({"model__quantization": "awq"}, {"--quantization=awq"}),
        ({"model__gpuMemoryUtilization": 0.55}, {"--gpu-memory-utilization=0.55"}),
        ({"model__tensorParallelSize": 2, "gpu__count": 2}, {"--tensor-parallel-size=2"}),
        ({"model__pipelineParallelSize": 2, "gpu__count": 2}, {"--pipeline-parallel-size=2"}),
        ({"drain__shutdownTimeoutSeconds": 120}, {"--shutdown-timeout=120"}),
        ({"extraArgs": ["--kv-cache-dtype=fp8", "--seed", "7"]}, {"--kv-cache-dtype=fp8", "--seed", "7"}),
    ],
    ids=lambda case: ",".join(case) if isinstance(case, dict) else "",
)
def test_values_become_arguments(helm: Helm, values: dict[str, Any], expected: set[str]) -> None:
    assert expected <= set(arguments(rendered(helm, **values)))


@pytest.mark.parametrize(
    "flag",
    [
        "--revision",
        "--max-model-len",
        "--dtype",
        "--quantization",
        "--tensor-parallel-size",
        "--pipeline-parallel-size",
    ],
)
def test_unset_values_are_left_to_vllm(helm: Helm, flag: str) -> None:
    assert not [word for word in arguments(helm.template()) if word.startswith(flag)]


def test_no_shutdown_timeout_no_flag(helm: Helm) -> None:
    assert "--shutdown-timeout" not in " ".join(arguments(rendered(helm, drain__shutdownTimeoutSeconds=0)))


def test_each_served_name_is_a_word(helm: Helm) -> None:
    args = arguments(rendered(helm, model__servedNames=["tiny", "tiny-alias"]))
    start = args.index("--served-model-name")
    assert args[start : start + 4] == ["--served-model-name", "tiny", "tiny-alias", "--host=0.0.0.0"]


# The image


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({}, "vllm/vllm-openai:v0.32.0"),
        ({"image__digest": DIGEST}, f"vllm/vllm-openai@{DIGEST}"),
        ({"image__digest": DIGEST, "image__tag": ""}, f"vllm/vllm-openai@{DIGEST}"),
        ({"image__repository": "registry.test:5000/vllm", "image__tag": "v1"}, "registry.test:5000/vllm:v1"),
    ],
    ids=["tag", "digest over tag", "digest alone", "own registry"],
)
def test_image(helm: Helm, values: dict[str, Any], image: str) -> None:
    assert rendered(helm, **values).container["image"] == image


# Probes and times


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_ask_a_path_that_vllm_has(helm: Helm, probe: str) -> None:
    container = helm.template().container
    assert container[probe]["httpGet"] == {"path": "/health", "port": "http"}
    assert container["ports"] == [{"name": "http", "containerPort": 8000, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("budget", "period", "attempts"), [(1200, 10, 120), (1201, 10, 121), (1209, 10, 121), (5, 10, 1), (3600, 7, 515)]
)
def test_startup_probe_covers_the_budget(helm: Helm, budget: int, period: int, attempts: int) -> None:
    rendering = rendered(helm, budgets__startupSeconds=budget, probes__startup__periodSeconds=period)
    probe = rendering.container["startupProbe"]
    assert probe["failureThreshold"] == attempts
    assert budget <= seconds_of(probe) < budget + period


@pytest.mark.parametrize("probe", ["startup", "readiness", "liveness"])
def test_probes_can_be_tuned(helm: Helm, probe: str) -> None:
    tuned = {"path": "/ping", "periodSeconds": 7, "timeoutSeconds": 3}
    thresholds = {} if probe == "startup" else {"failureThreshold": 9}
    found = rendered(helm, probes={probe: {**tuned, **thresholds}}).container[f"{probe}Probe"]
    assert found["httpGet"]["path"] == "/ping"
    assert (found["periodSeconds"], found["timeoutSeconds"]) == (7, 3)
    assert found["failureThreshold"] == thresholds.get("failureThreshold", 172)


@pytest.mark.parametrize("budgets", [{}, {"startupSeconds": 7200}, {"schedulingSeconds": 0, "pullSeconds": 0}])
def test_progress_deadline_exceeds_all_that_may_take_time(helm: Helm, budgets: dict[str, int]) -> None:
    default = {"schedulingSeconds": 600, "pullSeconds": 900, "startupSeconds": 1200}
    spec = rendered(helm, budgets=budgets).one("Deployment")["spec"]
    end_of_the_pod_before = spec["template"]["spec"]["terminationGracePeriodSeconds"]
    assert spec["progressDeadlineSeconds"] > sum({**default, **budgets}.values()) + end_of_the_pod_before


# Upgrades


@pytest.mark.parametrize(
    ("values", "surge_and_unavailable"),
    [
        ({}, None),
        ({"gpu__count": 4}, None),
        ({"strategy__surge": True}, (1, 0)),
        ({"replicas": 2}, (0, 1)),
        ({"replicas": 2, "strategy__surge": True}, (1, 0)),
        ({"gpu__count": 0}, (1, 0)),
    ],
    ids=["one GPU", "four GPUs", "told to surge", "replicas", "replicas, told to surge", "no GPU"],
)
def test_strategy_needs_no_spare_gpu_unless_told(
    helm: Helm, values: dict[str, Any], surge_and_unavailable: tuple[int, int] | None
) -> None:
    strategy = rendered(helm, **values).one("Deployment")["spec"]["strategy"]
    if surge_and_unavailable is None:
        assert strategy == {"type": "Recreate"}
    else:
        surge, unavailable = surge_and_unavailable
        assert strategy == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
        }


def test_selector_is_the_two_labels_that_never_change(helm: Helm) -> None:
    deployment = rendered(helm, podLabels={"app.kubernetes.io/instance": "other", "team": "a"}).one("Deployment")
    selector = {"app.kubernetes.io/name": "vllm-deployment", "app.kubernetes.io/instance": "gpt-oss-20b"}
    assert deployment["spec"]["selector"] == {"matchLabels": selector}
    assert deployment["spec"]["template"]["metadata"]["labels"] == {**selector, "team": "a"}


def test_deploy_id_changes_the_deployment_and_not_its_pods(helm: Helm) -> None:
    before, after = helm.template(), rendered(helm, deployId="42")
    assert "annotations" not in before.one("Deployment")["metadata"]
    assert after.one("Deployment")["metadata"]["annotations"] == {"ai-aas.inference/deploy-id": "42"}
    assert after.pod == before.pod


# The pod


def test_service_links_are_off(helm: Helm) -> None:
    assert helm.template().pod["spec"]["enableServiceLinks"] is False


def test_pod_holds_no_token_of_the_cluster(helm: Helm) -> None:
    rendering = helm.template()
    assert rendering.pod["spec"]["automountServiceAccountToken"] is False
    assert rendering.one("ServiceAccount")["automountServiceAccountToken"] is False
    assert rendering.pod["spec"]["serviceAccountName"] == rendering.one("ServiceAccount")["metadata"]["name"]


def test_nothing_is_a_hook_but_the_test(helm: Helm) -> None:
    """A hook runs before the ServiceAccount it needs is made."""
    rendering = rendered(helm, preInstallChecks__enabled=True)
    hooks = [item["metadata"].get("annotations", {}).get("helm.sh/hook") for item in rendering.objects]
    assert {hook for hook in hooks if hook} == {"test"}
    assert {item["kind"] for item in rendering.objects} == {"Deployment", "Service", "ServiceAccount", "Pod"}


def test_shared_memory_and_cache(helm: Helm) -> None:
    rendering = helm.template()
    mounts = {mount["name"]: mount["mountPath"] for mount in rendering.container["volumeMounts"]}
    volumes = {volume.pop("name"): volume for volume in map(dict, rendering.pod["spec"]["volumes"])}
    variables = {item["name"]: item["value"] for item in rendering.container["env"]}
    assert mounts == {"shm": "/dev/shm", "cache": "/cache", "tmp": "/tmp"}  # noqa: S108 - the pod's, not ours
    assert volumes.pop("shm") == {"emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}}
    assert volumes == {"cache": {"emptyDir": {}}, "tmp": {"emptyDir": {}}}
    assert {"HOME", "HF_HOME", "VLLM_CACHE_ROOT"} <= set(variables)
    assert all(path.startswith("/cache/") for path in variables.values())


@pytest.mark.parametrize(
    ("cache", "volume"),
    [
        ({"sizeLimit": "50Gi"}, {"emptyDir": {"sizeLimit": "50Gi"}}),
        ({"existingClaim": "models"}, {"persistentVolumeClaim": {"claimName": "models"}}),
    ],
    ids=["limited", "claim"],
)
def test_cache_volume(helm: Helm, cache: dict[str, str], volume: Manifest) -> None:
    assert {"name": "cache", **volume} in rendered(helm, cache=cache).pod["spec"]["volumes"]


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        ({}, {"nvidia.com/gpu": 1}),
        ({"count": 4}, {"nvidia.com/gpu": 4}),
        ({"resourceName": "nvidia.com/mig-3g.40gb"}, {"nvidia.com/mig-3g.40gb": 1}),
        ({"resourceName": "amd.com/gpu", "count": 2}, {"amd.com/gpu": 2}),
        ({"count": 0}, {}),
    ],
    ids=["default", "four", "MIG", "AMD", "none"],
)
def test_gpus_are_requested_and_limited_alike(helm: Helm, gpu: dict[str, Any], expected: dict[str, int]) -> None:
    resources = rendered(helm, gpu=gpu).container["resources"]
    for side in ("requests", "limits"):
        assert {name: count for name, count in resources[side].items() if "/" in name} == expected
    assert resources["requests"]["cpu"] == "4"


# Secrets


@pytest.mark.parametrize(
    ("value", "variable", "key"), [("hubToken", "HF_TOKEN", "token"), ("apiKey", "VLLM_API_KEY", "api-key")]
)
def test_secrets_only_by_reference(helm: Helm, value: str, variable: str, key: str) -> None:
    def found(rendering: Rendering) -> list[Manifest]:
        return [item for item in rendering.container["env"] if item["name"] == variable]

    reference = {"name": variable, "valueFrom": {"secretKeyRef": {"name": "held", "key": key}}}
    assert found(helm.template()) == []
    given: dict[str, Any] = {value: {"existingSecret": {"name": "held"}}}
    assert found(rendered(helm, **given)) == [reference]


# What is passed through


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nodeSelector", {"gpu": "h100"}),
        ("tolerations", [{"key": "gpu", "operator": "Exists"}]),
        ("affinity", {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}),
        ("priorityClassName", "serving"),
        ("runtimeClassName", "nvidia"),
    ],
)
def test_pod_settings_are_passed_through(helm: Helm, key: str, value: Any) -> None:
    assert rendered(helm, **{key: value}).pod["spec"][key] == value


def test_extras_are_added_to_what_the_chart_has(helm: Helm) -> None:
    volume, mount = {"name": "adapters", "hostPath": {"path": "/srv"}}, {"name": "adapters", "mountPath": "/adapters"}
    variable = {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    rendering = rendered(helm, extraVolumes=[volume], extraVolumeMounts=[mount], extraEnv=[variable])
    assert rendering.pod["spec"]["volumes"][-1] == volume
    assert rendering.container["volumeMounts"][-1] == mount
    assert rendering.container["env"][-1] == variable


def test_pull_secrets_and_annotations(helm: Helm) -> None:
    rendering = rendered(helm, image__pullSecrets=[{"name": "registry"}], podAnnotations={"a": "1"})
    assert rendering.pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert rendering.pod["metadata"]["annotations"] == {"a": "1"}
