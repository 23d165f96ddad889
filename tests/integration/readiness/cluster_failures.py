# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures that keep a Deployment from having pods, its pods from having a node, or its rollout from its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.reasons import HEALS, PERMANENT, SUSPECT

from tests.integration.readiness.deployments import Json
from tests.integration.readiness.failures import Case
from tests.integration.readiness.scene import (
    Scene,
    at_once,
    available,
    blocked,
    condition,
    ended,
    pending,
    running,
    server,
    told,
    unscheduled,
    waiting,
)

GPU = "nvidia.com/gpu"
NODE = "kubernetes.io/hostname"


def deploys(*containers: Json, **spec: Any) -> Callable[[Scene], None]:
    """Makes the Deployment, and nothing else."""
    return lambda scene: scene.deploy(*containers, **spec)


def wants(**resources: str) -> Json:
    """A server that requests resources."""
    return server(resources={"limits": {name.replace("gpu", GPU): amount for name, amount in resources.items()}})


def pause_in_rollout(scene: Scene) -> None:
    scene.deploy()
    scene.deployments.wait_available(scene.release)
    scene.deployments.patch(scene.release, {"paused": True})
    scene.update(terminationGracePeriodSeconds=2)


def use_up_quota(scene: Scene) -> None:
    scene.move()
    scene.create("resourcequotas", "small", spec={"hard": {"pods": "0"}})
    scene.deploy()


def raise_quota(scene: Scene) -> None:
    path = f"/api/v1/namespaces/{scene.namespace}/resourcequotas/small"
    scene.api.request("PATCH", path, {"spec": {"hard": {"pods": "5"}}})


def restrict_pods(scene: Scene) -> None:
    scene.move({"pod-security.kubernetes.io/enforce": "restricted"})
    scene.deploy()


def limit_memory(scene: Scene) -> None:
    scene.move()
    scene.create("limitranges", "small", spec={"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]})
    scene.deploy(wants(memory="2Gi"))


def make_account(scene: Scene) -> None:
    scene.create("serviceaccounts", "late")


def hold_gpus(scene: Scene) -> None:
    holder = {"name": "holder", "image": "example.org/none:1", "resources": {"limits": {GPU: "2"}}}
    where = {"nodeSelector": {NODE: "gpu-node-1"}}
    scene.deployments.pods.create(f"{scene.release}-holder", holder, **where)
    scene.later(scene.deployments.pods.delete, f"{scene.release}-holder", 0)
    scene.deployments.pods.wait_ready(f"{scene.release}-holder")
    scene.deploy(wants(gpu="1"), pod=where)


def free_gpus(scene: Scene) -> None:
    scene.deployments.pods.delete(f"{scene.release}-holder", 0)


def claims(name: str) -> Json:
    """A pod that mounts a claim."""
    return {"volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": name}}]}


def claim_without_volume(scene: Scene) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}
    scene.create("persistentvolumeclaims", scene.release, spec=spec)
    scene.deploy(pod=claims(scene.release))


def reject_pods(scene: Scene) -> None:
    """As a kubelet does whose device plugin is gone."""
    status = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": f"Allocate failed: no {GPU} left"}

    def reject() -> None:
        for pod in scene.pods():
            if pod["status"]["phase"] == "Pending":
                scene.patch_pod(pod, status)

    scene.deploy(pod={"nodeName": scene.node(managed=False)})
    scene.play(reject)


def refuse_container(scene: Scene) -> None:
    """As a kubelet whose runtime still has a container of this name."""
    scene.deploy(pod={"nodeName": scene.node(managed=False)})
    pod = scene.deployments.wait(scene.release, bool)[0]
    state = {"waiting": {"reason": "CreateContainerError", "message": 'failed to reserve container name "vllm_1"'}}
    status = {"name": "vllm", "image": "x", "imageID": "x", "ready": False, "restartCount": 0, "state": state}
    scene.patch_pod(pod, {"phase": "Pending", "containerStatuses": [status]})


def keep_volume(scene: Scene) -> None:
    """As the attach controller while another node has the volume."""
    scene.deploy(pod={"nodeName": scene.node(managed=False)})
    pod = scene.deployments.wait(scene.release, bool)[0]
    message = 'Multi-Attach error for volume "models" Volume is already used by pod(s) old'
    scene.tell(pod, "FailedAttachVolume", message, "attachdetach-controller")


def lose_node(scene: Scene) -> None:
    """The lab's node controller would take minutes to see it: what it writes then is written here."""
    node = scene.node(managed=True)
    scene.deploy(pod={"nodeName": node})
    scene.deployments.wait_available(scene.release)
    path = f"/api/v1/nodes/{node}"
    scene.api.request("PATCH", path, {"metadata": {"labels": {"lab-lost": "1"}}})
    scene.later(scene.api.request, "PATCH", path, {"metadata": {"labels": {"lab-lost": None}}})
    lost = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "lost"}
    scene.api.request("PATCH", f"{path}/status", {"status": {"conditions": [lost]}})
    for pod in scene.pods():
        scene.patch_pod(pod, {"conditions": [{"type": "Ready", "status": "False"}]})
        scene.tell(pod, "NodeNotReady", "Node is not ready", "node-controller")


def replaces(*containers: Json, **pod: Any) -> Callable[[Scene], None]:
    """A rollout of other pods while the old one serves."""

    def make(scene: Scene) -> None:
        scene.deploy()
        scene.deployments.wait_available(scene.release)
        scene.update(*containers, **pod)

    return make


CASES = (
    Case("no-deployment", "not_found", PERMANENT, ("RELEASE", "NAMESPACE"), lambda _scene: None, at_once),
    Case("scaled-to-zero", "scaled_to_zero", PERMANENT, ("0 replicas",), deploys(replicas=0), at_once),
    Case("paused-from-the-start", "paused", SUSPECT, ("paused",), deploys(paused=True), at_once),
    Case("paused-in-a-rollout", "paused", SUSPECT, ("paused",), pause_in_rollout, at_once),
    Case(
        "quota", "quota", HEALS, ("exceeded quota: small", "limited: pods=0"), use_up_quota, blocked, heal=raise_quota
    ),
    Case("pod-security", "admission_denied", PERMANENT, ("PodSecurity", "runAsNonRoot"), restrict_pods, blocked),
    Case("limit-range", "admission_denied", PERMANENT, ("maximum memory", "1Gi", "2Gi"), limit_memory, blocked),
    Case(
        "priority-class-missing",
        "admission_denied",
        PERMANENT,
        ("no PriorityClass with name urgent",),
        deploys(pod={"priorityClassName": "urgent"}),
        blocked,
    ),
    Case(
        "service-account-missing",
        "admission_denied",
        HEALS,
        ('serviceaccount "late" not found',),
        deploys(pod={"serviceAccountName": "late"}),
        blocked,
        heal=make_account,
    ),
    Case(
        "gpu-busy",
        "unschedulable",
        HEALS,
        (r"0/\d+ nodes", f"Insufficient {GPU}", rf"{GPU} is held by .*NAMESPACE/RELEASE-holder \(2\)"),
        hold_gpus,
        unscheduled,
        heal=free_gpus,
    ),
    Case(
        "gpu-exceeds-every-node",
        "unschedulable",
        PERMANENT,
        (f"requests {GPU}: 16", r"no node of \d+ has more than 2"),
        deploys(wants(gpu="16")),
        unscheduled,
    ),
    Case(
        "memory-exceeds-every-node",
        "unschedulable",
        PERMANENT,
        ("requests memory", r"no node of \d+ has more than"),
        deploys(wants(memory="4Ti")),
        unscheduled,
    ),
    Case(
        "taint",
        "unschedulable",
        HEALS,
        ("untolerated taint",),
        deploys(pod={"tolerations": [], "nodeSelector": {NODE: "gpu-node-0"}}),
        unscheduled,
    ),
    Case(
        "node-selector",
        "unschedulable",
        HEALS,
        ("node affinity/selector",),
        deploys(pod={"nodeSelector": {f"{GPU}.product": "H100"}}),
        unscheduled,
    ),
    Case("claim-missing", "volume", HEALS, ('"no-claim" not found',), deploys(pod=claims("no-claim")), unscheduled),
    Case("claim-unbound", "volume", HEALS, ("unbound immediate Pers",), claim_without_volume, unscheduled),
    Case("no-scheduler", "scheduling", HEALS, ("RELEASE",), deploys(pod={"schedulerName": "nobody"}), pending),
    Case(
        "scheduling-gate",
        "scheduling",
        HEALS,
        ("gate",),
        deploys(pod={"schedulingGates": [{"name": "queue.example.org/held"}]}),
        unscheduled,
    ),
    Case("pod-rejected", "pod_rejected", SUSPECT, ("UnexpectedAdmissionError", GPU), reject_pods, at_once),
    Case(
        "container-error",
        "container_error",
        SUSPECT,
        ("reserve container name",),
        refuse_container,
        waiting("CreateContainerError"),
    ),
    Case("volume-kept", "volume", HEALS, ("Multi-Attach", "models"), keep_volume, told("FailedAttachVolume")),
    Case("node-lost", "node_lost", HEALS, (r"node node-\w+",), lose_node, told("NodeNotReady")),
    Case(
        "available-late",
        "rollout",
        HEALS,
        ("1 ready, 0 available of 1",),
        deploys(minReadySeconds=500),
        lambda scene: scene.deployments.get(scene.release)["status"].get("readyReplicas"),
    ),
    Case(
        "progress-deadline",
        "slow",
        HEALS,
        ("progress deadline has passed", "startup probe"),
        deploys(server(load=60), progressDeadlineSeconds=1),
        condition("Progressing", reason="ProgressDeadlineExceeded"),
    ),
    Case(
        "new-revision-without-image",
        "image_not_found",
        PERMANENT,
        ("vllm/vllm-openai:missing",),
        replaces(server() | {"image": "vllm/vllm-openai:missing"}),
        waiting("ErrImagePull"),
    ),
    Case(
        "new-revision-crashes",
        "bad_flag",
        PERMANENT,
        ("exit code 2", "--max-modell-len"),
        replaces(server("", "--max-modell-len=1")),
        ended,
    ),
    Case("new-revision-loads", "loading", HEALS, ("startup probe",), replaces(server(load=60)), running),
    Case(
        "new-revision-frozen",
        "not_generating",
        SUSPECT,
        ("alive",),
        replaces(server("frozen")),
        available,
        {"request_timeout": 1},
    ),
)
