# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts of the Kubernetes API's objects. Pure: JSON in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Event, Pod, Workload

Json = Mapping[str, Any]

REVISION = "deployment.kubernetes.io/revision"


def read_workload(deployments: Sequence[Json], replicasets: Sequence[Json], pods: Sequence[Json]) -> Workload:
    """A release's Deployment with the pods of its newest revision, out of all that carry the release's label."""
    if not deployments:
        return Workload()
    deployment = deployments[0]
    newest = newest_replicaset(replicasets, deployment)
    mine = [read_pod(pod) for pod in pods if newest and owned_by(pod, newest["metadata"]["uid"])]
    spec, status = deployment["spec"], deployment.get("status", {})
    progressing = condition(deployment, "Progressing")
    return Workload(
        found=True,
        observed=status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0),
        paused=spec.get("paused", False),
        desired=spec.get("replicas", 1),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        total=status.get("replicas", 0),
        blocked=blocked(deployment) or (blocked(newest) if newest else ""),
        overdue=progressing.get("reason") == "ProgressDeadlineExceeded",
        pods=tuple(sorted(mine, key=lambda pod: pod.name)),
    )


def newest_replicaset(replicasets: Sequence[Json], deployment: Json) -> Json | None:
    """The ReplicaSet that holds a Deployment's newest revision."""
    revision = deployment["metadata"].get("annotations", {}).get(REVISION)
    for each in replicasets:
        own = owned_by(each, deployment["metadata"]["uid"])
        if own and revision and each["metadata"].get("annotations", {}).get(REVISION) == revision:
            return each
    return None


def owned_by(item: Json, uid: str) -> bool:
    """Whether an object belongs to the owner with this uid."""
    return any(owner.get("uid") == uid for owner in item["metadata"].get("ownerReferences", ()))


def condition(item: Json, kind: str) -> Json:
    """A condition of an object, or nothing."""
    found = [each for each in item.get("status", {}).get("conditions") or () if each["type"] == kind]
    return found[0] if found else {}


def blocked(item: Json) -> str:
    """Why a Deployment or a ReplicaSet cannot make a pod; empty if it can."""
    failure = condition(item, "ReplicaFailure")
    return str(failure.get("message", "")) if failure.get("status") == "True" else ""


def read_pod(pod: Json) -> Pod:
    """A pod with the container that it waits for: an init container before the others."""
    spec, status = pod["spec"], pod.get("status", {})
    unscheduled = condition(pod, "PodScheduled")
    container = current_container(status)
    return Pod(
        name=pod["metadata"]["name"],
        uid=pod["metadata"]["uid"],
        node=spec.get("nodeName", ""),
        phase=status.get("phase", ""),
        status_reason=status.get("reason", ""),
        status_message=status.get("message", ""),
        unschedulable=unscheduled.get("message", "") if unscheduled.get("reason") == "Unschedulable" else "",
        gated=unscheduled.get("message", "") if unscheduled.get("reason") == "SchedulingGated" else "",
        requests=tuple(requests_of(spec)),
        initialises=container in (status.get("initContainerStatuses") or ()),
        container=container.get("name") or spec["containers"][0]["name"],
        ready=condition(pod, "Ready").get("status") == "True",
        terminating="deletionTimestamp" in pod["metadata"],
        port=port_of(spec["containers"][0]),
        probe_patience=probe_patience(spec["containers"][0], started=bool(container.get("started"))),
        **read_container(container),
    )


def has_ended(pod: Json) -> bool:
    """Whether a pod's containers have ended for good: it holds nothing any more."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def read_container(container: Json) -> dict[str, Any]:
    """What a container does, and how it last ended."""
    state, last = container.get("state", {}), container.get("lastState", {})
    ended = state.get("terminated") or last.get("terminated") or {}
    waiting = state.get("waiting", {})
    return {
        "pulled": bool(container.get("imageID")) or "running" in state,
        "running": "running" in state,
        "started": bool(container.get("started")),
        "restarts": container.get("restartCount", 0),
        "waiting": waiting.get("reason", ""),
        "message": waiting.get("message", ""),
        "exit_code": ended.get("exitCode"),
        "exit_reason": ended.get("reason", ""),
        "exit_message": ended.get("message", ""),
    }


def current_container(status: Json) -> Json:
    """The status of the container that a pod waits for.

    While the others wait for the pod's initialization that is the init container that has not done its work. Otherwise
    it is the first container that is not ready.
    """
    containers: Sequence[Json] = status.get("containerStatuses") or ({},)
    first = next((each for each in containers if not each.get("ready")), containers[0])
    if first.get("state", {}).get("waiting", {}).get("reason") != "PodInitializing":
        return first
    for each in status.get("initContainerStatuses") or ():
        done = each.get("state", {}).get("terminated", {}).get("exitCode") == 0
        if not done and not (each.get("started") and each.get("ready")):
            return dict(each)
    return first


def port_of(container: Json) -> int:
    """The port on which a container serves: the one named http, or its first."""
    ports = container.get("ports") or [{}]
    named = [port for port in ports if port.get("name") == "http"]
    return int((named or ports)[0].get("containerPort", 8000))


def probe_patience(container: Json, *, started: bool) -> float:
    """Seconds within which the probe that has to pass next notices that a container serves."""
    name = "readinessProbe" if started or "startupProbe" not in container else "startupProbe"
    if name not in container:
        return 0.0
    probe = container[name]
    lasts = probe.get("periodSeconds", 10) * max(1, probe.get("successThreshold", 1)) + probe.get("timeoutSeconds", 1)
    return float(probe.get("initialDelaySeconds", 0) + lasts)


def requests_of(spec: Json) -> Iterable[tuple[str, str]]:
    """What the containers of a pod request, each resource as often as it is requested."""
    for container in spec["containers"]:
        yield from container.get("resources", {}).get("requests", {}).items()


def read_events(items: Sequence[Json]) -> tuple[Event, ...]:
    """Events, the latest last."""

    def moment(event: Json) -> str:
        series = event.get("series") or {}
        moments = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
        return next((str(each) for each in moments if each), "")

    return tuple(Event(each.get("reason", ""), each.get("message", "")) for each in sorted(items, key=moment))
